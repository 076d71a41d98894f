package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// A Kind says what a tensor is.
type Kind string

const (
	KindMatrix      Kind = "matrix"      // the weights of a linear layer
	KindMatrices    Kind = "matrices"    // a stack of them, such as the experts of a layer
	KindConvolution Kind = "convolution" // a matrix for each place of the kernel
	KindTable       Kind = "table"       // vectors that are looked up: an embedding
	KindPacked      Kind = "packed"      // weights in the codes of a quantization
	KindCompanion   Kind = "companion"   // scales, zero points and the like of packed weights
	KindVector      Kind = "vector"      // a bias, a norm, a scalar
	KindBuffer      Kind = "buffer"      // a mask, a table of angles, indices: nothing that was trained
	KindOptimizer   Kind = "optimizer"   // the state of an optimizer
	KindOther       Kind = "other"
)

// IsWeight reports whether a kind is one of weights that are multiplied, or looked up.
func (k Kind) IsWeight() bool {
	return slices.Contains([]Kind{KindMatrix, KindMatrices, KindConvolution, KindTable, KindPacked}, k)
}

// A classifier tells the kinds of the tensors of one checkpoint.
type classifier struct {
	config   checkpoint.Config
	declared bool            // config.json says that the weights are quantized
	scaled   map[string]bool // modules that hold what codes are decoded with: scales, zero points, codebooks
	packed   map[string]bool // modules that hold packed weights
	method   string          // how they were packed
	conv1D   bool            // layers are those of GPT-2, stored [inputs, outputs]
}

// newClassifier looks at all tensors of a checkpoint, and at the config.json of its folder.
func newClassifier(path string, tensors []checkpoint.Tensor) *classifier {
	c := &classifier{config: checkpoint.ReadConfig(path), scaled: map[string]bool{}, packed: map[string]bool{}}
	c.method = c.config.QuantMethod
	c.declared = c.method != ""
	names := make([]tensorName, len(tensors))
	for i := range tensors {
		names[i] = parseName(tensors[i].Name)
		n := &names[i]
		if c.method == "" {
			c.method = methodOf(n.leaf)
		}
		if s := tensors[i].Shape; n.is("c_attn") && n.weight && len(s) == 2 && s[1] == 3*s[0] {
			c.conv1D = true // others with that name have [3 inputs, inputs]
		}
		if n.isCompanion() || n.decodes() {
			c.scaled[n.module], c.scaled[n.parent()] = true, true
		}
	}
	for i := range tensors {
		if c.isPacked(&tensors[i], &names[i]) {
			c.packed[names[i].module] = true
		}
	}
	return c
}

// remarks returns what there is to say of a checkpoint whose tensors have these kinds.
func (c *classifier) remarks(tensors []TensorStatus) []string {
	if !c.declared || slices.ContainsFunc(tensors, func(t TensorStatus) bool { return t.Kind == KindPacked || t.inCodes() }) {
		return nil
	}
	return []string{fmt.Sprintf("config.json says that the weights are quantized by %s, but all of them are stored as floating-point numbers: they are analysed as they are stored",
		checkpoint.Printable(c.method))}
}

// packedTypes are the element types that hold the codes of quantized weights. I64 and U64
// do where scales or codebooks are beside them; otherwise they are indices.
var packedTypes = []checkpoint.DType{
	checkpoint.U8, checkpoint.I8, checkpoint.U16, checkpoint.I16, checkpoint.U32, checkpoint.I32,
	checkpoint.F8E4M3, checkpoint.F8E5M2, checkpoint.F8E4M3FNUZ, checkpoint.F8E5M2FNUZ, checkpoint.F6E2M3, checkpoint.F6E3M2, checkpoint.F4,
}

// isPacked reports whether a tensor, whose name is n, holds the codes of quantized weights.
// Names of indices are those of codes if something to decode them with is beside them, or
// config.json says that weights are quantized.
func (c *classifier) isPacked(t *checkpoint.Tensor, n *tensorName) bool {
	scaled := c.scaled[n.module]
	switch {
	case t.Encoding != nil || len(t.Shape) < 2 || t.Elements() == 0 || n.isMask() || n.isPosition():
		return false
	case n.isIndices():
		codes := scaled || c.declared && min(t.Shape[len(t.Shape)-2], t.Shape[len(t.Shape)-1]) > 1
		return codes && slices.Contains(packedTypes, t.DType)
	case t.DType == checkpoint.I64 || t.DType == checkpoint.U64:
		return scaled && n.isCodes()
	}
	return slices.Contains(packedTypes, t.DType)
}

// methodOf returns the way of packing that has such leaves, empty for others.
func methodOf(leaf string) string {
	for _, m := range []struct{ end, method string }{
		{"bitsandbytes__nf4", "bitsandbytes nf4"}, {"bitsandbytes__fp4", "bitsandbytes fp4"}, {"scb", "bitsandbytes int8"},
		{"qzeros", "GPTQ or AWQ"}, {"weight_scale_inv", "FP8 with block scales"}, {"weight_packed", "compressed-tensors"},
		{"_blocks", "MXFP4"}, {"w_q", "HQQ"},
	} {
		if strings.HasSuffix(leaf, m.end) {
			return m.method
		}
	}
	return ""
}

