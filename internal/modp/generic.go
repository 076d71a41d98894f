package modp

import "math"

// The specification of the loops. Reduce and eliminate check the arguments and say
// what each computes.

func reduceGeneric(x []float64) {
	for i, v := range x {
		x[i] = reduce(v)
	}
}

func eliminateGeneric(a []float64, lda, rows, width int, pivot []float64, inverse float64, c []float64, ldc int) {
	for i := range rows {
		row := a[i*lda : i*lda+width]
		f := reduce(row[0] * inverse)
		c[i*ldc] = f
		if f == 0 {
			continue
		}
		for j, v := range row {
			row[j] = reduce(v - float64(f*pivot[j]))
		}
	}
}

// reduce returns the residue of v. After the first step it may be off by one multiple
// of P, since v/P is rounded.
func reduce(v float64) float64 {
	v -= float64(math.Floor(v*(1.0/P)) * P)
	if v < 0 {
		v += P
	}
	if v >= P {
		v -= P
	}
	return v
}
