package ggml

import "encoding/binary"

// The functions here quantize one block of the types whose scales are searched for: 256
// weights (IQ4_NL: 32), in sub-blocks of 16 or 32, whose scales are stored in units of one or
// two float16 numbers. dst is zero before. They report whether those are finite.
//
// The codes are made anew with the scale as it was stored. If that is 0 they stay as the
// search has left them.

const (
	superBlock = 256
	finest     = 16 // weights in the smallest sub-blocks, of which there are 16
)

// peak returns the largest of the scales, which are not negative, or 0.
func peak(scales []float32) (m float32) {
	for _, s := range scales {
		if s > m {
			m = s
		}
	}
	return m
}

// requantize makes the codes l between lo and hi of x = d*l - m anew, unless d is 0.
func requantize(l []int8, x []float32, d, m, lo, hi float32) {
	if d == 0 {
		return
	}
	for i, v := range x {
		l[i] = int8(nearest((v+m)/d, lo, hi))
	}
}

// put2 packs codes of 2 bits: byte i of each half block has elements i, i+32, i+64 and i+96.
func put2(dst []byte, l *[superBlock]int8) {
	for e, q := range l {
		dst[e/128*32+e%32] |= byte(q&3) << (e % 128 / 32 * 2)
	}
}

// put4 packs the low 4 bits of codes: 32 bytes have elements i and i+32 of 64.
func put4(dst []byte, l *[superBlock]int8) {
	for e, q := range l {
		dst[e/64*32+e%32] |= byte(q&15) << (e % 64 / 32 * 4)
	}
}

// codeScale returns the code of a scale in units of which the largest is most.
func codeScale(s, inverse, most float32) byte { return byte(nearest(float32(inverse*s), 0, most)) }

func quantizeQ2K(dst []byte, src []float32) bool {
	var l [superBlock]int8
	var scales, mins [finest]float32
	var w [finest]float32
	for s := range scales {
		x := src[16*s : 16*s+16]
		for i, v := range x {
			w[i] = abs(v)
		}
		scales[s], mins[s] = searchAffine(l[16*s:16*s+16], x, w[:], gridQ2K)
	}
	maxScale, maxMin := peak(scales[:]), peak(mins[:])
	d, ok := putHalf(dst[80:], maxScale/15)
	dmin, okMin := putHalf(dst[82:], maxMin/15)
	for s := range scales {
		if maxScale > 0 {
			dst[s] = codeScale(scales[s], 15/maxScale, 15)
		}
		if maxMin > 0 {
			dst[s] |= codeScale(mins[s], 15/maxMin, 15) << 4
		}
		requantize(l[16*s:16*s+16], src[16*s:16*s+16], d*float32(dst[s]&15), float32(dmin*float32(dst[s]>>4)), 0, 3)
	}
	put2(dst[16:], &l)
	return ok && okMin
}

// putSigned stores the scale of which the scales, of either sign, are integer multiples from
// -most on, and returns it and its reciprocal, 0 if there is no scale but 0. It is the
// reciprocal of the rounded reciprocal, which is not always m/-most. Sums that
// overflowed have left NaN: as in ggml such scales do not count, but beside others they
// have no code.
func putSigned(dst []byte, scales []float32, most float32) (d, inverse float32, ok bool) {
	m := largest(scales)
	if m == 0 {
		return 0, 0, true
	}
	for _, s := range scales {
		if s-s != 0 {
			return 0, 0, false
		}
	}
	inverse = -most / m
	d, ok = putHalf(dst, 1/inverse)
	return d, inverse, ok
}

func quantizeQ3K(dst []byte, src []float32) bool {
	var l [superBlock]int8
	var scales [finest]float32
	for s := range scales {
		scales[s] = descendSymmetric(l[16*s:16*s+16], src[16*s:16*s+16], 4)
	}
	d, inverse, ok := putSigned(dst[108:], scales[:], 32)
	for s := range scales {
		q := float32(-32)
		if inverse != 0 {
			q = nearest(float32(inverse*scales[s]), -32, 31)
			code := byte(int(q) + 32)
			dst[96+s%8] |= code & 15 << (s / 8 * 4)
			dst[104+s%4] |= code >> 4 << (s / 4 * 2)
		}
		requantize(l[16*s:16*s+16], src[16*s:16*s+16], d*q, 0, -4, 3)
	}
	for e := range l {
		if l[e] += 4; l[e] > 3 {
			dst[e%32] |= 1 << (e / 32)
		}
	}
	put2(dst[32:], &l)
	return ok
}

