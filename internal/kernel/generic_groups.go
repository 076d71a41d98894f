package kernel

// The specification of the loops over groups; see generic.go.

import (
	"math"
)

// eachGroup calls f for the weights of each group of a run.
func eachGroup(dst, src []float32, size int, f func(group int, dst, src []float32)) {
	for i := 0; len(src) > 0; i++ {
		n := min(size, len(src))
		f(i, dst[:n], src[:n])
		dst, src = dst[n:], src[n:]
	}
}

func quantizeAffineGeneric(dst, src []float32, size int, groups []Group, r Affine) {
	eachGroup(dst, src, size, func(i int, dst, src []float32) {
		switch g := groups[i]; {
		case g.Scale == 0:
			clear(dst)
		case r.Half:
			for i, x := range src {
				q := roundClamp(float32(F16.Round(x)*g.Step), r.Low, r.High)
				dst[i] = float32(q*g.Scale) * r.Factor
			}
		case r.ZeroFirst:
			for i, x := range src {
				t := r.Round.Round(r.Round.Round(x/g.Step) + g.Zero)
				dst[i] = r.Round.Round((roundClamp(t, r.Low, r.High) - g.Zero) * g.Scale)
			}
		default:
			// The zero is an integer, so that it does not matter whether it is added before
			// the clamping and subtracted behind, or moves the ends.
			low, high := r.Low-g.Zero, r.High-g.Zero
			for i, x := range src {
				q := roundClamp(r.Round.Round(scaled(x, g.Step, r.Multiply)), low, high)
				dst[i] = r.Round.Round(q * g.Scale)
			}
		}
	})
}

// scaled is x / step, or x * step.
func scaled(x, step float32, multiply bool) float32 {
	if multiply {
		return float32(x * step)
	}
	return x / step
}

func quantizeShiftedGeneric(dst, src []float32, size int, groups []Group, r Shifted) {
	eachGroup(dst, src, size, func(i int, dst, src []float32) {
		g := groups[i]
		for i, x := range src {
			t := r.CodeType.Round(r.CodeType.Round(x-g.Zero) / g.Step)
			q := roundClamp(t, 0, r.High)
			if t = min(t, r.High); r.Away && t-q == 0.5 {
				q++
			}
			dst[i] = r.Round.Round(r.Round.Round((q-r.Middle)*g.Scale) + g.Bias)
		}
	})
}

func quantizeMiniGeneric(dst, src []float32, size int, groups []Group, r Mini) {
	eachGroup(dst, src, size, func(i int, dst, src []float32) {
		g := groups[i]
		if g.Scale == 0 {
			clear(dst)
			return
		}
		for i, x := range src {
			t := scaled(x, g.Step, r.Multiply)
			dst[i] = r.Round.Round(r.Format.Round(r.Round.Round(t), r.Ties) * g.Scale)
		}
	})
}

func quantizeBookGeneric(dst, src []float32, size int, groups []Group, r *Book) {
	eachGroup(dst, src, size, func(i int, dst, src []float32) {
		g := groups[i]
		for i, x := range src {
			t := scaled(x, g.Step, r.Multiply)
			dst[i] = r.Values[r.code(t)] * g.Scale
		}
	})
}

// code returns the number of middles below t.
func (r *Book) code(t float32) int {
	k := 0
	for _, m := range r.Middles {
		if t > m {
			k++
		}
	}
	return k
}

func groupRangesGeneric(ranges []Extent, src []float32, size int) {
	eachGroup(src, src, size, func(i int, _, x []float32) {
		lo, hi := x[0], x[0]
		for _, v := range x[1:] {
			if v < lo {
				lo = v
			}
			if v > hi {
				hi = v
			}
		}
		ranges[i] = Extent{Min: lo + 0, Max: hi + 0}
	})
}

// Round returns x rounded to the type, to nearest even.
func (t Type) Round(x float32) float32 {
	if t == F32 {
		return float32(x) // rounded, though it be a product that a sum follows
	}
	return t.narrow(x)
}

func (t Type) narrow(x float32) float32 {
	b := math.Float32bits(x)
	if t == BF16 {
		return math.Float32frombits((b + 0x7fff + (b>>16)&1) &^ 0xffff)
	}
	sign, mag := b&(1<<31), b&^(1<<31)
	switch {
	case mag >= 0x7f800000: // infinite, or NaN
		return x
	case mag >= 0x477ff000: // 65520 and above
		return math.Float32frombits(sign | 0x7f800000)
	case mag < 0x38800000: // below 2^-14, where the numbers lie 2^-24 apart, as above 1/2
		return math.Float32frombits(sign | math.Float32bits((math.Float32frombits(mag)+0.5)-0.5))
	}
	return math.Float32frombits(sign | (mag+0xfff+mag>>13&1)&^0x1fff)
}

// Round returns x rounded to the format; what is larger than its largest number becomes that.
func (f Minifloat) Round(x float32, t Ties) float32 {
	const sign = 1 << 31
	b := math.Float32bits(x)
	mag := b &^ sign
	shift := 23 - f.Mantissa
	if mag < uint32(f.Exponent+127)<<23 {
		// Below the normal numbers the values are the multiples of one number.
		v := math.Float32frombits(mag)
		if t == TiesEven {
			magic := math.Float32frombits(uint32(f.Exponent-f.Mantissa+127+23) << 23)
			v = float32(v+magic) - magic
		} else {
			quantum := math.Float32frombits(uint32(f.Exponent-f.Mantissa+127) << 23)
			v = t.integer(v/quantum) * quantum
		}
		return math.Float32frombits(b&sign | math.Float32bits(min(v, f.Max)))
	}
	half := uint32(1) << (shift - 1)
	switch t {
	case TiesEven:
		mag += half - 1 + mag>>shift&1
	case TiesAway:
		mag += half
	case TiesLow:
		mag += half - 1
	}
	mag = mag >> shift << shift
	if v := math.Float32frombits(mag); v < f.Max {
		return math.Float32frombits(b&sign | mag)
	}
	return math.Float32frombits(b&sign | math.Float32bits(f.Max))
}

// integer returns x, which is not negative and below 2^22, rounded to an integer.
func (t Ties) integer(x float32) float32 {
	n := float32(x+roundMagic) - roundMagic
	switch d := x - n; {
	case d == 0.5 && t == TiesAway:
		return n + 1
	case d == -0.5 && t == TiesLow:
		return n - 1
	}
	return n
}
