package intgram

// The specification of the products. Syrk and Syrk16 check the arguments.

// genericSlab is how much of the long dimension syrkGeneric takes at a time:
// slab * 127 * 127 is below 2^31, and a slab of a few rows fits in a cache.
const genericSlab = 4096

func syrkGeneric(trans bool, k, m int, q []int8, ldq int, c []float64, ldc int, ws *Workspace) {
	for from := 0; from < m; from += genericSlab {
		n := min(genericSlab, m-from)
		part, stride := q, ldq
		if trans {
			// The elements of a column must lie together.
			part, stride = ws.aligned(k*n, 1), n
			for l := range n {
				for i, v := range q[(from+l)*ldq:][:k] {
					part[i*n+l] = v
				}
			}
		} else {
			part = q[from:]
		}
		for i := range k {
			a := part[i*stride:][:n]
			row := c[i*ldc:][:k]
			for j := i; j < k; j++ {
				b := part[j*stride:][:n]
				var s0, s1 int32
				l := 0
				for ; l+2 <= len(a) && l+2 <= len(b); l += 2 {
					s0 += int32(a[l]) * int32(b[l])
					s1 += int32(a[l+1]) * int32(b[l+1])
				}
				if l < n {
					s0 += int32(a[l]) * int32(b[l])
				}
				row[j] += float64(s0 + s1)
			}
		}
	}
}

func syrk16Generic(trans bool, k, m int, q []int16, ldq int, c []float64, ldc int) {
	row, col := ldq, 1 // the distance of two vectors, and of the elements of one
	if trans {
		row, col = 1, ldq
	}
	for i := range k {
		for j := i; j < k; j++ {
			sum := int64(0)
			for l := range m {
				sum += int64(q[i*row+l*col]) * int64(q[j*row+l*col])
			}
			c[i*ldc+j] += float64(sum)
		}
	}
}
