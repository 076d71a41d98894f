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
	Changed Tally    // tensors quantized and dequantized
	Copied  Tally    // tensors copied byte for byte
	Refused Tally    // those of them whose shapes the scheme does not take
	// Reasons says why tensors were copied, the reason of most parameters first.
	Reasons []Reason
	// Notes are sentences on files of the source that were not copied.
	Notes []string
}

// Quantize writes src to out with every matrix that [Analyze] would quantize
// replaced by its dequantized weights at one level, stored in the tensor's own
// type or in opts.DequantDType. All other tensors, the metadata, the division
// into shards, the index and the files that a loader of the model needs are copied; to the
// metadata are added the keys of [MetadataLevel]. Matrices too small or too large for an
// analysis are quantized too: the limits of opts do not count, its choice of
// layers does. What out may be, and what happens on errors, is up to the format:
// see its [checkpoint.Rewriter]. overwrite allows output files to be replaced.
//
// A tensor of a shape that the scheme does not take is copied, and counted as refused; one with
// weights that are not finite, or that overflow the stored type, ends it with an error. The memory taken is that of the largest tensor, twice.
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
	bound := plan.bind(opts.Levels)[0]
	sum.count(plan, bound)
	planned := map[string]*TensorStatus{} // the tensors to be quantized
	for i := range plan.Tensors {
		ts := &plan.Tensors[i]
		if ts.Status == Planned && ts.Layers[0].Quantized && left(ts, bound) == "" {
			planned[ts.Name] = ts
		}
	}
	sum.Files, err = w.Rewrite(ctx, out, checkpoint.RewriteOptions{
		Overwrite:  overwrite,
		Companions: true,
		SourceHash: MetadataSource,
		Metadata: func(*checkpoint.File) map[string]string {
			return map[string]string{MetadataLevel: quant.ShortName(level), MetadataVersion: Version}
		},
		Note: func(text string) { sum.Notes = append(sum.Notes, text) },
		DType: func(t *checkpoint.Tensor) checkpoint.DType {
			if ts := planned[t.Name]; ts != nil {
				return opts.storedType(level, &ts.Layers[0])
			}
			return t.DType
		},
		Tensor: func(t *checkpoint.Tensor, stored []byte) ([]byte, error) {
			ts := planned[t.Name]
			if ts == nil {
				return stored, nil
			}
			ts, err := opened(ts, stored)
			if err != nil {
				return nil, err
			}
			return requantize(ts, stored, bound, opts.storedType(level, &ts.Layers[0]))
		},
	})
	return sum, err
}

// parts returns what a scheme is fitted to of a tensor, one after the other as they are
// stored: each matrix of a stack, and else the whole.
func parts(ts *TensorStatus, stored []byte) []weights.Tensor {
	l := &ts.Layers[0]
	if ts.Kind == KindMatrices {
		return matrices(ts, stored)
	}
	return []weights.Tensor{{Data: stored, Encoding: ts.Encoding, Rows: int(ts.Elements()) / l.Cols, Cols: l.Cols}}
}

// requantize returns the stored form, in type out, of a tensor whose layers are quantized
// and dequantized at a bound level.
func requantize(ts *TensorStatus, stored []byte, level quant.Recipe, out checkpoint.DType) ([]byte, error) {
	quantized := map[int]bool{}
	for i := range ts.Layers {
		quantized[ts.Layers[i].Index] = true
	}
	_, size := out.Encoding().Block()
	// In place where an element does not grow: a piece is decoded before its bytes are
	// written over.
	dst := stored
	_, placed := ts.Encoding.(checkpoint.BoundEncoding)
	if need := int(ts.Elements()) * size; placed || need > len(stored) {
		dst = make([]byte, need)
	}
	scheme := level.For(ts.Layers[0].target())
	if rearranged(&ts.Layers[0], scheme) {
		dst = dst[:int(ts.Elements())*size]
		return dst, rearrange(dst, ts, stored, scheme, out)
	}
	var dequantized []float32
	at := 0
	all := parts(ts, stored)
	for i := range all {
		w := &all[i]
		var q quant.Quantizer
		if quantized[i] {
			var err error
			if q, err = scheme.Fit(w, out); err != nil {
				return nil, checkpoint.Unsupportedf("%w", err)
			}
		}
		if out == ts.DType && (q == nil || quant.Keeps(q, w.Encoding)) {
			// The matrix stays as it is, where it is: the type and so the place are those
			// of the stored one.
			at += w.Rows * w.Cols
			continue
		}
		w.Each(scheme.Granularity().Align(), func(p quant.Piece) {
			if len(dequantized) < len(p.W) {
				dequantized = make([]float32, len(p.W))
			}
			part := dequantized[:len(p.W)]
			if q == nil {
				copy(part, p.W)
			} else {
				q.Dequantize(part, p)
			}
			out.Encode(dst[at*size:][:len(part)*size], part)
			at += len(part)
		})
	}
	return dst[:at*size], nil
}

// rearrange writes the stored form of a tensor whose layers are rearranged for a scheme to
// dst, in type out. dst may be the stored form itself. Matrices of a stack that no layer is
// made of keep their weights.
func rearrange(dst []byte, ts *TensorStatus, stored []byte, scheme quant.Scheme, out checkpoint.DType) error {
	_, size := out.Encoding().Block()
	all := matrices(ts, stored)
	var w []float32 // the whole tensor, if its type changes
	if out != ts.DType {
		t := weights.Tensor{Data: stored, Encoding: ts.Encoding, Rows: 1, Cols: int(ts.Elements())}
		t.Each(1, func(p quant.Piece) { w = append(w, p.W...) })
	}
	for i := range ts.Layers {
		l := &ts.Layers[i]
		dequantized, _, err := l.dequantized(l.stored(all, stored, ts.Encoding), scheme, out)
		if err != nil {
			return checkpoint.Unsupportedf("%w", err)
		}
		part := l.asStored(dequantized)
		if at := l.Index * len(part); w != nil {
			copy(w[at:], part)
		} else {
			out.Encode(dst[at*size:][:len(part)*size], part)
		}
	}
	if w != nil {
		out.Encode(dst, w)
	}
	return nil
}
