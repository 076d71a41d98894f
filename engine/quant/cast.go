package quant

import (
	"fmt"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// castF16 is the scheme fp16: each weight is rounded to float16, to nearest even.
type castF16 struct{}

// FP16 is the recipe that casts every tensor to float16, the baseline of a study.
var FP16 Recipe = single{castF16{}}

func parseCast(name string) (Recipe, error) {
	if name == "fp16" || name == "f16" {
		return FP16, nil
	}
	return nil, nil
}

func (castF16) Name() string                   { return "fp16" }
func (castF16) BitsPerWeight(int, int) float64 { return 16 }
func (castF16) Granularity() Granularity       { return Granularity{Rows: 1, Cols: 1} }

// Reference says that a cast quantizes nothing: changes are measured from it.
func (castF16) Reference() bool { return true }

// Values counts the finite float16 numbers, both zeros as one.
func (castF16) Values() int { return 1<<16 - 2*(1<<10) - 1 }

func (castF16) Fit(w Weights, out checkpoint.DType) (Quantizer, error) {
	r := w.Range()
	if r.NonFinite == 0 && r.Beyond == "" && r.AbsMax() > maxF16 {
		return nil, fmt.Errorf("largest weight %g, float16 ends at 65504: %w", r.AbsMax(), ErrOverflow)
	}
	if err := checkRange(r, out); err != nil {
		return nil, err
	}
	return castTo{out}, nil
}

// castTo rounds to float16 and then to the type out.
type castTo struct{ out checkpoint.DType }

func (q castTo) Dequantize(dst []float32, p Piece) {
	copy(dst, p.W)
	kernel.RoundF16(dst[:len(p.W)])
	q.out.Round(dst)
}

func (castTo) Step() float32 { return 0 }

func (q castTo) Rounding() float64 { return max(checkpoint.F16.Rounding(), q.out.Rounding()) }

// Codes are the bits of the float16 numbers.
func (castTo) Codes(dst []uint16, _, dequantized []float32) { kernel.CodesF16(dst, dequantized) }

func (q castTo) Values(codes []uint16) []float32 {
	stored := make([]byte, 2*len(codes))
	for i, c := range codes {
		stored[2*i], stored[2*i+1] = byte(c), byte(c>>8)
	}
	values := make([]float32, len(codes))
	checkpoint.F16.Encoding().Decode(values, stored)
	q.out.Round(values)
	return values
}
