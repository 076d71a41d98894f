package quant

import (
	"fmt"
	"math"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// An arithmetic is the type in which a tool computes: each result of +, -, * and / is
// rounded to it. Tools written in PyTorch compute in the type of the weights unless they
// cast them first.
type arithmetic checkpoint.DType

// round returns x rounded to the type, to nearest even.
func (a arithmetic) round(x float32) float32 {
	switch checkpoint.DType(a) {
	case checkpoint.BF16:
		return roundBF16(x)
	case checkpoint.F16:
		return roundF16(x)
	}
	return float32(x) // rounded, though it be a product that a sum follows
}

// all rounds all numbers of x.
func (a arithmetic) all(x []float32) {
	if d := checkpoint.DType(a); d == checkpoint.BF16 || d == checkpoint.F16 {
		d.Round(x)
	}
}

// smallestNormal is the smallest normal number of the type.
func (a arithmetic) smallestNormal() float32 {
	if checkpoint.DType(a) == checkpoint.F16 {
		return 0x1p-14
	}
	return 0x1p-126
}

// epsilon is the distance from 1 to the next number of the type.
func (a arithmetic) epsilon() float32 {
	switch checkpoint.DType(a) {
	case checkpoint.BF16:
		return 0x1p-7
	case checkpoint.F16:
		return 0x1p-10
	}
	return 0x1p-23
}

// over returns c / x as PyTorch computes a number divided by a tensor: the reciprocal,
// rounded, times the number, rounded.
func (a arithmetic) over(c, x float32) float32 { return a.round(a.round(1/x) * c) }

// roundBF16 returns x rounded to bfloat16, to nearest even.
func roundBF16(x float32) float32 {
	b := math.Float32bits(x)
	if b&0x7fffffff >= 0x7f800000 {
		return x
	}
	return math.Float32frombits((b + 0x7fff + b>>16&1) &^ 0xffff)
}

// roundF16 returns x rounded to float16, to nearest even.
func roundF16(x float32) float32 {
	b := math.Float32bits(x)
	sign, mag := b&0x80000000, b&0x7fffffff
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

// roundEven returns x rounded to the nearest integer, half to even. The sum and the
// difference are exact to half a unit for magnitudes below 2^22; larger ones are far outside
// of all ranges of codes, and are left as they are.
func roundEven(x float32) float32 {
	const magic = 3 << 22
	if x > 1<<22 || x < -1<<22 {
		return x
	}
	return float32(float32(x)+magic) - magic // x may be a product: no fused operation
}

// clamp returns x, but low or high where it is beyond them. NaN stays.
func clamp(x, low, high float32) float32 {
	if x < low {
		return low
	}
	if x > high {
		return high
	}
	return x
}

// isFinite reports whether x is neither NaN nor infinite.
func isFinite(x float32) bool { return x-x == 0 }

// overflowf formats an error that wraps ErrOverflow.
func overflowf(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrOverflow)...)
}

// roundAway returns x rounded to the nearest integer, half away from zero.
func roundAway(x float32) float32 { return float32(math.Round(float64(x))) }

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }
