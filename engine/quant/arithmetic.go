package quant

import (
	"fmt"
	"math"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// An arithmetic is the type in which a tool computes: each result of +, -, * and / is
// rounded to it. Tools written in PyTorch compute in the type of the weights unless they
// cast them first.
type arithmetic checkpoint.DType

// round returns x rounded to the type, to nearest even.
func (a arithmetic) round(x float32) float32 {
	return a.kernel().Round(x)
}

// kernel returns the type as the loops have it.
func (a arithmetic) kernel() kernel.Type {
	switch checkpoint.DType(a) {
	case checkpoint.BF16:
		return kernel.BF16
	case checkpoint.F16:
		return kernel.F16
	}
	return kernel.F32
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

// roundF16 returns x rounded to float16, to nearest even.
func roundF16(x float32) float32 { return kernel.F16.Round(x) }

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
