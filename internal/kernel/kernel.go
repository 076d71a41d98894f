// Package kernel holds the loops over weights: decoding stored numbers, finding
// their range, quantizing and dequantizing, rounding to half precision, and
// summing errors. Each loop exists twice: in C with the instruction set chosen
// at run time, and in Go (the functions ending in Generic), which is the
// specification and the only version in builds without cgo. The two agree bit
// for bit on every input, the sums included; a differential fuzz test holds them
// to it.
//
// All arithmetic is IEEE, rounds to nearest even, and is never contracted into
// fused multiply-adds. Sums are taken in float64 in 8 lanes: element i goes to
// lane i mod 8, and the lanes are added as ((0+4)+(2+6))+((1+5)+(3+7)), so
// that the result is the same on every machine.
//
// No function allocates, keeps its arguments, or touches other state; all are
// safe for concurrent use. They panic when slices have unequal lengths.
package kernel

import "math"

// lanes is the number of partial sums of every reduction.
const lanes = 8

// addLanes adds the partial sums in the order that halving vectors gives.
func addLanes(s *[lanes]float64) float64 {
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

// Range is what must be known of the weights before they can be quantized.
type Range struct {
	Min, Max float32
	// NonFinite counts NaN and infinite values. Min and Max are taken over the
	// finite ones and are both 0 if there is none.
	NonFinite int
}

// AbsMax returns the largest magnitude in the range.
func (r Range) AbsMax() float32 { return max(-r.Min, r.Max) }

// Union returns the range of two parts together. empty says that r holds no
// part yet.
func (r Range) Union(o Range, empty bool) Range {
	if empty {
		return o
	}
	return Range{Min: min(r.Min, o.Min), Max: max(r.Max, o.Max), NonFinite: r.NonFinite + o.NonFinite}
}

// ErrorSums are the sums over elements from which error statistics follow, of
// e = float64(a) - float64(b), a the original and b the dequantized weight.
type ErrorSums struct {
	Abs    float64 // sum of |e|
	Square float64 // sum of e*e
	Max    float64 // largest |e|
	Signal float64 // sum of a*a
	Weight float64 // sum of |a|
}

// Add returns the sums over two parts together.
func (s ErrorSums) Add(o ErrorSums) ErrorSums {
	return ErrorSums{s.Abs + o.Abs, s.Square + o.Square, math.Max(s.Max, o.Max), s.Signal + o.Signal, s.Weight + o.Weight}
}

// roundMagic is 1.5 * 2^23: adding and subtracting it rounds a float32 of
// magnitude below 2^22 to the nearest integer, ties to even. A result of zero is
// always +0.
const roundMagic = 12582912

// SymmetricParams are the parameters of symmetric quantization:
//
//	q = clamp(round(x / Scale), -QMax, QMax),  x' = q * Scale
type SymmetricParams struct {
	Scale float32 // > 0 and finite
	QMax  float32 // a whole number, at most 2^15 - 1
}

// AsymmetricParams are the parameters of asymmetric quantization with a float
// minimum:
//
//	q = clamp(round(x/Scale + Zero), 0, QMax),  x' = q * Scale + Min
type AsymmetricParams struct {
	Scale float32 // > 0 and finite
	Zero  float32 // -Min / Scale
	Min   float32
	QMax  float32 // a whole number, at most 2^16 - 1
}

// checkQMax8 panics unless codes between -qmax and qmax fit in int8.
func checkQMax8(qmax float32) {
	if !(qmax >= 0 && qmax <= 127) {
		panic("kernel: qmax not between 0 and 127")
	}
}

func sameLen(a, b int) {
	if a != b {
		panic("kernel: slices of unequal length")
	}
}
