// Package kernel holds the loops over weights: decoding stored numbers, finding
// their range, quantizing and dequantizing, rounding to half precision, and
// summing errors.
//
// Each loop exists twice: in C, compiled for several instruction sets, and in Go
// (generic.go), which is the specification and the only version in builds without
// cgo. The two agree bit for bit on every input, the sums included; a differential
// fuzz test holds them to it. The functions of this package run the best
// instruction set of the machine, the first of [Sets]. Results do not depend on it.
//
// All arithmetic is IEEE, rounds to nearest even, and is never contracted into
// fused multiply-adds. Sums are taken in float64 in 8 lanes: element i goes to
// lane i mod 8, and the lanes are added as ((0+4)+(2+6))+((1+5)+(3+7)), so
// that the result is the same on every machine.
//
// No function allocates, keeps its arguments, or touches other state; all are
// safe for concurrent use. They panic when slices have unequal lengths. Slices must
// not overlap where a function has more than one.
package kernel

import (
	"math"
	"slices"

	"github.com/wwq-fast/wwq-fast/internal/cpu"
)

// A Set is an instruction set for which this build has the loops. The zero Set is the
// portable one.
type Set int

var sets = cpu.Sets[Set](setNames)

// Sets returns the instruction sets that this machine can run, the best first.
func Sets() []Set { return slices.Clone(sets) }

// best is the set that the functions of this package use.
var best = sets[0]

// String returns the name of the set: "avx512", "avx2", "neon", "scalar", or
// "generic" for the Go loops.
func (s Set) String() string { return setNames[s] }

// SIMD returns the name of the instruction set in use.
func SIMD() string { return best.String() }

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

// SymmetricParams are the parameters of symmetric quantization:
//
//	q = clamp(round(x / Scale), -QMax, QMax),  x' = q * Scale
type SymmetricParams struct {
	Scale float32 // > 0 and finite
	QMax  float32 // an integer, at most 2^15 - 1
}

// AsymmetricParams are the parameters of asymmetric quantization with a float
// minimum:
//
//	q = clamp(round(x/Scale + Zero), 0, QMax),  x' = q * Scale + Min
type AsymmetricParams struct {
	Scale float32 // > 0 and finite
	Zero  float32 // -Min / Scale
	Min   float32
	QMax  float32 // an integer, at most 2^16 - 1
}

// DecodeF16 converts little-endian float16 numbers to float32, exactly. src has two
// bytes for each element of dst. A signalling NaN becomes quiet.
//
//	for i := range dst {
//		dst[i] = float32(float16(src[2*i:]))
//	}
func DecodeF16(dst []float32, src []byte) {
	sameLen(2*len(dst), len(src))
	if len(dst) > 0 {
		best.decodeF16(dst, src)
	}
}

// DecodeBF16 converts little-endian bfloat16 numbers to float32, exactly. src has two
// bytes for each element of dst.
//
//	for i := range dst {
//		dst[i] = float32frombits(uint32(src[2*i:]) << 16)
//	}
func DecodeBF16(dst []float32, src []byte) {
	sameLen(2*len(dst), len(src))
	if len(dst) > 0 {
		best.decodeBF16(dst, src)
	}
}

// FindRange returns the range of x.
//
//	for _, v := range x {
//		if finite(v) {
//			min, max = min(min, v), max(max, v)
//		} else {
//			nonFinite++
//		}
//	}
func FindRange(x []float32) Range {
	if len(x) == 0 {
		return Range{}
	}
	return best.findRange(x)
}

// QuantizeSymmetric quantizes src and writes the dequantized values to dst. src must
// hold no NaN.
//
//	for i, x := range src {
//		dst[i] = clamp(round(x/p.Scale), -p.QMax, p.QMax) * p.Scale
//	}
func QuantizeSymmetric(dst, src []float32, p SymmetricParams) {
	sameLen(len(dst), len(src))
	if len(src) > 0 {
		best.quantizeSymmetric(dst, src, p)
	}
}

// QuantizeAsymmetric quantizes src and writes the dequantized values to dst. src must
// hold no NaN.
//
//	for i, x := range src {
//		dst[i] = clamp(round(x/p.Scale+p.Zero), 0, p.QMax)*p.Scale + p.Min
//	}
func QuantizeAsymmetric(dst, src []float32, p AsymmetricParams) {
	sameLen(len(dst), len(src))
	if len(src) > 0 {
		best.quantizeAsymmetric(dst, src, p)
	}
}

