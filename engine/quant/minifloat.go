package quant

import "math"

// A minifloat is a floating-point format of at most eight bits, of which only the finite
// values are used: what is larger becomes the largest.
type minifloat struct {
	mantissa int     // bits of it
	exponent int     // of the smallest normal number
	max      float32 // the largest number
}

var (
	e4m3 = minifloat{3, -6, 448}
	e5m2 = minifloat{2, -14, 57344}
	e2m3 = minifloat{3, 0, 7.5}
	e3m2 = minifloat{2, -2, 28}
	e2m1 = minifloat{1, 0, 6}
)

// ties says what becomes of a number that lies in the middle of two.
type ties int

const (
	tiesEven ties = iota // the even one
	tiesAway             // the larger magnitude
	tiesLow              // the smaller magnitude
)

// round returns x rounded to the format.
func (f minifloat) round(x float32, t ties) float32 {
	const sign = 1 << 31
	b := math.Float32bits(x)
	mag := b &^ sign
	shift := 23 - f.mantissa
	if mag < uint32(f.exponent+127)<<23 {
		// Below the normal numbers the values are the multiples of one number.
		v := math.Float32frombits(mag)
		if t == tiesEven {
			magic := math.Float32frombits(uint32(f.exponent-f.mantissa+127+23) << 23)
			v = float32(v+magic) - magic
		} else {
			quantum := math.Float32frombits(uint32(f.exponent-f.mantissa+127) << 23)
			v = t.integer(v/quantum) * quantum
		}
		return math.Float32frombits(b&sign | math.Float32bits(v))
	}
	half := uint32(1) << (shift - 1)
	switch t {
	case tiesEven:
		mag += half - 1 + mag>>shift&1
	case tiesAway:
		mag += half
	case tiesLow:
		mag += half - 1
	}
	mag = mag >> shift << shift
	if v := math.Float32frombits(mag); v < f.max {
		return math.Float32frombits(b&sign | mag)
	}
	return math.Float32frombits(b&sign | math.Float32bits(f.max))
}

// integer returns x, which is not negative, rounded to an integer.
func (t ties) integer(x float32) float32 {
	if t == tiesEven {
		return roundEven(x)
	}
	n := float32(math.Floor(float64(x)))
	switch d := x - n; {
	case d > 0.5, d == 0.5 && t == tiesAway:
		return n + 1
	}
	return n
}

// fp8Rule is a cast to a format of eight bits behind a division by a scale.
type fp8Rule struct {
	format minifloat
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
		return params{scale: 1}, nil
	case fp8UE8M0:
		return params{scale: power(exponentAbove(amax / u.format.max))}, nil
	case fp8Transformers:
		inverse := a.over(u.format.max, amax)
		return params{scale: 1 / inverse, inverse: inverse}, nil
	case fp8Torchao, fp8Quanto:
		return params{scale: a.round(amax / u.format.max)}, nil
	case fp8CT:
		s := a.round(amax / u.format.max)
		if s == 0 {
			s = a.epsilon()
		}
		return params{scale: s}, nil
	}
	return params{scale: amax / u.format.max}, nil
}

func (u fp8Rule) apply(dst, src []float32, p params, a arithmetic) {
	if p.scale == 0 {
		clear(dst)
		return
	}
	narrow := u.tool == fp8Quanto || u.tool == fp8CT
	for i, x := range src {
		if u.tool == fp8Transformers {
			dst[i] = x * p.inverse
		} else {
			dst[i] = x / p.scale
		}
	}
	if narrow {
		a.all(dst)
	}
	for i, x := range dst {
		dst[i] = u.format.round(x, tiesEven) * p.scale
	}
	if narrow {
		a.all(dst)
	}
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
func power(e int) float32 { return float32(math.Ldexp(1, min(max(e, -127), 127))) }
