package modp

import "testing"

// TestGuards: no loop of any set writes before or behind what it is given, or between
// rows.
func TestGuards(t *testing.T) {
	const room, junk = 16, -5.0
	for _, set := range Sets() {
		for n := 1; n <= 40; n++ {
			all := make([]float64, n+2*room)
			for i := range all {
				all[i] = junk
			}
			set.reduce(all[room : room+n])
			for i, v := range all {
				if inside := i >= room && i < room+n; inside != (v == P+junk) {
					t.Fatalf("%v: reduce of %d elements leaves %v at %d", set, n, v, i-room)
				}
			}
			const rows, ldc = 3, 2
			lda := n + 3
			a, c := make([]float64, 2*room+rows*lda), make([]float64, 2*room+rows*ldc)
			for i := range a {
				a[i] = junk
			}
			for i := range c {
				c[i] = junk
			}
			pivot := make([]float64, n)
			for i := range rows {
				for j := range n {
					a[room+i*lda+j], pivot[j] = 1, 1
				}
			}
			set.eliminate(a[room:], lda, rows, n, pivot, 1, c[room:], ldc)
			for i, v := range a {
				at := i - room
				if inside := at >= 0 && at < rows*lda && at%lda < n; inside != (v == 0) {
					t.Fatalf("%v: eliminate of %d columns leaves %v at %d", set, n, v, at)
				}
			}
			for i, v := range c {
				at := i - room
				if inside := at >= 0 && at < rows*ldc && at%ldc == 0; inside != (v == 1) {
					t.Fatalf("%v: eliminate of %d columns leaves factor %v at %d", set, n, v, at)
				}
			}
		}
	}
}
