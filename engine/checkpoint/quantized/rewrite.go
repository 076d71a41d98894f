package quantized

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// Rewrite writes the checkpoint as one that is not quantized: each layer as one tensor of the
// floating-point type that opts.DType says of it, float32 where it says none, with its dequantized
// weights where opts.Tensor gives no others. Config.json is copied without what it says of the
// quantization, and the files that say nothing else are left out. A checkpoint with layers of codes
// that are not read is refused, but for one of which no layer is read: that is copied as it is. Models
// of which the layers lie in another way where they are not quantized are refused, too.
func (s *Source) Rewrite(ctx context.Context, out string, opts checkpoint.RewriteOptions) ([]string, error) {
	w, ok := s.Source.(checkpoint.Rewriter)
	if !ok {
		return nil, fmt.Errorf("writing %s checkpoints: %w", s.Format(), checkpoint.ErrUnsupported)
	}
	if len(s.layers) == 0 {
		return w.Rewrite(ctx, out, opts)
	}
	if err := s.writable(); err != nil {
		return nil, err
	}
	inner := opts
	r := &rewriter{source: s, opts: &opts, types: map[string]checkpoint.DType{}}
	inner.DType, inner.Replace, inner.Tensor = r.dtype, r.replace, r.tensor
	inner.Edit = map[string]func([]byte) ([]byte, error){
		"config.json":          withoutQuantization,
		"quantize_config.json": nil, "quant_config.json": nil, "hf_quant_config.json": nil, "quanto_qmap.json": nil,
	}
	paths, err := w.Rewrite(ctx, out, inner)
	if err == nil && opts.Note != nil {
		opts.Note("the quantized layers are written as floating-point weights: the copy has no quantization_config")
	}
	return paths, err
}

// conv1D are types of models whose linear layers are stored [inputs, outputs] where they are not
// quantized.
var conv1D = []string{"gpt2", "openai-gpt", "imagegpt", "decision_transformer", "jukebox"}

// already begins the errors of models of which no copy is written.
const already = "the model is quantized already, and a copy is not written: "

// writable reports an error if a model of floating-point weights cannot be made of the layers.
func (s *Source) writable() error {
	if n := len(s.refused); n > 0 {
		return checkpoint.Unsupportedf(already+"%s of codes cannot be read, such as %s, and no program could load one in which the others are dequantized",
			countOf(n), checkpoint.Quote(s.refused[0]))
	}
	if err := s.FloatOrder(); err != nil {
		return err
	}
	for i := range s.tensors {
		t := &s.tensors[i]
		if t.Encoding == nil && slices.Contains(codeTypes, t.DType) && (len(t.Shape) == 2 || len(t.Shape) == 3 || is8(&layer{codes: t}) && len(t.Shape) > 1) {
			return checkpoint.Unsupportedf(already+"tensor %s may hold codes that are not read", checkpoint.Quote(t.Name))
		}
		if strings.HasSuffix(t.Name, ".act.scales") {
			return checkpoint.Unsupportedf(already+"activations are divided by %s, which only the quantized model does", checkpoint.Quote(t.Name))
		}
	}
	return nil
}

// FloatOrder reports an error if floating-point models of this kind store weights in another order
// than that in which they are read here, outputs in front of inputs.
func (s *Source) FloatOrder() error {
	if kind := text(s.model, "model_type"); len(s.layers) > 0 && slices.Contains(conv1D, kind) {
		return checkpoint.Unsupportedf(already+"models of the type %s have inputs in front of outputs where they are not quantized", kind)
	}
	for i := range s.tensors {
		if l := s.layers[s.tensors[i].Name]; l != nil && l.family.bare {
			return checkpoint.Unsupportedf(already+"experts such as %s have inputs in front of outputs where they are not quantized", checkpoint.Quote(s.tensors[i].Name))
		}
	}
	return nil
}

// countOf is a number of tensors in words.
func countOf(n int) string {
	if n == 1 {
		return "1 tensor"
	}
	return fmt.Sprintf("%d tensors", n)
}

// A rewriter translates the options of a rewrite for the stored tensors.
type rewriter struct {
	source *Source
	opts   *checkpoint.RewriteOptions
	types  map[string]checkpoint.DType // asked for, by the names of layers
}

// replace returns the weights for the codes of a layer, and leaves its other tensors out.
func (r *rewriter) replace(t *checkpoint.Tensor) *checkpoint.Tensor {
	l := r.source.inside[t.Name]
	switch {
	case l == nil:
		return t
	case t.Name != l.codes.Name:
		return nil
	}
	whole := l.tensor()
	return &whole
}

// dtype returns the type of what is written for a stored tensor.
func (r *rewriter) dtype(t *checkpoint.Tensor) checkpoint.DType {
	l := r.source.inside[t.Name]
	if l == nil {
		if r.opts.DType == nil {
			return t.DType
		}
		return r.opts.DType(t)
	}
	if r.opts.DType != nil {
		whole := l.tensor()
		if d := r.opts.DType(&whole); d.Encoding() != nil {
			r.types[l.name] = d
			return d
		}
	}
	return checkpoint.F32
}

// tensor returns the bytes that are written for a stored tensor.
func (r *rewriter) tensor(t *checkpoint.Tensor, stored []byte) ([]byte, error) {
	l := r.source.inside[t.Name]
	if l == nil {
		if r.opts.Tensor == nil {
			return stored, nil
		}
		return r.opts.Tensor(t, stored)
	}
	whole := l.tensor()
	data := make([]byte, whole.Size)
	if err := r.source.ReadTensor(data, &whole); err != nil {
		return nil, err
	}
	if _, ok := r.types[l.name]; ok && r.opts.Tensor != nil {
		out, err := r.opts.Tensor(&whole, data)
		if out != nil || err != nil {
			return out, err
		}
	}
	return l.floats(data, r.types[l.name])
}

// floats returns the weights of a layer in a type, float32 if it is none.
func (l *layer) floats(data []byte, d checkpoint.DType) ([]byte, error) {
	if d == checkpoint.InvalidDType {
		d = checkpoint.F32
	}
	b, err := encoding{l}.Open(data)
	if err != nil {
		return nil, err
	}
	size, n := d.Bits()/8, product(l.shape)
	out := make([]byte, n*size)
	piece := make([]float32, 1<<13)
	for at := 0; at < n; at += len(piece) {
		part := piece[:min(len(piece), n-at)]
		b.DecodeAt(part, at)
		d.Encode(out[at*size:][:len(part)*size], part)
	}
	return out, nil
}

// withoutQuantization returns config.json without what it says of the quantization.
func withoutQuantization(content []byte) ([]byte, error) {
	var root object
	d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))))
	d.UseNumber()
	if err := d.Decode(&root); err != nil {
		return nil, checkpoint.Corruptf("is no object in JSON: %w", err)
	}
	var remove func(o object, depth int)
	remove = func(o object, depth int) {
		for _, key := range configKeys {
			if _, ok := o[key].(object); ok && (depth == 0 || key != "quantization") {
				delete(o, key)
			}
		}
		for _, v := range o {
			if inside, ok := v.(object); ok && depth < maxDepth {
				remove(inside, depth+1)
			}
		}
	}
	remove(root, 0)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(root)
	return b.Bytes(), err
}
