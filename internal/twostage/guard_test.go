//go:build cgo

package twostage

import (
	"math/rand"
	"slices"
	"testing"
)

// TestGuards: no set writes to the matrix, or before or behind the eigenvalues.
func TestGuards(t *testing.T) {
	const room, junk = 16, 77
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewSource(7))
		for _, n := range append(unlessShort(set, []int{450, 710}, 450, 710, 810), orders(40)...) {
			a := symmetric(n, rng)
			a32 := make([]float32, len(a))
			for i, v := range a {
				a32[i] = float32(v)
			}
			was, was32 := slices.Clone(a), slices.Clone(a32)
			w, w32 := make([]float64, n+2*room), make([]float32, n+2*room)
			for i := range w {
				w[i], w32[i] = junk, junk
			}
			if err := set.Eigenvalues64(n, a, n, w[room:room+n], 2); err != nil {
				t.Fatal(err)
			}
			if err := set.Eigenvalues32(n, a32, n, w32[room:room+n], 2); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(a, was) || !slices.Equal(a32, was32) {
				t.Errorf("the matrix of order %d is written to", n)
			}
			for i := range w {
				if (i < room || i >= room+n) && (w[i] != junk || w32[i] != junk) {
					t.Errorf("order %d: %v and %v at eigenvalue %d", n, w[i], w32[i], i-room)
				}
			}
		}
	})
}

// orders returns 1 to n.
func orders(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i + 1
	}
	return all
}
