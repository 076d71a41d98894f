package quant

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// MinBits and MaxBits bound the width of uniform schemes.
const (
	MinBits = 2
	MaxBits = 16
)

// uniform has one step for the whole tensor and, if asymmetric, a float minimum.
type uniform struct {
	bits       int
	asymmetric bool
}

// parseUniform parses "8bit" or "8" (symmetric), "4bit-asym" or "4bit_asym"
// (asymmetric).
func parseUniform(name string) (Recipe, error) {
	var u uniform
	rest := strings.ReplaceAll(name, "_", "-")
	if r, ok := strings.CutSuffix(rest, "-asym"); ok {
		u.asymmetric, rest = true, r
	} else if r, ok := strings.CutSuffix(rest, "-sym"); ok {
		rest = r
	}
	if r, ok := strings.CutSuffix(rest, "bit"); ok {
		rest = strings.TrimSuffix(r, "-")
	}
	bits, err := strconv.Atoi(rest)
	if err != nil || rest[0] == '+' {
		return nil, nil
	}
	if bits < MinBits || bits > MaxBits {
		return nil, fmt.Errorf("%d bits is outside %d to %d", bits, MinBits, MaxBits)
	}
	u.bits = bits
	return Uniform(u), nil
}

// IsPlain reports whether a level is one of the published study: a cast, or one step for the
// whole tensor, with its bits in its name.
func IsPlain(r Recipe) bool {
	s, ok := r.(single)
	if !ok {
		return false
	}
	switch s.Scheme.(type) {
	case stored, castF16, uniform:
		return true
	}
	return false
}

func (u uniform) Name() string {
	if u.asymmetric {
		return fmt.Sprintf("%dbit-asym", u.bits)
	}
	return fmt.Sprintf("%dbit", u.bits)
}

// BitsPerWeight counts the float32 scale, and the minimum if there is one.
func (u uniform) BitsPerWeight(rows, cols int) float64 {
	b := float64(u.bits)
	if rows*cols == 0 {
		return b
	}
	parameters := 32.0
	if u.asymmetric {
		parameters = 64
	}
	return b + parameters/(float64(rows)*float64(cols))
}

func (uniform) Granularity() Granularity { return Granularity{} }

// Values returns how many different values there are before rounding to the stored
// type.
func (u uniform) Values() int { return int(u.topCode()) + 1 }

// topCode is the largest code, the smallest being 0.
func (u uniform) topCode() float32 {
	if u.asymmetric {
		return float32(int(1)<<u.bits - 1)
	}
	return 2 * u.qmax()
}

// qmax is the largest magnitude of a symmetric code.
func (u uniform) qmax() float32 { return float32(int(1)<<(u.bits-1) - 1) }

func (u uniform) Fit(w Weights, out checkpoint.DType) (Quantizer, error) {
	r := w.Range()
	if err := checkRange(r, out); err != nil {
		return nil, err
	}
	q := &uniformQuantizer{scheme: u, out: out}
	top, of := float32(0), r.AbsMax()
	if u.asymmetric {
		s := (r.Max - r.Min) / u.topCode()
		if math.IsInf(float64(s), 0) {
			return nil, fmt.Errorf("the range %g to %g: %w", r.Min, r.Max, ErrOverflow)
		}
		q.asym = kernel.AsymmetricParams{Scale: s, Zero: -r.Min / s, Min: r.Min, QMax: u.topCode()}
		q.step, top, of = s, float32(u.topCode()*s)+r.Min, r.Max
	} else {
		s := r.AbsMax() / u.qmax()
		q.sym = kernel.SymmetricParams{Scale: s, QMax: u.qmax()}
		// The largest magnitude comes back as qmax*s, which may round up.
		q.step, top = s, u.qmax()*s
	}
	if top > largest(out) {
		return nil, fmt.Errorf("largest weight %g, dequantized at %v, does not fit %v: %w", of, u.Name(), out, ErrOverflow)
	}
	// If the step underflows to zero, the tensor is left unchanged, too.
	if r.Min == r.Max || q.step == 0 {
		return keep{out}, nil
	}
	return q, nil
}

// uniformQuantizer is a uniform scheme fitted to a tensor that is not constant.
type uniformQuantizer struct {
	scheme uniform
	out    checkpoint.DType
	step   float32
	sym    kernel.SymmetricParams  // if the scheme is symmetric
	asym   kernel.AsymmetricParams // if not
}

func (q *uniformQuantizer) Step() float32 { return q.step }

// PredictedSNR is Bennett's: errors are spread evenly over a step.
func (q *uniformQuantizer) PredictedSNR(meanSquare float64) float64 {
	return 10 * math.Log10(12*meanSquare/(float64(q.step)*float64(q.step)))
}

func (q *uniformQuantizer) Rounding() float64 { return q.out.Rounding() }