// CodesSymmetric writes the codes of src, moved to begin at 0, to codes. src must hold
// no NaN.
//
//	for i, x := range src {
//		codes[i] = clamp(round(x/p.Scale), -p.QMax, p.QMax) + p.QMax
//	}
func CodesSymmetric(codes []uint16, src []float32, p SymmetricParams) {
	sameLen(len(codes), len(src))
	if len(src) > 0 {
		best.codesSymmetric(codes, src, p)
	}
}

// CodesAsymmetric writes the codes of src to codes. src must hold no NaN.
//
//	for i, x := range src {
//		codes[i] = clamp(round(x/p.Scale+p.Zero), 0, p.QMax)
//	}
func CodesAsymmetric(codes []uint16, src []float32, p AsymmetricParams) {
	sameLen(len(codes), len(src))
	if len(src) > 0 {
		best.codesAsymmetric(codes, src, p)
	}
}

// Codes8 writes the symmetric codes of src to dst and returns the sum of their
// squares, which is exact. scale must be positive, qmax an integer between 0 and 127,
// and src must hold no NaN.
//
//	for i, x := range src {
//		dst[i] = clamp(round(x/scale), -qmax, qmax)
//		squares += dst[i] * dst[i]
//	}
func Codes8(dst []int8, src []float32, scale, qmax float32) (squares float64) {
	sameLen(len(dst), len(src))
	if !(qmax >= 0 && qmax <= 127) {
		panic("kernel: qmax not between 0 and 127")
	}
	if len(src) == 0 {
		return 0
	}
	return best.codes8(dst, src, scale, qmax)
}

// Scale16 writes the products of src and factor, rounded to the nearest integer, ties to
// even, to dst and returns the sum of the squares of these, which is exact for up to 2^23
// of them. The rounded products must lie between -32767 and 32767.
//
//	for i, x := range src {
//		dst[i] = int16(round(x * factor))
//		squares += dst[i] * dst[i]
//	}
func Scale16(dst []int16, src []float32, factor float32) (squares float64) {
	sameLen(len(dst), len(src))
	if len(src) == 0 {
		return 0
	}
	return best.scale16(dst, src, factor)
}

// RoundF16 rounds every element of x to float16 and back. Magnitudes of 65520 and more
// become infinite.
//
//	for i, v := range x {
//		x[i] = float32(float16(v))
//	}
func RoundF16(x []float32) {
	if len(x) > 0 {
		best.roundF16(x)
	}
}

// RoundBF16 rounds every element of x, which must hold no NaN, to bfloat16 and back.
//
//	for i, v := range x {
//		x[i] = float32(bfloat16(v))
//	}
func RoundBF16(x []float32) {
	if len(x) > 0 {
		best.roundBF16(x)
	}
}

// CodesF16 rounds src to float16 and writes the bits to codes.
//
//	for i, v := range src {
//		codes[i] = bits(float16(v))
//	}
func CodesF16(codes []uint16, src []float32) {
	sameLen(len(codes), len(src))
	if len(src) > 0 {
		best.codesF16(codes, src)
	}
}

// SumErrors returns the error sums of b against a, taken in 8 lanes.
//
//	for i := range a {
//		x, e := float64(a[i]), math.Abs(float64(a[i]) - float64(b[i]))
//		s.Abs += e
//		s.Square += e * e
//		s.Max = max(s.Max, e)
//		s.Signal += x * x
//		s.Weight += math.Abs(x)
//	}
func SumErrors(a, b []float32) (s ErrorSums) {
	sameLen(len(a), len(b))
	if len(a) == 0 {
		return ErrorSums{}
	}
	return best.sumErrors(a, b)
}

// Widen converts src to float64 and returns the sum of squares, taken in 8 lanes.
//
//	for i, v := range src {
//		dst[i] = float64(v)
//		squares += dst[i] * dst[i]
//	}
func Widen(dst []float64, src []float32) (squares float64) {
	sameLen(len(dst), len(src))
	if len(src) == 0 {
		return 0
	}
	return best.widen(dst, src)
}

// Mark notes which codes occur. len(seen) must be 65536.
//
//	for _, c := range codes {
//		seen[c] = 1
//	}
func Mark(seen []byte, codes []uint16) {
	seen = seen[:65536]
	if len(codes) > 0 {
		best.mark(seen, codes)
	}
}

func sameLen(a, b int) {
	if a != b {
		panic("kernel: slices of unequal length")
	}
}
