package ggml

import (
	"encoding/binary"
	"math"
	mathbits "math/bits"

	"github.com/x448/float16"
)

// half returns the float16 number at src.
func half(src []byte) float32 {
	return float16.Frombits(binary.LittleEndian.Uint16(src)).Float32()
}

// putHalf rounds v to float16, ties to even, writes that to dst, and returns it. It also
// reports whether it is finite.
func putHalf(dst []byte, v float32) (rounded float32, finite bool) {
	h := float16.Fromfloat32(v)
	binary.LittleEndian.PutUint16(dst, h.Bits())
	return h.Float32(), h.IsFinite()
}

// inverse returns 1/d, or 0 if that is not finite.
func inverse(d float32) float32 {
	if id := 1 / d; id-id == 0 {
		return id
	}
	return 0
}

func abs(v float32) float32 { return math.Float32frombits(math.Float32bits(v) &^ (1 << 31)) }

func sqrt(v float32) float32 { return float32(math.Sqrt(float64(v))) }

// largest returns the element with the largest magnitude, the first one of several, and 0
// if all are 0.
func largest(x []float32) float32 {
	var m float32
	for _, v := range x {
		if abs(v) > abs(m) {
			m = v
		}
	}
	return m
}

// roundMagic added and subtracted rounds magnitudes up to 2^22 to integers, ties to even.
const roundMagic = 0x1.8p23

// nearest rounds v to an integer, ties to even, and clamps that to [lo, hi]. NaN gives lo.
func nearest(v float32, lo, hi float32) float32 {
	if !(v > lo) {
		v = lo
	}
	if v > hi {
		v = hi
	}
	return float32(v+roundMagic) - roundMagic
}

// away rounds v, of a magnitude below 2^31, to an integer, ties away from zero.
func away(v float32) int {
	n := int(v)
	switch r := v - float32(n); {
	case r >= 0.5:
		n++
	case r <= -0.5:
		n--
	}
	return n
}

// e2m1 has twice the values of the 4-bit floating-point numbers, as ggml keeps them.
var e2m1 = [16]float32{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

// e2m1Code returns the number of the first value e2m1[i]*d that is nearest to x by the
// rounded differences: of two equally near ones that of the smaller magnitude.
func e2m1Code(x, d float32) byte {
	code, least := 0, abs(x)
	for i, v := range e2m1 {
		if e := abs(float32(v*d) - x); e < least {
			code, least = i, e
		}
	}
	return byte(code)
}

// e8m0Half returns half the value of a scale of 8 exponent bits: 2^(e-128).
func e8m0Half(e byte) float32 {
	if e < 2 {
		return math.Float32frombits(0x200000 << e)
	}
	return math.Float32frombits(uint32(e-1) << 23)
}

// floorLog2 returns the floor of log2(v), where the logarithm is rounded to float32 first:
// numbers a few units below a power of two count as that power. v must be positive and
// normal.
//
// Between the logarithms K-u and K, with u the last place just below K, those above K-u/2
// round to K. Of the last places of v below 2^K that is floor(2^p*ln 2), where u is
// 2^(p-23) and p the exponent of abs(K), less one if K is a positive power of two.
func floorLog2(v float32) int {
	bits := math.Float32bits(v)
	k := int(bits>>23) - 127 + 1 // the next power of two
	below := int(0x800000 - bits&0x7fffff)
	m := k
	if k > 0 {
		m = k - 1
	}
	if m < 0 {
		m = -m
	}
	near := [8]int{0, 0, 1, 2, 5, 11, 22, 44} // floor(2^p*ln 2) by p + 1
	if below <= near[mathbits.Len(uint(m))] {
		return k
	}
	return k - 1
}

// ue4m3Half returns half the value of a scale of 4 exponent and 3 mantissa bits.
func ue4m3Half(b byte) float32 {
	exp, man := int(b>>3&15), float32(b&7)
	switch {
	case b == 0x7f:
		return 0
	case exp == 0:
		return man * 0x1p-10
	}
	return (1 + man/8) * math.Float32frombits(uint32(exp-8+127)<<23)
}

// ue4m3 rounds v to a scale of 4 exponent and 3 mantissa bits as ggml does: ties go up,
// bits behind the first that is dropped are ignored, subnormals do not become normal, and
// from 248 on all is 448.
func ue4m3(v float32) byte {
	if !(v > 0) {
		return 0
	}
	bits := math.Float32bits(min(v, 448))
	exp, man := int(bits>>23)-127+7, int(bits>>20&7)
	if exp <= 0 {
		return byte(min(int(float32(v*512)+0.5), 7))
	}
	if man += int(bits >> 19 & 1); man > 7 {
		man, exp = 0, exp+1
	}
	if exp >= 15 {
		return 0x7e
	}
	return byte(exp<<3 | man)
}

// iq4 is the codebook of IQ4_NL and IQ4_XS.
var iq4 = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// iq4Code returns the number of the value of the codebook that is nearest to v by the
// rounded differences, the upper one of two equally near ones.
func iq4Code(v float32) int {
	if v <= iq4[0] {
		return 0
	}
	if v >= iq4[15] {
		return 15
	}
	lo, hi := 0, 15
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; v < iq4[mid] {
			hi = mid
		} else {
			lo = mid
		}
	}
	if v-iq4[lo] < iq4[hi]-v {
		return lo
	}
	return hi
}