func (q *uniformQuantizer) Dequantize(dst []float32, p Piece) {
	if q.scheme.asymmetric {
		kernel.QuantizeAsymmetric(dst, p.W, q.asym)
	} else {
		kernel.QuantizeSymmetric(dst, p.W, q.sym)
	}
	q.out.Round(dst)
}

// Define follows the formulas in the documentation of the package.
func (q *uniformQuantizer) Define(dst, src []float32) {
	round := func(x float32) float32 { return float32(math.RoundToEven(float64(x))) }
	clamp := func(x, low, high float32) float32 { return min(max(x, low), high) }
	for i, w := range src {
		if q.scheme.asymmetric {
			code := clamp(round(float32(w/q.step)-float32(q.asym.Min/q.step)), 0, q.scheme.topCode())
			dst[i] = float32(code*q.step) + q.asym.Min
		} else {
			code := clamp(round(w/q.step), -q.scheme.qmax(), q.scheme.qmax())
			dst[i] = code * q.step
		}
	}
	q.out.Round(dst)
}

// Codes count from 0: at symmetric schemes the code of zero is qmax.
func (q *uniformQuantizer) Codes(dst []uint16, original, _ []float32) {
	if q.scheme.asymmetric {
		kernel.CodesAsymmetric(dst, original, q.asym)
	} else {
		kernel.CodesSymmetric(dst, original, q.sym)
	}
}

func (q *uniformQuantizer) Values(codes []uint16) []float32 {
	values := make([]float32, len(codes))
	for i, c := range codes {
		if q.scheme.asymmetric {
			values[i] = float32(float32(c)*q.step) + q.asym.Min
		} else {
			values[i] = (float32(c) - q.sym.QMax) * q.step
		}
	}
	q.out.Round(values)
	return values
}

// maxIntegralBits is the largest width for which Unit looks for a common multiple of values
// that are not the step times the codes: of wider codes there is none of 16 bits.
const maxIntegralBits = 8

// Unit returns the step, if the dequantized weights are the step times the codes. That
// is so at symmetric schemes if the stored type is F32 or F64, where the product counts
// as exact: the spectrum of such a level is that of step times codes. For narrower types
// it is so where the rounded value of every code happens to be the code times that of
// code 1: always at 2 bits, and now and then at 3. Otherwise Unit returns, at up to 8 bits,
// the largest power of two of which all values are multiples. A b-bit scheme in a type of
// p significant bits has one for limit = 2^(b+p-1): bfloat16 (8) at up to 8 bits and
// float16 (11) at up to 5 for 16-bit integers.
func (q *uniformQuantizer) Unit(limit int) (unit float64, largest int, ok bool) {
	if qmax := int(q.sym.QMax); !q.scheme.asymmetric && exact(q.out) {
		// The inverse of the unit must be a float32, too.
		return float64(q.step), qmax, qmax <= limit && q.step >= 0x1p-126
	}
	if q.scheme.bits > maxIntegralBits {
		return 0, 0, false
	}
	codes := make([]uint16, q.scheme.Values())
	for i := range codes {
		codes[i] = uint16(i)
	}
	values := q.Values(codes)
	if !q.scheme.asymmetric {
		values = values[len(values)/2+1:] // the others are their negatives, and 0
		if spacing, ok := q.spacing(values); ok && len(values) <= limit {
			return float64(spacing), len(values), true
		}
	}
	return powerOfTwoUnit(values, limit)
}

// exact reports whether the product of step and code counts as exact in a type.
func exact(d checkpoint.DType) bool { return d == checkpoint.F32 || d == checkpoint.F64 }

// spacing returns the number of which the values of codes 1, 2, … are the codes times
// that number, if there is one.
func (q *uniformQuantizer) spacing(values []float32) (spacing float32, ok bool) {
	for i, v := range values {
		if float64(v) != float64(i+1)*float64(values[0]) {
			return 0, false
		}
	}
	return values[0], values[0] != 0
}

// powerOfTwoUnit returns the largest power of two of which all values are multiples, if
// no multiple exceeds limit, which must be below 2^24, and the largest multiple.
func powerOfTwoUnit(values []float32, limit int) (unit float64, largest int, ok bool) {
	low, high := math.MaxInt, float32(0)
	for _, v := range values {
		if v == 0 {
			continue
		}
		// v is mantissa * 2^(exponent-150); trailing zeros of the mantissa raise the
		// power of two that divides v.
		b := math.Float32bits(v)
		exponent, mantissa := int(b>>23&0xff), b&0x7fffff
		if exponent == 0 {
			exponent = 1 // subnormal
		} else {
			mantissa |= 0x800000
		}
		low = min(low, exponent-150+bits.TrailingZeros32(mantissa))
		high = max(high, float32(math.Abs(float64(v))))
	}
	// The inverse of the unit must be a float32, too.
	if high == 0 || low < -126 {
		return 0, 0, false
	}
	unit = math.Ldexp(1, low)
	if float64(high) > float64(limit)*unit {
		return 0, 0, false
	}
	return unit, int(float64(high) / unit), true
}
