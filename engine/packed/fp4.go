package packed

import (
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// FP4 is the layout of weights in E2M1, two in a byte, the even one in the low bits, with a
// scale for each group of inputs. Form says which parts there are.
//
// Source: compressed-tensors ac8e2ba8, compressors/nvfp4 and mxfp4; TensorRT-Model-Optimizer
// 5a4242fa, quantization/qtensor/nvfp4_tensor.py; gpt-oss 7b58334, torch/weights.py.
type FP4 struct {
	Form FP4Form
	// Prefix is what stands before "_blocks" and "_scales" in the parts of gpt-oss; it may be
	// empty, and then the parts are "blocks" and "scales".
	Prefix string
}

// An FP4Form is a form of FP4.
type FP4Form int

const (
	// NVFP4 is nvfp4-pack-quantized of compressed-tensors, with groups of 16:
	//
	//	weight_packed        U8 [outputs, inputs/2]
	//	weight_scale         F8_E4M3 [outputs, inputs/16]
	//	weight_global_scale  F32 [1]
	//
	// A weight is code × (scale / global scale).
	NVFP4 FP4Form = iota
	// MXFP4 is mxfp4-pack-quantized of compressed-tensors, with groups of 32:
	//
	//	weight_packed  U8 [outputs, inputs/2]
	//	weight_scale   U8 or F8_E8M0 [outputs, inputs/32], powers of two
	MXFP4
	// ModelOpt is NVFP4 as ModelOpt exports it, with groups of 16:
	//
	//	weight          U8 [outputs, inputs/2]
	//	weight_scale    F8_E4M3 [outputs, inputs/16]
	//	weight_scale_2  F32, one number
	//
	// A weight is code × (scale × scale 2).
	ModelOpt
	// GPTOSS is MXFP4 of the experts of gpt-oss, which stand in front:
	//
	//	blocks  U8 [experts, outputs, groups, 16]
	//	scales  U8 [experts, outputs, groups], powers of two
	//
	// The matrix has the outputs of all experts under each other.
	GPTOSS
)

// Name returns the form.
func (l FP4) Name() string {
	return [...]string{"nvfp4-pack-quantized", "mxfp4-pack-quantized", "ModelOpt's NVFP4", "gpt-oss' MXFP4"}[l.Form&3]
}

// Open returns the weights of a layer.
func (l FP4) Open(p Parts) (Matrix, error) { return opened(l.open(p)) }

func (l FP4) open(p Parts) (*matrix, error) {
	switch l.Form {
	case NVFP4:
		m, err := l.rows(p, "weight_packed", 16, []checkpoint.DType{checkpoint.F8E4M3})
		if err != nil {
			return nil, err
		}
		m.scales.divide = true
		return m, m.shared(p, "weight_global_scale")
	case MXFP4:
		return l.rows(p, "weight_packed", 32, []checkpoint.DType{checkpoint.U8, checkpoint.F8E8M0})
	case ModelOpt:
		if s := p["weight_scale"]; s.DType == checkpoint.U8 && len(s.Shape) == 1 {
			return nil, checkpoint.Unsupportedf("part weight_scale is in the order of a kernel of TensorRT-LLM, which is not read")
		}
		m, err := l.rows(p, "weight", 16, []checkpoint.DType{checkpoint.F8E4M3})
		if err != nil {
			return nil, err
		}
		return m, m.shared(p, "weight_scale_2")
	case GPTOSS:
		return l.experts(p)
	}
	return nil, checkpoint.Unsupportedf("there is no form %d of FP4", l.Form)
}

// rows returns a matrix of rows of pairs with groups of a size.
func (l FP4) rows(p Parts, name string, size int, scaleTypes []checkpoint.DType) (*matrix, error) {
	w, err := p.taken(name, 2, checkpoint.U8)
	if err != nil {
		return nil, err
	}
	rows, cols := w.Shape[0], 2*w.Shape[1]
	groups := parts(cols, size)
	s, err := p.shaped("weight_scale", scaleTypes, []int{rows, groups})
	if err != nil {
		return nil, err
	}
	return l.matrix(w, s, rows, cols, size), nil
}

func (l FP4) matrix(w, s Part, rows, cols, size int) *matrix {
	return &matrix{
		layout: l, rows: rows, cols: cols, codes: nibbles{data: w.Data, cols: cols}, meaning: e2m1,
		scales: scales{inner: of(s, checkpoint.F8E8M0)},
		groups: grouping{rows: 1, cols: size, down: parts(cols, size), across: 1},
	}
}

// shared finds the scale of all scales.
func (m *matrix) shared(p Parts, name string) error {
	s, err := p.shaped(name, []checkpoint.DType{checkpoint.F32}, []int{1}, []int{})
	if err != nil {
		return err
	}
	m.scales.outer = of(s, checkpoint.U8)
	m.scales.run = m.scales.inner.count()
	return nil
}

// blockNames returns the names of the parts of gpt-oss.
func (l FP4) blockNames() (blocks, scales string) {
	if l.Prefix == "" {
		return "blocks", "scales"
	}
	return l.Prefix + "_blocks", l.Prefix + "_scales"
}

func (l FP4) experts(p Parts) (*matrix, error) {
	blocks, names := l.blockNames()
	w, err := p.taken(blocks, 4, checkpoint.U8)
	if err != nil {
		return nil, err
	}
	if w.Shape[3] != 16 {
		return nil, checkpoint.Corruptf("part %s has the shape %v: blocks have 16 bytes", blocks, w.Shape)
	}
	s, err := p.shaped(names, []checkpoint.DType{checkpoint.U8, checkpoint.F8E8M0}, w.Shape[:3])
	if err != nil {
		return nil, err
	}
	m := l.matrix(w, s, w.Shape[0]*w.Shape[1], 32*w.Shape[2], 32)
	m.stacked = w.Shape[0]
	return m, nil
}

// Pack stores powers of two as U8. For gpt-oss it makes a stack of one expert.
func (l FP4) Pack(w quant.Weights, q quant.Quantizer) (Parts, error) {
	rows, cols := w.Dims()
	size := 16
	if l.Form == MXFP4 || l.Form == GPTOSS {
		size = 32
	}
	if rows < 1 || cols < 1 || cols%size != 0 {
		return nil, cannot(l, "%d×%d weights", rows, cols)
	}
	p := Parts{}
	switch l.Form {
	case GPTOSS:
		blocks, scales := l.blockNames()
		p[blocks], p[scales] = blank(checkpoint.U8, 1, rows, cols/32, 16), blank(checkpoint.U8, 1, rows, cols/32)
		return filled(p, w, q, l.open)
	case MXFP4:
		p["weight_packed"], p["weight_scale"] = blank(checkpoint.U8, rows, cols/2), blank(checkpoint.U8, rows, cols/32)
	case NVFP4:
		p["weight_packed"], p["weight_global_scale"] = blank(checkpoint.U8, rows, cols/2), blank(checkpoint.F32, 1)
		p["weight_scale"] = blank(checkpoint.F8E4M3, rows, cols/16)
	case ModelOpt:
		p["weight"], p["weight_scale_2"] = blank(checkpoint.U8, rows, cols/2), blank(checkpoint.F32)
		p["weight_scale"] = blank(checkpoint.F8E4M3, rows, cols/16)
	}
	return filled(p, w, q, l.open)
}
