package quant

import (
	"math"

	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// A batching rule finds the parameters of many groups at a time, those that fit finds for one:
// where groups are small, the call of fit costs more than what it computes.
type batching interface {
	rule
	fitAll(groups []params, ranges []kernel.Extent, global float32, a arithmetic) error
}

// fitAll finds the parameters of groups with the given ranges.
func fitAll(u rule, groups []params, ranges []kernel.Extent, global float32, a arithmetic) error {
	if b, ok := u.(batching); ok {
		return b.fitAll(groups, ranges, global, a)
	}
	for i, r := range ranges {
		var err error
		if groups[i], err = u.fit(Range{Min: r.Min, Max: r.Max}, global, a); err != nil {
			return err
		}
	}
	return nil
}

func (bnb4bit) fitAll(groups []params, ranges []kernel.Extent, _ float32, _ arithmetic) error {
	for i, r := range ranges {
		amax := absMax(r)
		groups[i] = params{Scale: amax, Step: 1 / divisor(amax), Zero: amax}
	}
	return nil
}

func (u mxRule) fitAll(groups []params, ranges []kernel.Extent, _ float32, a arithmetic) (err error) {
	emax, half := exponentBelow(u.element.Max), u.half()
	for i, r := range ranges {
		amax := absMax(r)
		switch {
		case amax == 0:
			groups[i] = params{}
		case u.scale == mxFloor:
			groups[i] = divided(power(exponentBelow(amax) - emax))
		case u.scale == mxEven:
			groups[i] = divided(power(int((math.Float32bits(amax)+half)>>23) - 127 - emax))
		default:
			if groups[i], err = u.fit(Range{Min: r.Min, Max: r.Max}, 0, a); err != nil {
				return err
			}
		}
	}
	return nil
}

func (u nvfp4) fitAll(groups []params, ranges []kernel.Extent, g float32, a arithmetic) (err error) {
	if g == 0 || u.tool != nvfp4ModelOpt && u.tool != nvfp4Torchao {
		for i, r := range ranges {
			if groups[i], err = u.fit(Range{Min: r.Min, Max: r.Max}, g, a); err != nil {
				return err
			}
		}
		return nil
	}
	// The scales are what the loop for E4M3 makes of the largest magnitudes, which it divides.
	var amax, scales [batch]float32
	for len(ranges) > 0 {
		n := min(batch, len(ranges))
		step := float32(6 * g)
		if u.tool == nvfp4Torchao {
			step = g
		}
		for i, r := range ranges[:n] {
			amax[i] = absMax(r)
			if u.tool == nvfp4Torchao {
				amax[i] /= 6
			}
		}
		kernel.QuantizeMini(scales[:n], amax[:n], n, []params{{Scale: 1, Step: step}}, kernel.Mini{Format: e4m3})
		for i, s := range scales[:n] {
			if u.tool == nvfp4Torchao {
				s = max(s, 0x1p-6) // a number of E4M3, so that it may come behind the rounding
				groups[i] = params{Scale: s * g, Step: float32(1/g) / s}
				continue
			}
			if s == 0 {
				s = 1
			}
			groups[i] = divided(s * g)
		}
		groups, ranges = groups[n:], ranges[n:]
	}
	return nil
}

// absMax returns the largest magnitude in a range whose zeros are positive, a positive zero if
// it is one.
func absMax(r kernel.Extent) float32 {
	// Bits of numbers that are not negative are in their order, and below them, as signed
	// integers, those of others. This needs no branch, which would often be predicted wrongly.
	low, high := math.Float32bits(-r.Min), math.Float32bits(r.Max)
	return math.Float32frombits(uint32(max(int32(low), int32(high))))
}

// exponentBelow returns the exponent of the largest power of two that is not above x, which is
// positive.
func exponentBelow(x float32) int {
	if b := math.Float32bits(x); b >= 1<<23 {
		return int(b>>23) - 127
	}
	return math.Ilogb(float64(x))
}
