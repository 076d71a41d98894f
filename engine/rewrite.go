package engine

import (
	"context"
	"fmt"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/weights"
)

// A RewriteSummary says what [Quantize] wrote.
type RewriteSummary struct {
	Files   []string // paths written
	Changed int      // tensors quantized and dequantized
	Copied  int      // tensors copied byte for byte
}

// Quantize writes src to out with every matrix that [Analyze] would quantize
// replaced by its dequantized weights at one level, stored in the tensor's own
// type or in opts.DequantDType. All other tensors, the metadata, the division
// into shards and the index are copied. Matrices too small or too large for an
// analysis are quantized too: the limits of opts do not count, its choice of
// layers does. What out may be, and what happens on errors, is up to the format:
// see its [checkpoint.Rewriter]. overwrite allows output files to be replaced.
//
// A tensor with weights that are not finite, or that overflow the stored type,
// ends it with an error. The memory taken is that of the largest tensor, twice.
func Quantize(ctx context.Context, src checkpoint.Source, out string, level quant.Recipe, opts Options, overwrite bool) (RewriteSummary, error) {
	var sum RewriteSummary
	w, ok := src.(checkpoint.Rewriter)
	if !ok {
		return sum, fmt.Errorf("writing %s checkpoints: %w", src.Format(), checkpoint.ErrUnsupported)
	}
	opts.Levels = []quant.Recipe{level}
	opts.MinEvals, opts.MaxEvals, opts.MaxN = 0, 0, 0
	plan, err := Describe(src, opts)
	if err != nil {
		return sum, err
	}
	layers := map[string]*Layer{} // the first of each tensor to be quantized
	for i := range plan.Tensors {
		ts := &plan.Tensors[i]
		if ts.Status == Planned && ts.Layers[0].Quantized {
			layers[ts.Name] = &ts.Layers[0]
		}
	}
	sum.Files, err = w.Rewrite(ctx, out, checkpoint.RewriteOptions{
		Overwrite: overwrite,
		DType: func(t *checkpoint.Tensor) checkpoint.DType {
			if l := layers[t.Name]; l != nil {
				return opts.outType(l)
			}
			return t.DType
		},
		Tensor: func(t *checkpoint.Tensor, stored []byte) ([]byte, error) {
			l := layers[t.Name]
			if l == nil {
				sum.Copied++
				return stored, nil
			}
			sum.Changed++
			return requantize(t, l, stored, level, opts.outType(l))
		},
	})
	return sum, err
}

// requantize returns the stored form, in type out, of the dequantized weights of t, all
// of them taken as one matrix of as many columns as those of its layer l.
func requantize(t *checkpoint.Tensor, l *Layer, stored []byte, level quant.Recipe, out checkpoint.DType) ([]byte, error) {
	w := &weights.Tensor{Data: stored, Encoding: t.Encoding, Rows: int(t.Elements()) / l.Cols, Cols: l.Cols}
	scheme := level.For(l.target())
	q, err := scheme.Fit(w, out)
	if err != nil {
		return nil, checkpoint.Unsupportedf("%w", err)
	}
	_, size := out.Encoding().Block()
	// In place where an element does not grow: a piece is decoded before its bytes are
	// written over.
	dst := stored
	if need := int(t.Elements()) * size; need > len(stored) {
		dst = make([]byte, need)
	}
	var dequantized []float32
	at := 0
	w.Each(scheme.Granularity().Align(), func(p quant.Piece) {
		if len(dequantized) < len(p.W) {
			dequantized = make([]float32, len(p.W))
		}
		part := dequantized[:len(p.W)]
		q.Dequantize(part, p)
		out.Encode(dst[at*size:][:len(part)*size], part)
		at += len(part)
	})
	return dst[:at*size], nil
}