// searchScaleMin does for Q4_K and Q5_K all but the packing of codes. dst are the first 16
// bytes of the block.
func searchScaleMin(dst []byte, l *[superBlock]int8, src []float32, g grid) bool {
	var scales, mins [8]float32
	var w [32]float32
	for s := range scales {
		x := src[32*s : 32*s+32]
		var squares float32
		for _, v := range x {
			squares += float32(v * v)
		}
		rms := sqrt(squares / 32)
		for i, v := range x {
			w[i] = rms + abs(v)
		}
		scales[s], mins[s] = searchAffine(l[32*s:32*s+32], x, w[:], g)
	}
	maxScale, maxMin := peak(scales[:]), peak(mins[:])
	d, ok := putHalf(dst, maxScale/63)
	dmin, okMin := putHalf(dst[2:], maxMin/63)
	for s := range scales {
		var scale, minimum byte
		if maxScale > 0 {
			scale = codeScale(scales[s], 63/maxScale, 63)
		}
		if maxMin > 0 {
			minimum = codeScale(mins[s], 63/maxMin, 63)
		}
		putScaleMin6(dst[4:16], s, scale, minimum)
		requantize(l[32*s:32*s+32], src[32*s:32*s+32], d*float32(scale), float32(dmin*float32(minimum)), 0, g.nmax)
	}
	return ok && okMin
}

func quantizeQ4K(dst []byte, src []float32) bool {
	var l [superBlock]int8
	ok := searchScaleMin(dst, &l, src, gridQ4K)
	put4(dst[16:], &l)
	return ok
}

func quantizeQ5K(dst []byte, src []float32) bool {
	var l [superBlock]int8
	ok := searchScaleMin(dst, &l, src, gridQ5K)
	for e, q := range l {
		dst[16+e%32] |= byte(q>>4) << (e / 32)
	}
	put4(dst[48:], &l)
	return ok
}

func quantizeQ6K(dst []byte, src []float32) bool {
	var l [superBlock]int8
	var scales [finest]float32
	for s := range scales {
		scales[s] = searchSymmetric(l[16*s:16*s+16], src[16*s:16*s+16], 32)
	}
	if abs(largest(scales[:])) < tiny {
		return true // a block of zero bytes
	}
	d, inverse, ok := putSigned(dst[208:], scales[:], 128)
	for s := range scales {
		q := nearest(float32(inverse*scales[s]), -128, 127)
		dst[192+s] = byte(int8(q))
		requantize(l[16*s:16*s+16], src[16*s:16*s+16], d*q, 0, -32, 31)
	}
	for e := range l {
		h, k, i := e/128, e%128/32, e%32
		q := byte(l[e] + 32)
		dst[64*h+32*(k&1)+i] |= q & 15 << (k / 2 * 4)
		dst[128+32*h+i] |= q >> 4 << (2 * k)
	}
	return ok
}

// putIQ4 stores the codes of 32 weights times id.
func putIQ4(dst []byte, x []float32, id float32) {
	for i := range 16 {
		dst[i] = byte(iq4Code(float32(id*x[i])) | iq4Code(float32(id*x[i+16]))<<4)
	}
}

func quantizeIQ4NL(dst []byte, src []float32) bool {
	d := searchIQ4(src)
	_, ok := putHalf(dst, d)
	putIQ4(dst[2:], src, inverse(d))
	return ok
}

func quantizeIQ4XS(dst []byte, src []float32) bool {
	var scales [8]float32
	for s := range scales {
		scales[s] = searchIQ4(src[32*s : 32*s+32])
		if !(scales[s]-scales[s] == 0) {
			return false
		}
	}
	d := -largest(scales[:]) / 32
	_, ok := putHalf(dst, d)
	id := inverse(d)
	high := uint16(0)
	for s := range scales {
		l := nearest(float32(id*scales[s]), -32, 31)
		code := byte(int(l) + 32)
		dst[4+s/2] |= code & 15 << (s % 2 * 4)
		high |= uint16(code>>4) << (2 * s)
		putIQ4(dst[8+16*s:], src[32*s:32*s+32], inverse(d*l))
	}
	binary.LittleEndian.PutUint16(dst[2:], high)
	return ok
}
