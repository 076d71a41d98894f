package ggml

// The functions here quantize one block of the types whose scale follows from the largest
// weight. dst is zero before. They report whether the scale is finite.

func quantizeQ4_0(dst []byte, src []float32) bool {
	d := largest(src) / -8
	_, ok := putHalf(dst, d)
	id := inverse(d)
	for i := range 16 {
		a := min(15, byte(float32(src[i]*id)+8.5))
		b := min(15, byte(float32(src[i+16]*id)+8.5))
		dst[2+i] = a | b<<4
	}
	return ok
}

func quantizeQ5_0(dst []byte, src []float32) bool {
	d := largest(src) / -16
	_, ok := putHalf(dst, d)
	id := inverse(d)
	for i := range 16 {
		a := min(31, byte(float32(src[i]*id)+16.5))
		b := min(31, byte(float32(src[i+16]*id)+16.5))
		put5(dst[2:], i, a, b)
	}
	return ok
}

// put5 stores two codes of 5 bits: 4 bytes with the high bits, then 16 with the low ones.
func put5(dst []byte, i int, a, b byte) {
	dst[4+i] = a&15 | b&15<<4
	dst[i/8] |= a >> 4 << (i % 8)
	dst[2+i/8] |= b >> 4 << (i % 8)
}

// putMinScale stores what Q4_1 and Q5_1 begin with, scale and minimum. It returns the
// minimum and the reciprocal of the scale.
func putMinScale(dst []byte, src []float32, qmax float32) (lo, id float32, ok bool) {
	lo, hi := src[0], src[0]
	for _, v := range src {
		if v < lo { // of zeros of either sign the first is kept
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	d := (hi - lo) / qmax
	_, ok = putHalf(dst, d)
	_, okMin := putHalf(dst[2:], lo)
	return lo, inverse(d), ok && okMin
}

func quantizeQ4_1(dst []byte, src []float32) bool {
	lo, id, ok := putMinScale(dst, src, 15)
	if !ok {
		return false
	}
	for i := range 16 {
		a := min(15, byte(float32((src[i]-lo)*id)+0.5))
		b := min(15, byte(float32((src[i+16]-lo)*id)+0.5))
		dst[4+i] = a | b<<4
	}
	return true
}

func quantizeQ5_1(dst []byte, src []float32) bool {
	lo, id, ok := putMinScale(dst, src, 31)
	if !ok {
		return false
	}
	for i := range 16 {
		put5(dst[4:], i, byte(float32((src[i]-lo)*id)+0.5), byte(float32((src[i+16]-lo)*id)+0.5))
	}
	return true
}

func quantizeQ8_0(dst []byte, src []float32) bool {
	d := abs(largest(src)) / 127
	_, ok := putHalf(dst, d)
	id := inverse(d)
	for i, v := range src {
		dst[2+i] = byte(int8(away(float32(v * id))))
	}
	return ok
}

func quantizeQ1_0(dst []byte, src []float32) bool {
	var sum float32
	for i, v := range src {
		sum += abs(v)
		if v >= 0 {
			dst[2+i/8] |= 1 << (i % 8)
		}
	}
	_, ok := putHalf(dst, sum/128)
	return ok
}

func quantizeQ2_0(dst []byte, src []float32) bool {
	d := abs(largest(src))
	_, ok := putHalf(dst, d)
	id := inverse(d)
	for i, v := range src {
		dst[2+i/4] |= byte(min(max(away(float32(v*id)), -1), 2)+1) << (i % 4 * 2)
	}
	return ok
}

// quantizeTQ1_0 stores 5 trits a byte, the last 4 bytes 4: their fraction of 3^5, rounded
// up, so that the decoder finds the trits one after the other by multiplying.
func quantizeTQ1_0(dst []byte, src []float32) bool {
	d := abs(largest(src))
	_, ok := putHalf(dst[52:], d)
	id := inverse(d)
	pack := func(first, stride, trits int) byte {
		q := 0
		for n := range 5 {
			q *= 3
			if n < trits {
				q += away(float32(src[first+n*stride]*id)) + 1
			}
		}
		return byte((q*256 + 242) / 243)
	}
	for i := range 32 {
		dst[i] = pack(i, 32, 5)
	}
	for i := range 16 {
		dst[32+i] = pack(160+i, 16, 5)
	}
	for i := range 4 {
		dst[48+i] = pack(240+i, 4, 4)
	}
	return ok
}

func quantizeTQ2_0(dst []byte, src []float32) bool {
	d := abs(largest(src))
	_, ok := putHalf(dst[64:], d)
	id := inverse(d)
	for e, v := range src {
		dst[e/128*32+e%32] |= byte(away(float32(v*id))+1) << (e % 128 / 32 * 2)
	}
	return ok
}

// quantizeMXFP4 takes weights below 2^-125 for zeros, since their exponent cannot be stored.
func quantizeMXFP4(dst []byte, src []float32) bool {
	amax := abs(largest(src))
	if amax < 0x1p-126 {
		return true
	}
	e := floorLog2(amax) - 2 + 127
	if e < 0 {
		return true
	}
	dst[0] = byte(e)
	d := e8m0Half(byte(e))
	for i := range 16 {
		dst[1+i] = e2m1Code(src[i], d) | e2m1Code(src[i+16], d)<<4
	}
	return true
}

func quantizeNVFP4(dst []byte, src []float32) bool {
	for s := range 4 {
		x := src[16*s : 16*s+16]
		dst[s] = ue4m3(abs(largest(x)) / 6)
		d := ue4m3Half(dst[s])
		for i := range 8 {
			dst[4+8*s+i] = e2m1Code(x[i], d) | e2m1Code(x[i+8], d)<<4
		}
	}
	return true
}
