package intgram

import (
	"math/rand/v2"
	"testing"
)

// TestGuards: no set writes before or behind the result, or to its lower triangle and
// padding, and none reads codes outside of q: those there would change the sums.
func TestGuards(t *testing.T) {
	const room = 64
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewPCG(13, 14))
		for k := 1; k <= 40; k++ {
			for _, trans := range []bool{false, true} {
				m := 1 + (7*k)%40
				ldq := m
				if trans {
					ldq = k
				}
				q, q16 := make([]int8, k*m+2*room), make([]int16, k*m+2*room)
				for i := range q {
					q[i], q16[i] = 77, 7777
				}
				copy(q[room:], codes(rng, "uniform", k*m, 50))
				copy(q16[room:], elements[int16](rng, "uniform", k*m, 500))
				guard(t, k, func(c []float64, ldc int) {
					set.syrk(trans, k, m, q[room:room+k*m], ldq, 50, c, ldc, new(Workspace))
				}, func(c []float64, ldc int) {
					syrkGeneric(trans, k, m, q[room:room+k*m], ldq, c, ldc, new(Workspace))
				})
				guard(t, k, func(c []float64, ldc int) {
					set.syrk16(trans, k, m, q16[room:room+k*m], ldq, c, ldc, new(Workspace))
				}, func(c []float64, ldc int) { syrk16Generic(trans, k, m, q16[room:room+k*m], ldq, c, ldc) })
			}
		}
	})
}

// guard compares two products of order k, and what lies around their results.
func guard(t *testing.T, k int, product, generic func(c []float64, ldc int)) {
	t.Helper()
	const room = 64
	ldc := k + 3
	n := (k-1)*ldc + k
	got, want := make([]float64, n+2*room), make([]float64, n+2*room)
	for i := range got {
		got[i], want[i] = 77, 77
	}
	product(got[room:room+n], ldc)
	generic(want[room:room+n], ldc)
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("order %d: element %d: got %v, want %v", k, i-room, got[i], want[i])
		}
	}
}
