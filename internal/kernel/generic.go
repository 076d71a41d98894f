package kernel

// The specification of the loops. The functions of the same names in kernel.go check
// the arguments and say what each computes.

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"
)

func decodeF16Generic(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = float16.Frombits(binary.LittleEndian.Uint16(src[2*i:])).Float32()
	}
}

func decodeBF16Generic(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
	}
}

func findRangeGeneric(x []float32) Range {
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
	// Zeros of either sign compare equal and either may have been kept; adding 0 makes it +0.
	return Range{Min: lo + 0, Max: hi + 0, NonFinite: bad}
}

func quantizeSymmetricGeneric(dst, src []float32, p SymmetricParams) {
	for i, x := range src {
		dst[i] = roundClamp(x/p.Scale, -p.QMax, p.QMax) * p.Scale
	}
}

func quantizeAsymmetricGeneric(dst, src []float32, p AsymmetricParams) {
	for i, x := range src {
		dst[i] = float32(roundClamp(x/p.Scale+p.Zero, 0, p.QMax)*p.Scale) + p.Min
	}
}

func codesSymmetricGeneric(codes []uint16, src []float32, p SymmetricParams) {
	for i, x := range src {
		codes[i] = uint16(int32(roundClamp(x/p.Scale, -p.QMax, p.QMax) + p.QMax))
	}
}

func codesAsymmetricGeneric(codes []uint16, src []float32, p AsymmetricParams) {
	for i, x := range src {
		codes[i] = uint16(int32(roundClamp(x/p.Scale+p.Zero, 0, p.QMax)))
	}
}

func codes8Generic(dst []int8, src []float32, scale, qmax float32) (squares float64) {
	sum := int64(0)
	for i, x := range src {
		v := int64(roundClamp(x/scale, -qmax, qmax))
		dst[i] = int8(v)
		sum += v * v
	}
	return float64(sum)
}

func scale16Generic(dst []int16, src []float32, factor float32) (squares float64) {
	sum := int64(0)
	for i, x := range src {
		v := int32(float32(float32(x*factor)+roundMagic) - roundMagic)
		dst[i] = int16(v)
		sum += int64(v) * int64(v)
	}
	return float64(sum)
}

// roundMagic is 1.5 * 2^23: adding and subtracting it rounds a float32 of
// magnitude below 2^22 to the nearest integer, ties to even. A result of zero is
// always +0.
const roundMagic = 12582912

// roundClamp rounds q to the nearest integer, ties to even, between lo and hi.
// Clamping comes first, which keeps the sum with roundMagic exact. It does not change
// the result, since lo and hi are integers.
func roundClamp(q, lo, hi float32) float32 {
	if q < lo {
		q = lo
	}
	if q > hi {
		q = hi
	}
	return (q + roundMagic) - roundMagic
}

func roundF16Generic(x []float32) {
	for i, v := range x {
		x[i] = float16.Fromfloat32(v).Float32()
	}
}

func roundBF16Generic(x []float32) {
	for i, v := range x {
		b := math.Float32bits(v)
		x[i] = math.Float32frombits((b + 0x7fff + (b>>16)&1) &^ 0xffff)
	}
}

func codesF16Generic(codes []uint16, src []float32) {
	for i, v := range src {
		codes[i] = float16.Fromfloat32(v).Bits()
	}
}

func sumErrorsGeneric(a, b []float32) ErrorSums {
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

func widenGeneric(dst []float64, src []float32) float64 {
	var sq [lanes]float64
	for i, v := range src {
		x := float64(v)
		dst[i] = x
		sq[i%lanes] += float64(x * x)
	}
	return addLanes(&sq)
}

func markGeneric(seen []byte, codes []uint16) {
	for _, c := range codes {
		seen[c] = 1
	}
}
