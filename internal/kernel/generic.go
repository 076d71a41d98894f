package kernel

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"
)

// DecodeF16Generic converts len(dst) little-endian float16 numbers to float32,
// exactly.
func DecodeF16Generic(dst []float32, src []byte) {
	sameLen(2*len(dst), len(src))
	for i := range dst {
		dst[i] = float16.Frombits(binary.LittleEndian.Uint16(src[2*i:])).Float32()
	}
}

// DecodeBF16Generic converts len(dst) little-endian bfloat16 numbers to float32,
// exactly.
func DecodeBF16Generic(dst []float32, src []byte) {
	sameLen(2*len(dst), len(src))
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
	}
}

// FindRangeGeneric returns the range of x.
func FindRangeGeneric(x []float32) Range {
	lo, hi := float32(math.MaxFloat32), float32(-math.MaxFloat32)
	bad := 0
	for _, v := range x {
		if !(v-v == 0) {
			bad++
			continue
		}
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	if bad == len(x) {
		lo, hi = 0, 0
	}
	// Zeros of either sign compare equal, so which one was kept is chance.
	return Range{Min: lo + 0, Max: hi + 0, NonFinite: bad}
}

// QuantizeSymmetricGeneric writes the quantized and dequantized src to dst.
func QuantizeSymmetricGeneric(dst, src []float32, p SymmetricParams) {
	sameLen(len(dst), len(src))
	for i, x := range src {
		dst[i] = roundClamp(x/p.Scale, -p.QMax, p.QMax) * p.Scale
	}
}

// QuantizeAsymmetricGeneric writes the quantized and dequantized src to dst.
func QuantizeAsymmetricGeneric(dst, src []float32, p AsymmetricParams) {
	sameLen(len(dst), len(src))
	for i, x := range src {
		dst[i] = float32(roundClamp(x/p.Scale+p.Zero, 0, p.QMax)*p.Scale) + p.Min
	}
}

// CodesSymmetricGeneric writes q + QMax of every element of src to codes.
func CodesSymmetricGeneric(codes []uint16, src []float32, p SymmetricParams) {
	sameLen(len(codes), len(src))
	for i, x := range src {
		codes[i] = uint16(int32(roundClamp(x/p.Scale, -p.QMax, p.QMax) + p.QMax))
	}
}

// CodesAsymmetricGeneric writes q of every element of src to codes.
func CodesAsymmetricGeneric(codes []uint16, src []float32, p AsymmetricParams) {
	sameLen(len(codes), len(src))
	for i, x := range src {
		codes[i] = uint16(int32(roundClamp(x/p.Scale+p.Zero, 0, p.QMax)))
	}
}

// Codes8Generic writes the codes of src to dst and returns the sum of their squares.
func Codes8Generic(dst []int8, src []float32, scale, qmax float32) (squares float64) {
	sameLen(len(dst), len(src))
	checkQMax8(qmax)
	sum := int64(0)
	for i, x := range src {
		v := int64(roundClamp(x/scale, -qmax, qmax))
		dst[i] = int8(v)
		sum += v * v
	}
	return float64(sum)
}

// Scale16Generic writes the products of src and factor to dst and returns the sum of
// their squares.
func Scale16Generic(dst []int16, src []float32, factor float32) (squares float64) {
	sameLen(len(dst), len(src))
	sum := int64(0)
	for i, x := range src {
		v := int32(x * factor)
		dst[i] = int16(v)
		sum += int64(v) * int64(v)
	}
	return float64(sum)
}

// roundClamp rounds q to the nearest whole number, ties to even, between lo and
// hi. Clamping first keeps the sum with roundMagic exact and gives the same
// result, since lo and hi are whole.
func roundClamp(q, lo, hi float32) float32 {
	if q < lo {
		q = lo
	}
	if q > hi {
		q = hi
	}
	return (q + roundMagic) - roundMagic
}

// RoundF16Generic rounds every element of x to float16 and back.
func RoundF16Generic(x []float32) {
	for i, v := range x {
		x[i] = float16.Fromfloat32(v).Float32()
	}
}

// RoundBF16Generic rounds every element of x to bfloat16 and back. x must hold no
// NaN.
func RoundBF16Generic(x []float32) {
	for i, v := range x {
		b := math.Float32bits(v)
		x[i] = math.Float32frombits((b + 0x7fff + (b>>16)&1) &^ 0xffff)
	}
}

// CodesF16Generic rounds src to float16 and writes the bits to codes.
func CodesF16Generic(codes []uint16, src []float32) {
	sameLen(len(codes), len(src))
	for i, v := range src {
		codes[i] = float16.Fromfloat32(v).Bits()
	}
}

// SumErrorsGeneric returns the error sums of b against a.
func SumErrorsGeneric(a, b []float32) ErrorSums {
	sameLen(len(a), len(b))
	var abs, sq, sig, mag [lanes]float64
	largest := 0.0
	for i := range a {
		x := float64(a[i])
		e := math.Abs(x - float64(b[i]))
		l := i % lanes
		abs[l] += e
		sq[l] += float64(e * e)
		sig[l] += float64(x * x)
		mag[l] += math.Abs(x)
		if e > largest {
			largest = e
		}
	}
	return ErrorSums{Abs: addLanes(&abs), Square: addLanes(&sq), Max: largest, Signal: addLanes(&sig), Weight: addLanes(&mag)}
}

// WidenGeneric converts src to float64 in dst and returns the sum of squares.
func WidenGeneric(dst []float64, src []float32) float64 {
	sameLen(len(dst), len(src))
	var sq [lanes]float64
	for i, v := range src {
		x := float64(v)
		dst[i] = x
		sq[i%lanes] += float64(x * x)
	}
	return addLanes(&sq)
}

// MarkGeneric sets seen[c] to 1 for every c of codes. len(seen) must be 65536.
func MarkGeneric(seen []byte, codes []uint16) {
	seen = seen[:65536]
	for _, c := range codes {
		seen[c] = 1
	}
}
