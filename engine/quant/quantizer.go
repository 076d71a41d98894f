package quant

import (
	"errors"
	"fmt"
	"math"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant/kernel"
)

// ErrOverflow is returned when a weight cannot be stored in the type it is
// rounded to. Test with errors.Is.
var ErrOverflow = errors.New("overflows to infinity")

// The largest float32 numbers that round to a finite float16 and bfloat16: one
// unit in the last place below half a step above their largest numbers.
var (
	maxF16  = math.Float32frombits(0x477fefff)
	maxBF16 = math.Float32frombits(0x7f7f7fff)
)

// A Quantizer quantizes and dequantizes one tensor. It is made once per tensor
// and level, from the range of the whole tensor, and may be used from several
// goroutines on different parts.
type Quantizer struct {
	level    Level
	out      checkpoint.DType
	constant bool
	sym      kernel.SymmetricParams
	asym     kernel.AsymmetricParams
}

// New returns the quantizer of a tensor with range r at level l, its results
// rounded to the type out, which must be analysable. It fails with ErrOverflow
// if some weight, or the scale of the level, has no finite result.
func New(l Level, r kernel.Range, out checkpoint.DType) (*Quantizer, error) {
	if !out.Analysable() {
		return nil, fmt.Errorf("weights cannot be dequantized to %v", out)
	}
	if r.NonFinite > 0 {
		return nil, fmt.Errorf("%d weights are NaN or infinite", r.NonFinite)
	}
	q := &Quantizer{level: l, out: out, constant: r.Min == r.Max}
	if l.Scheme == CastF16 && r.AbsMax() > maxF16 {
		return nil, fmt.Errorf("largest weight %g, float16 ends at 65504: %w", r.AbsMax(), ErrOverflow)
	}
	limit := float32(math.MaxFloat32)
	switch out {
	case checkpoint.F16:
		limit = maxF16
	case checkpoint.BF16:
		limit = maxBF16
	}
	if r.AbsMax() > limit {
		return nil, fmt.Errorf("largest weight %g does not fit %v: %w", r.AbsMax(), out, ErrOverflow)
	}
	switch l.Scheme {
	case Symmetric:
		qmax := float32(int(1)<<(l.Bits-1) - 1)
		q.sym = kernel.SymmetricParams{Scale: r.AbsMax() / qmax, QMax: qmax}
		// A scale below the smallest subnormal is none: the tensor stays.
		q.constant = q.constant || q.sym.Scale == 0
		// The largest magnitude comes back as qmax*s, which may round up.
		if float32(qmax*q.sym.Scale) > limit {
			return nil, fmt.Errorf("largest weight %g, dequantized at %v, does not fit %v: %w", r.AbsMax(), l, out, ErrOverflow)
		}
	case Asymmetric:
		qmax := float32(int(1)<<l.Bits - 1)
		s := (r.Max - r.Min) / qmax
		if math.IsInf(float64(s), 0) {
			return nil, fmt.Errorf("the range %g to %g: %w", r.Min, r.Max, ErrOverflow)
		}
		q.asym = kernel.AsymmetricParams{Scale: s, Zero: -r.Min / s, Min: r.Min, QMax: qmax}
		q.constant = q.constant || s == 0
		if top := float32(qmax*s) + r.Min; top > limit {
			return nil, fmt.Errorf("largest weight %g, dequantized at %v, does not fit %v: %w", r.Max, l, out, ErrOverflow)
		}
	}
	return q, nil
}

// MaxIntegerBits is the largest width whose codes fit the integer Gram kernels.
const MaxIntegerBits = 8

// Integers reports whether the dequantized weights are exactly step times the
// codes, whole numbers between -qmax and qmax. That is so at symmetric levels of
// up to 8 bits if the stored type is F32 or F64, where the product of scale and
// code counts as exact (its rounding to float32 is 6e-8 of it), and for narrower
// types where the rounded value of every code happens to be the code times that
// of code 1: always at 2 bits, and now and then at 3.
func (q *Quantizer) Integers() (step float64, qmax int, ok bool) {
	if q.level.Scheme != Symmetric || q.constant || q.level.Bits > MaxIntegerBits {
		return 0, 0, false
	}
	qmax = int(q.sym.QMax)
	step = float64(q.sym.Scale)
	if q.out == checkpoint.F32 || q.out == checkpoint.F64 {
		return step, qmax, true
	}
	values := make([]float32, qmax)
	for i := range values {
		values[i] = float32(i+1) * q.sym.Scale
	}
	Round(values, q.out)
	step = float64(values[0])
	for i, v := range values {
		if float64(v) != float64(i+1)*step {
			return 0, 0, false
		}
	}
	return step, qmax, true
}

// Scale returns the step between neighbouring values, 0 for the fp16 level and
// for tensors that stay as they are.
func (q *Quantizer) Scale() float32 {
	switch {
	case q.constant:
		return 0
	case q.level.Scheme == Symmetric:
		return q.sym.Scale
	case q.level.Scheme == Asymmetric:
		return q.asym.Scale
	}
	return 0
}

// Apply writes the quantized and dequantized weights of src to dst, which has the
// same length and does not overlap it.
func (q *Quantizer) Apply(dst, src []float32) {
	switch {
	case q.level.Scheme == CastF16:
		copy(dst, src)
		kernel.RoundF16(dst[:len(src)])
	case q.constant:
		copy(dst, src)
	case q.level.Scheme == Symmetric:
		kernel.QuantizeSymmetric(dst, src, q.sym)
	default:
		kernel.QuantizeAsymmetric(dst, src, q.asym)
	}
	Round(dst, q.out)
}

// Round rounds x in place to the numbers that type out can hold.
func Round(x []float32, out checkpoint.DType) {
	switch out {
	case checkpoint.F16:
		kernel.RoundF16(x)
	case checkpoint.BF16:
		kernel.RoundBF16(x)
	}
}

// Decode converts len(dst) little-endian elements of type d from src to float32;
// see checkpoint.DecodeF32, whose result it gives faster.
func Decode(dst []float32, src []byte, d checkpoint.DType) {
	switch d {
	case checkpoint.F16:
		kernel.DecodeF16(dst, src)
	case checkpoint.BF16:
		kernel.DecodeBF16(dst, src)
	default:
		checkpoint.DecodeF32(dst, src, d)
	}
}
