package testlapack

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Complete is all that a backend of package lapack has to do with matrices.
type Complete interface {
	Symmetric
	Symmetric32
	Singular
	Factorer
	MaxOrder() int
}

// NonFiniteTest checks that a NaN or an infinity where a method reads is an error, with
// errors.Is(err, notFinite), and that a symmetric matrix that is reported intact is.
func NonFiniteTest(t *testing.T, b Complete, notFinite error) {
	const m, n = 9, 6
	places := [][2]int{{0, 0}, {0, n - 1}, {2, 2}, {2, 4}, {n - 1, n - 1}}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for _, at := range places {
			rng := rand.New(rand.NewPCG(6, 7))
			a := fill(m*n, func(int) float64 { return rng.NormFloat64() })
			a[at[0]*n+at[1]] = bad
			a32 := make([]float32, len(a))
			for i, v := range a {
				a32[i] = float32(v)
			}
			was, was32 := slices.Clone(a), slices.Clone(a32)
			if intact, err := b.SymEigenvalues(n, a, n, make([]float64, n)); !errors.Is(err, notFinite) || intact && !same(a, was) {
				t.Errorf("SymEigenvalues, %v at %v: %v, intact %v", bad, at, err, intact)
			}
			if intact, err := b.SymEigenvalues32(n, a32, n, make([]float32, n)); !errors.Is(err, notFinite) || intact && !same(a32, was32) {
				t.Errorf("SymEigenvalues32, %v at %v: %v, intact %v", bad, at, err, intact)
			}
			if err := b.SingularValues(m, n, slices.Clone(was), n, make([]float64, n)); !errors.Is(err, notFinite) {
				t.Errorf("SingularValues, %v at %v: %v", bad, at, err)
			}
			if err := b.QR(m, n, slices.Clone(was), n); !errors.Is(err, notFinite) {
				t.Errorf("QR, %v at %v: %v", bad, at, err)
			}
		}
		// Larger orders may take another path.
		for _, n := range []int{130, 900} {
			a := fill(n*n, func(i int) float64 { return float64(i % 7) })
			a[(n/2)*n+n-1] = bad
			if _, err := b.SymEigenvalues(n, a, n, make([]float64, n)); !errors.Is(err, notFinite) {
				t.Errorf("SymEigenvalues, %v in a matrix of order %d: %v", bad, n, err)
			}
		}
	}
}

// EmptyTest checks that matrices without rows or columns are neither errors nor read.
func EmptyTest(t *testing.T, b Complete) {
	if intact, err := b.SymEigenvalues(0, nil, 1, nil); err != nil || !intact {
		t.Errorf("SymEigenvalues of order 0: intact %v, %v", intact, err)
	}
	if intact, err := b.SymEigenvalues32(0, nil, 1, nil); err != nil || !intact {
		t.Errorf("SymEigenvalues32 of order 0: intact %v, %v", intact, err)
	}
	for _, d := range [][2]int{{0, 0}, {0, 1}, {0, 5}, {1, 0}, {5, 0}} {
		m, n := d[0], d[1]
		if err := b.QR(m, n, nil, max(1, n)); err != nil {
			t.Errorf("QR of %dx%d: %v", m, n, err)
		}
		if err := b.SingularValues(m, n, nil, max(1, n), nil); err != nil {
			t.Errorf("SingularValues of %dx%d: %v", m, n, err)
		}
	}
}

// MisuseTest checks that wrong arguments panic before any memory is touched.
func MisuseTest(t *testing.T, b Complete) {
	a, w, a32, w32 := make([]float64, 16), make([]float64, 4), make([]float32, 16), make([]float32, 4)
	for name, f := range map[string]func(){
		"short matrix":         func() { b.SymEigenvalues(5, a, 5, make([]float64, 5)) },
		"short stride":         func() { b.SymEigenvalues(4, a, 3, w) },
		"few eigenvalues":      func() { b.SymEigenvalues(4, a, 4, w[:3]) },
		"negative order":       func() { b.SymEigenvalues(-1, a, 1, w) },
		"short float32 matrix": func() { b.SymEigenvalues32(5, a32, 5, w32) },
		"short general matrix": func() { b.SingularValues(5, 4, a, 4, w) },
		"short general stride": func() { b.SingularValues(4, 4, a, 3, w) },
		"short matrix for QR":  func() { b.QR(5, 4, a, 4) },
		"order beyond 32 bits": func() { b.SymEigenvalues(1<<32, nil, 1<<32, nil) },
		"order beyond limit":   func() { b.SymEigenvalues(b.MaxOrder()+1, nil, b.MaxOrder()+1, nil) },
		"float32 beyond limit": func() { b.SymEigenvalues32(b.MaxOrder()+1, nil, b.MaxOrder()+1, nil) },
		"few eigenvalues, 32":  func() { b.SymEigenvalues32(4, a32, 4, w32[:3]) },
		"few singular values":  func() { b.SingularValues(4, 4, a, 4, w[:3]) },
		"negative dimension":   func() { b.QR(-1, 4, a, 4) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
