package engine

import (
	"context"
	"fmt"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/safetensors"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// Quantized says what [Quantize] wrote.
type Quantized struct {
	Files   []string // paths written
	Changed int      // tensors quantized and dequantized
	Copied  int      // tensors copied byte for byte
}

// Quantize writes src to out with every matrix that [Analyze] would quantize
// replaced by its dequantized weights at one level, stored in the tensor's own
// type or in opts.DequantDType. All other tensors, the metadata, the division
// into shards and the index are copied. Matrices too small or too large for an
// analysis are quantized too: the limits of opts do not count, its choice of
// layers does. What out may be, and what happens on errors, says
// [safetensors.Rewrite]; overwrite allows output files to be replaced.
//
// A tensor with weights that are not finite, or that overflow the stored type,
// ends it with an error. The memory taken is that of the largest tensor, twice.
func Quantize(ctx context.Context, src checkpoint.Source, out string, level quant.Level, opts Options, overwrite bool) (Quantized, error) {
	var q Quantized
	ckpt, ok := src.(*safetensors.Checkpoint)
	if !ok {
		return q, fmt.Errorf("writing %s checkpoints: %w", src.Format(), checkpoint.ErrUnsupported)
	}
	opts.Levels = []quant.Level{level}
	opts.MinEvals, opts.MaxEvals, opts.MaxN = 0, 0, 0
	plan, err := Describe(src, opts)
	if err != nil {
		return q, err
	}
	types := map[string]checkpoint.DType{}
	for i := range plan.Tensors {
		ts := &plan.Tensors[i]
		if ts.Status == Planned && ts.Layers[0].Quantized {
			types[ts.Name] = opts.outType(&ts.Layers[0])
		}
	}
	q.Files, err = safetensors.Rewrite(ctx, ckpt, out, safetensors.RewriteOptions{
		Overwrite: overwrite,
		DType: func(t *checkpoint.Tensor) checkpoint.DType {
			if d, ok := types[t.Name]; ok {
				return d
			}
			return t.DType
		},
		Tensor: func(t *checkpoint.Tensor, stored []byte) ([]byte, error) {
			out, ok := types[t.Name]
			if !ok {
				q.Copied++
				return stored, nil
			}
			q.Changed++
			return requantize(t, stored, level, out)
		},
	})
	return q, err
}

// requantize returns the stored form of the dequantized weights of t.
func requantize(t *checkpoint.Tensor, stored []byte, level quant.Level, out checkpoint.DType) ([]byte, error) {
	size, outSize := t.DType.Bits()/8, out.Bits()/8
	original, dequantized := make([]float32, partLength), make([]float32, partLength)
	var rng kernel.Range
	each := func(f func(at int, part []float32)) {
		for at := 0; at < len(stored)/size; at += partLength {
			n := min(partLength, len(stored)/size-at)
			quant.Decode(original[:n], stored[at*size:][:n*size], t.DType)
			f(at, original[:n])
		}
	}
	each(func(at int, part []float32) { rng = rng.Union(kernel.FindRange(part), at == 0) })
	q, err := quant.New(level, rng, out)
	if err != nil {
		return nil, checkpoint.Unsupportedf("%w", err)
	}
	// In place where an element does not grow.
	dst := stored
	if outSize > size {
		dst = make([]byte, len(stored)/size*outSize)
	}
	each(func(at int, part []float32) {
		q.Apply(dequantized[:len(part)], part)
		checkpoint.EncodeF32(dst[at*outSize:][:len(part)*outSize], dequantized[:len(part)], out)
	})
	return dst[:len(stored)/size*outSize], nil
}
