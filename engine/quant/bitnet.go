package quant

import (
	"math"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// bitnet is the rule of BitNet b1.58: -1, 0 and 1 times the mean magnitude of the tensor. It
// is meant for models that are trained with it, and no way to quantize others.
type bitnet struct{}

func (bitnet) Name() string { return "bitnet" }

// BitsPerWeight is the information in three values.
func (bitnet) BitsPerWeight(rows, cols int) float64 {
	bits := math.Log2(3)
	if rows*cols > 0 {
		bits += 32 / (float64(rows) * float64(cols))
	}
	return bits
}

func (bitnet) Granularity() Granularity { return Granularity{} }

// Values is how many different values there are.
func (bitnet) Values() int { return 3 }

// Output is float32.
func (bitnet) Output(checkpoint.DType) checkpoint.DType { return checkpoint.F32 }

func (b bitnet) Fit(w Weights, out checkpoint.DType) (Quantizer, error) {
	if err := checkRange(w.Range(), out); err != nil {
		return nil, err
	}
	rows, cols := w.Dims()
	sum := 0.0
	w.Each(1, func(p Piece) {
		for _, x := range p.W {
			sum += math.Abs(float64(x))
		}
	})
	mean := float32(sum / (float64(rows) * float64(cols)))
	return &ternary{inverse: 1 / max(mean, 1e-5), out: out}, nil
}

// ternary quantizes to three values.
type ternary struct {
	inverse float32 // of the largest
	out     checkpoint.DType
}

func (q *ternary) Dequantize(dst []float32, p Piece) {
	dst = dst[:len(p.W)]
	// The code divided by the inverse is the code times the quotient of 1, as there are three.
	group := []params{{Scale: 1 / q.inverse, Step: q.inverse}}
	kernel.QuantizeAffine(dst, p.W, len(p.W), group, kernel.Affine{Low: -1, High: 1, Multiply: true})
	q.out.Round(dst)
}

func (q *ternary) Rounding() float64 { return q.out.Rounding() }

// Unit is the largest value, where the stored type holds it exactly.
func (q *ternary) Unit(limit int) (unit float64, largest int, ok bool) {
	u := 1 / q.inverse
	return float64(u), 1, exact(q.out) && u >= 0x1p-126 && limit >= 1
}
