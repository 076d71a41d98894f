package quant

import (
	"math"

	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

var (
	e4m3 = kernel.Minifloat{Mantissa: 3, Exponent: -6, Max: 448}
	e5m2 = kernel.Minifloat{Mantissa: 2, Exponent: -14, Max: 57344}
	e2m3 = kernel.Minifloat{Mantissa: 3, Exponent: 0, Max: 7.5}
	e3m2 = kernel.Minifloat{Mantissa: 2, Exponent: -2, Max: 28}
	e2m1 = kernel.Minifloat{Mantissa: 1, Exponent: 0, Max: 6}
)

// fp8Rule is a cast to a format of eight bits behind a division by a scale.
type fp8Rule struct {
	format kernel.Minifloat
	tool   fp8Tool
}

// fp8Tool says how the scale is computed, and in which type.
type fp8Tool int

const (
	fp8Plain        fp8Tool = iota // amax/max in float32
	fp8Direct                      // no scale
	fp8UE8M0                       // amax/max, rounded up to a power of two
	fp8Transformers                // the reciprocal: max/amax
	fp8Torchao                     // amax/max in the type of the weights, the rest in float32
	fp8Quanto                      // all in the type of the weights
	fp8CT                          // compressed-tensors
)

func (u fp8Rule) fit(r Range, _ float32, a arithmetic) (params, error) {
	amax := r.AbsMax()
	if amax == 0 && u.tool != fp8Direct {
		return params{}, nil // some tools give NaN
	}
	switch u.tool {
	case fp8Direct:
		return divided(1), nil
	case fp8UE8M0:
		return divided(power(exponentAbove(amax / u.format.Max))), nil
	case fp8Transformers:
		inverse := a.over(u.format.Max, amax)
		return params{Scale: 1 / inverse, Step: inverse}, nil
	case fp8Torchao, fp8Quanto:
		return divided(a.round(amax / u.format.Max)), nil
	case fp8CT:
		s := a.round(amax / u.format.Max)
		if s == 0 {
			s = a.epsilon()
		}
		return divided(s), nil
	}
	return divided(amax / u.format.Max), nil
}

func (u fp8Rule) apply(dst, src []float32, size int, groups []params, a arithmetic) {
	rule := kernel.Mini{Format: u.format, Multiply: u.tool == fp8Transformers}
	if u.tool == fp8Quanto || u.tool == fp8CT {
		rule.Round = a.kernel()
	}
	kernel.QuantizeMini(dst, src, size, groups, rule)
}

// exponentAbove returns the exponent of the smallest power of two that is not below x, which
// is positive.
func exponentAbove(x float32) int {
	f, e := math.Frexp(float64(x))
	if f == 0.5 {
		e--
	}
	return e
}

// power returns two to the power e, or to the nearest of those that E8M0 has.
func power(e int) float32 {
	if e <= -127 {
		return 0x1p-127
	}
	return math.Float32frombits(uint32(min(e, 127)+127) << 23)
}