// kind returns what a tensor is and, where that is not one that is analysed, why in words.
func (c *classifier) kind(t *checkpoint.Tensor, n *tensorName) (Kind, string) {
	s := t.Shape
	wide := 0 // dimensions above 1
	for _, d := range s {
		if d > 1 {
			wide++
		}
	}
	switch {
	case slices.Contains(s, 0):
		return KindOther, "has no elements"
	case n.isOptimizer():
		return KindOptimizer, "the state of an optimizer"
	case n.isCompanion() || (c.packed[n.module] || c.packed[n.parent()]) && n.isCompanionOfSibling():
		return KindCompanion, "belongs to packed weights (scales, zero points)"
	case len(s) < 2:
		return KindVector, "a vector or scalar (bias, norm)"
	case n.isBuffer() && !c.isPacked(t, n):
		return KindBuffer, "a mask, a table of angles, filters or indices, or a statistic: not trained"
	case n.isBias():
		return KindVector, "a bias"
	case c.isPacked(t, n):
		return KindPacked, c.packedReason(t)
	case t.Refusal != "":
		return KindPacked, t.Refusal
	case t.Encoding == nil:
		return KindBuffer, fmt.Sprintf("stored as %s, not a floating-point weight that can be read as it stands", t.StoredType())
	case wide < 2 && !(n.weight && len(s) == 2):
		return KindVector, "one vector"
	case n.isNorm(wide > 1 && len(s) == 2):
		return KindVector, "a normalization"
	case n.isParameter():
		return KindVector, "scales, shifts or decays: no matrix"
	case n.isTable() && !(n.weight && len(s) > 3):
		return c.table(t)
	}
	switch len(s) {
	case 2:
		if c.vocabulary(s[0]) && n.mayBeTable() {
			return c.table(t)
		}
		return KindMatrix, ""
	case 3:
		switch {
		case c.isStack(s, n):
			return KindMatrices, ""
		case !n.weight && !strings.Contains(n.leaf, "weight") && !strings.Contains(n.leaf, "original") && min(s[0], s[1], s[2]) == 1:
			return KindBuffer, "vectors, not matrices"
		}
		return KindConvolution, ""
	case 4, 5:
		return KindConvolution, ""
	}
	return KindOther, fmt.Sprintf("%d-D: no matrix or convolution", len(s))
}

// inCodes reports whether the weights are stored in codes, from which they are decoded.
func (t *TensorStatus) inCodes() bool {
	_, ok := t.Encoding.(checkpoint.PlacedEncoding)
	return ok
}

// packedReason says why packed weights are not analysed.
func (c *classifier) packedReason(t *checkpoint.Tensor) string {
	if t.Refusal != "" {
		return t.Refusal
	}
	by := ""
	if c.method != "" {
		by = " by " + c.method
	}
	return fmt.Sprintf("quantized already%s: stored as %s, not as floating-point weights that can be read as they stand", by, t.StoredType())
}

// table returns the kind of a table of vectors. In front of rows and columns it may have one
// dimension of 1.
func (c *classifier) table(t *checkpoint.Tensor) (Kind, string) {
	if d := len(t.Shape); d > 3 || d == 3 && t.Shape[0] != 1 {
		return KindOther, fmt.Sprintf("a table of vectors in %d dimensions", d)
	}
	return KindTable, ""
}

// vocabulary reports whether config.json knows a vocabulary of that size.
func (c *classifier) vocabulary(size int) bool { return slices.Contains(c.config.Vocabularies, size) }

// isStack reports whether a 3-D tensor is a stack of matrices [matrices, out, in], rather
// than a convolution [out, in, kernel]: by the number of experts in config.json, the name,
// or the shape, since kernels are shorter than there are channels, and experts fewer than
// there are inputs.
func (c *classifier) isStack(s []int, n *tensorName) bool {
	switch {
	case min(s[1], s[2]) == 1, strings.Contains(n.last, "conv"), strings.HasSuffix(n.leaf, "weight_v"), strings.HasPrefix(n.leaf, "original"):
		return false
	case slices.Contains(c.config.Experts, s[0]), !n.weight && !strings.Contains(n.leaf, "weight_orig"), n.has("exps", "experts", "gate", "up", "down"):
		return true
	}
	return s[2] > s[0]
}

// kernelLast reports whether a convolution is stored as [out, in, kernel…] rather than
// [kernel…, in, out].
func kernelLast(s []int) bool {
	if len(s) == 3 {
		return true
	}
	channels, kernel := s[0]+s[1], 0
	for _, d := range s[2:] {
		kernel += d
	}
	return channels >= kernel
}

// inputFirst reports whether a tensor of a kind is stored with its inputs before its outputs:
// kernels of JAX and Keras, and the layers of GPT-2 and its like, which PyTorch's Linear does
// not have.
func (c *classifier) inputFirst(k Kind, s []int, n *tensorName) bool {
	switch k {
	case KindConvolution:
		return !kernelLast(s)
	case KindMatrix:
		return n.leaf == "kernel" || c.conv1D && n.isConv1D()
	case KindMatrices:
		return n.leaf == "kernel"
	}
	return false
}

// layout returns the matrices of a tensor of a kind that is analysed: how many layers it
// gives, the dimensions of each matrix, and how many there are in a layer.
func layout(k Kind, s []int) (typ LayerType, layers, rows, cols, inLayer int) {
	d := len(s)
	switch k {
	case KindTable:
		return Embedding, 1, s[d-2], s[d-1], 1
	case KindMatrices:
		return Dense, s[0], s[1], s[2], 1
	case KindConvolution:
		typ := map[int]LayerType{3: Conv1D, 4: Conv2D, 5: Conv3D}[d]
		kernel := 1
		if kernelLast(s) {
			for _, n := range s[2:] {
				kernel *= n
			}
			return typ, 1, s[0], s[1], kernel
		}
		for _, n := range s[:d-2] {
			kernel *= n
		}
		return typ, 1, s[d-2], s[d-1], kernel
	}
	return Dense, 1, s[0], s[1], 1
}
