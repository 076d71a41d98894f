package quant

import (
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
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

// MaxIntegerBits is the largest width for which Integers and Units look.
const MaxIntegerBits = 8

// values returns the dequantized weights that a level of up to MaxIntegerBits has:
// those of codes 1 to qmax of a symmetric one (the others are their negatives, and
// 0), those of all codes of an asymmetric one; nil for other levels and for tensors
// that stay as they are.
func (q *Quantizer) values() []float32 {
	if q.constant || q.level.Bits > MaxIntegerBits {
		return nil
	}
	var v []float32
	switch q.level.Scheme {
	case Symmetric:
		v = make([]float32, int(q.sym.QMax))
		for i := range v {
			v[i] = float32(i+1) * q.sym.Scale
		}
	case Asymmetric:
		v = make([]float32, int(q.asym.QMax)+1)
		for i := range v {
			v[i] = float32(float32(i)*q.asym.Scale) + q.asym.Min
		}
	}
	Round(v, q.out)
	return v
}

// Integers reports whether the dequantized weights are exactly step times the
// codes, whole numbers between -qmax and qmax. That is so at symmetric levels of
// up to 8 bits if the stored type is F32 or F64, where the product of scale and
// code counts as exact (its rounding to float32 is 6e-8 of it), and for narrower
// types where the rounded value of every code happens to be the code times that
// of code 1: always at 2 bits, and now and then at 3.
func (q *Quantizer) Integers() (step float64, qmax int, ok bool) {
	values := q.values()
	if q.level.Scheme != Symmetric || values == nil {
		return 0, 0, false
	}
	qmax = int(q.sym.QMax)
	if q.out == checkpoint.F32 || q.out == checkpoint.F64 {
		return float64(q.sym.Scale), qmax, true
	}
	step = float64(values[0])
	for i, v := range values {
		if float64(v) != float64(i+1)*step {
			return 0, 0, false
		}
	}
	return step, qmax, true
}

// Units returns the largest power of two of which all dequantized weights are whole
// multiples, if no multiple exceeds most, which must be below 2^24. A b-bit level in
// a type of p significant bits has one for most = 2^(b+p-1): bfloat16 (8) at up to 8
// bits and float16 (11) at up to 5 for 16-bit integers.
func (q *Quantizer) Units(most int) (unit float32, ok bool) {
	low, high := math.MaxInt, float32(0)
	values := q.values()
	for _, v := range values {
		if v == 0 {
			continue
		}
		// v = mantissa * 2^exponent, and the last digit of mantissa is lost to the unit.
		b := math.Float32bits(v)
		exponent, mantissa := int(b>>23&0xff), b&0x7fffff
		if exponent == 0 {
			exponent = 1
		} else {
			mantissa |= 0x800000
		}
		low = min(low, exponent-150+bits.TrailingZeros32(mantissa))
		high = max(high, float32(math.Abs(float64(v))))
	}
	// The inverse of the unit must be a float32, too.
	if high == 0 || low < -126 {
		return 0, false
	}
	unit = float32(math.Ldexp(1, low))
	return unit, high <= float32(most)*unit
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
