package ggml

import "encoding/binary"

// The functions here decode one block: what its bytes stand for.

func decodeQ4_0(dst []float32, src []byte) {
	d := half(src)
	for i, b := range src[2:18] {
		dst[i] = float32(int(b&15)-8) * d
		dst[i+16] = float32(int(b>>4)-8) * d
	}
}

func decodeQ4_1(dst []float32, src []byte) {
	d, m := half(src), half(src[2:])
	for i, b := range src[4:20] {
		dst[i] = float32(float32(b&15)*d) + m
		dst[i+16] = float32(float32(b>>4)*d) + m
	}
}

func decodeQ5_0(dst []float32, src []byte) {
	d, high := half(src), binary.LittleEndian.Uint32(src[2:])
	for i, b := range src[6:22] {
		dst[i] = float32(int(b&15)+int(high>>i&1<<4)-16) * d
		dst[i+16] = float32(int(b>>4)+int(high>>(i+16)&1<<4)-16) * d
	}
}

func decodeQ5_1(dst []float32, src []byte) {
	d, m, high := half(src), half(src[2:]), binary.LittleEndian.Uint32(src[4:])
	for i, b := range src[8:24] {
		dst[i] = float32(float32(int(b&15)+int(high>>i&1<<4))*d) + m
		dst[i+16] = float32(float32(int(b>>4)+int(high>>(i+16)&1<<4))*d) + m
	}
}

func decodeQ8_0(dst []float32, src []byte) {
	d := half(src)
	for i, b := range src[2:34] {
		dst[i] = float32(int8(b)) * d
	}
}

func decodeQ1_0(dst []float32, src []byte) {
	d := half(src)
	for i := range dst {
		if src[2+i/8]>>(i%8)&1 != 0 {
			dst[i] = d
		} else {
			dst[i] = -d
		}
	}
}

func decodeQ2_0(dst []float32, src []byte) {
	d := half(src)
	for i := range dst {
		dst[i] = float32(int(src[2+i/4]>>(2*(i%4))&3)-1) * d
	}
}

func decodeTQ1_0(dst []float32, src []byte) {
	d := half(src[52:])
	powers := [5]byte{1, 3, 9, 27, 81}
	for e := range dst {
		var b, power byte
		switch {
		case e < 160:
			b, power = src[e%32], powers[e/32]
		case e < 240:
			b, power = src[32+e%16], powers[(e-160)/16]
		default:
			b, power = src[48+e%4], powers[(e-240)/4]
		}
		dst[e] = float32(int(uint16(b*power)*3>>8)-1) * d
	}
}

func decodeTQ2_0(dst []float32, src []byte) {
	d := half(src[64:])
	for e := range dst {
		dst[e] = float32(int(src[e/128*32+e%32]>>(e%128/32*2)&3)-1) * d
	}
}

func decodeMXFP4(dst []float32, src []byte) {
	d := e8m0Half(src[0])
	for i, b := range src[1:17] {
		dst[i] = e2m1[b&15] * d
		dst[i+16] = e2m1[b>>4] * d
	}
}

func decodeNVFP4(dst []float32, src []byte) {
	for s := range 4 {
		d := ue4m3Half(src[s])
		for i, b := range src[4+8*s : 12+8*s] {
			dst[16*s+i] = e2m1[b&15] * d
			dst[16*s+i+8] = e2m1[b>>4] * d
		}
	}
}

func decodeQ2K(dst []float32, src []byte) {
	d, dmin := half(src[80:]), half(src[82:])
	for e := range dst {
		scale := src[e/16]
		q := src[16+e/128*32+e%32] >> (e % 128 / 32 * 2) & 3
		dst[e] = float32(float32(d*float32(scale&15))*float32(q)) - float32(dmin*float32(scale>>4))
	}
}

// scaleQ3K returns the scale of a sub-block of 16 weights.
func scaleQ3K(sc []byte, s int) int {
	low := sc[s%8] >> (s / 8 * 4) & 15
	return int(low) + int(sc[8+s%4]>>(s/4*2)&3<<4) - 32
}

func decodeQ3K(dst []float32, src []byte) {
	d := half(src[108:])
	for e := range dst {
		q := int(src[32+e/128*32+e%32] >> (e % 128 / 32 * 2) & 3)
		if src[e%32]>>(e/32)&1 == 0 {
			q -= 4
		}
		dst[e] = float32(d*float32(scaleQ3K(src[96:108], e/16))) * float32(q)
	}
}

// scaleMin6 returns the scale and the minimum of a sub-block of 32 weights of Q4_K and
// Q5_K from the 12 bytes that hold those of 8.
func scaleMin6(sc []byte, s int) (scale, minimum byte) {
	if s < 4 {
		return sc[s] & 63, sc[s+4] & 63
	}
	return sc[s+4]&15 | sc[s-4]>>6<<4, sc[s+4]>>4 | sc[s]>>6<<4
}

// putScaleMin6 stores what scaleMin6 returns, in bytes that were 0 and in the order of s.
func putScaleMin6(sc []byte, s int, scale, minimum byte) {
	if s < 4 {
		sc[s], sc[s+4] = scale, minimum
		return
	}
	sc[s+4] = scale&15 | minimum&15<<4
	sc[s-4] |= scale >> 4 << 6
	sc[s] |= minimum >> 4 << 6
}

func decodeQ4K(dst []float32, src []byte) {
	d, dmin := half(src), half(src[2:])
	for s := range 8 {
		scale, minimum := scaleMin6(src[4:16], s)
		ds, m := d*float32(scale), float32(dmin*float32(minimum))
		for l := range 32 {
			q := src[16+s/2*32+l] >> (s % 2 * 4) & 15
			dst[32*s+l] = float32(ds*float32(q)) - m
		}
	}
}

func decodeQ5K(dst []float32, src []byte) {
	d, dmin := half(src), half(src[2:])
	for s := range 8 {
		scale, minimum := scaleMin6(src[4:16], s)
		ds, m := d*float32(scale), float32(dmin*float32(minimum))
		for l := range 32 {
			q := src[48+s/2*32+l]>>(s%2*4)&15 + src[16+l]>>s&1<<4
			dst[32*s+l] = float32(ds*float32(q)) - m
		}
	}
}

func decodeQ6K(dst []float32, src []byte) {
	d := half(src[208:])
	for e := range dst {
		h, k, l := e/128, e%128/32, e%32
		low := src[64*h+32*(k&1)+l] >> (k / 2 * 4) & 15
		high := src[128+32*h+l] >> (2 * k) & 3
		q := int(low|high<<4) - 32
		dst[e] = float32(d*float32(int8(src[192+e/16]))) * float32(q)
	}
}

func decodeIQ4NL(dst []float32, src []byte) {
	d := half(src)
	for i, b := range src[2:18] {
		dst[i] = d * iq4[b&15]
		dst[i+16] = d * iq4[b>>4]
	}
}

func decodeIQ4XS(dst []float32, src []byte) {
	d, high := half(src), int(binary.LittleEndian.Uint16(src[2:]))
	for s := range 8 {
		scale := int(src[4+s/2]>>(s%2*4)&15) | high>>(2*s)&3<<4
		ds := d * float32(scale-32)
		for i, b := range src[8+16*s : 24+16*s] {
			dst[32*s+i] = ds * iq4[b&15]
			dst[32*s+i+16] = ds * iq4[b>>4]
		}
	}
}
