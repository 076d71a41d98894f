package kernel

import "math"

// SubtractBF16 writes the differences of b from a to dst, rounded to bfloat16, to nearest even:
// their bits. It returns the sum of the squares of the differences in float32, taken in 8 lanes.
// All slices have one length; none of the differences may be NaN.
//
//	for i := range a {
//		d := b[i] - a[i]
//		dst[i] = bits(bfloat16(d))
//		squares += float64(d) * float64(d)
//	}
func SubtractBF16(dst []uint16, a, b []float32) (squares float64) {
	sameLen(len(dst), len(a))
	sameLen(len(dst), len(b))
	if len(dst) == 0 {
		return 0
	}
	return best.subtractBF16(dst, a, b)
}

// NormalProduct adds scale * e^T e x to z, where e is a matrix of bfloat16 numbers, row after
// row, with rows as long as x and z. Each row is summed in 16 lanes, in float32, and the rows
// are added in their order. Of each whole block of 16 columns, x and z have first those of even
// index and then those of odd index: column i is at place(i).
//
//	for r := range rows {
//		y := 0
//		for i := range x {
//			y += e[r][i] * x[place(i)]
//		}
//		for i := range x {
//			z[place(i)] += e[r][i] * (y * scale)
//		}
//	}
func NormalProduct(z, x []float32, e []uint16, scale float32) {
	sameLen(len(z), len(x))
	if len(x) == 0 {
		return
	}
	sameLen(len(e)%len(x), 0)
	if len(e) > 0 {
		best.normalProduct(z, x, e, scale)
	}
}

func subtractBF16Generic(dst []uint16, a, b []float32) float64 {
	var squares [lanes]float64
	for i := range dst {
		d := b[i] - a[i]
		u := math.Float32bits(d)
		dst[i] = uint16((u + 0x7fff + (u>>16)&1) >> 16)
		squares[i%lanes] += float64(float64(d) * float64(d))
	}
	return addLanes(&squares)
}

func normalProductGeneric(z, x []float32, e []uint16, scale float32) {
	low := func(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }
	whole := len(x) / 16 * 16
	for ; len(e) > 0; e = e[len(x):] {
		row := e[:len(x)]
		var sum [16]float32
		for i := 0; i < whole; i += 16 {
			b, v := (*[16]uint16)(row[i:]), (*[16]float32)(x[i:])
			for l := range 8 {
				sum[l] += float32(low(b[2*l]) * v[l])
				sum[l+8] += float32(low(b[2*l+1]) * v[l+8])
			}
		}
		for i := whole; i < len(row); i++ {
			sum[i-whole] += float32(low(row[i]) * x[i])
		}
		for half := 8; half > 0; half /= 2 {
			for l := range half {
				sum[l] += sum[l+half]
			}
		}
		y := sum[0] * scale
		for i := 0; i < whole; i += 16 {
			b, v := (*[16]uint16)(row[i:]), (*[16]float32)(z[i:])
			for l := range 8 {
				v[l] += float32(low(b[2*l]) * y)
				v[l+8] += float32(low(b[2*l+1]) * y)
			}
		}
		for i := whole; i < len(row); i++ {
			z[i] += float32(low(row[i]) * y)
		}
	}
}
