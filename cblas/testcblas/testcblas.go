// Package testcblas is the conformance suite that every backend of package cblas
// runs.
package testcblas

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
)

// Syrk64 is what DsyrkTest needs of a backend.
type Syrk64 interface {
	Dsyrk(ul blas.Uplo, t blas.Transpose, n, k int, alpha float64, a []float64, lda int, beta float64, c []float64, ldc int)
}

// DsyrkTest compares with sums of products in float64.
func DsyrkTest(t *testing.T, b Syrk64) {
	const eps = 0x1p-52
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		return x
	}
	for _, d := range [][2]int{{0, 3}, {1, 1}, {1, 7}, {3, 0}, {3, 4}, {31, 33}, {64, 64}, {65, 129}, {200, 17}} {
		n, k := d[0], d[1]
		for _, ul := range []blas.Uplo{blas.Upper, blas.Lower} {
			for _, tr := range []blas.Transpose{blas.NoTrans, blas.Trans} {
				for _, coef := range [][2]float64{{1, 0}, {1, 1}, {-0.5, 2}, {0, 1}} {
					rows, cols := n, k
					if tr == blas.Trans {
						rows, cols = k, n
					}
					lda, ldc := max(1, cols)+2, max(1, n)+3
					a, c := random(rows*lda), random(n*ldc)
					got := slices.Clone(c)
					b.Dsyrk(ul, tr, n, k, coef[0], a, lda, coef[1], got, ldc)
					for i := range n {
						for j := range ldc {
							inside := j < n && (ul == blas.Upper && j >= i || ul == blas.Lower && j <= i)
							if !inside {
								if got[i*ldc+j] != c[i*ldc+j] {
									t.Fatalf("%c%c n=%d k=%d: wrote outside the triangle at %d,%d", ul, tr, n, k, i, j)
								}
								continue
							}
							sum, mag := 0.0, 0.0
							for l := range k {
								var x, y float64
								if tr == blas.Trans {
									x, y = a[l*lda+i], a[l*lda+j]
								} else {
									x, y = a[i*lda+l], a[j*lda+l]
								}
								sum += x * y
								mag += math.Abs(x * y)
							}
							want := coef[0]*sum + coef[1]*c[i*ldc+j]
							bound := eps * float64(k+4) * (mag + math.Abs(c[i*ldc+j])*2 + 1)
							if g := got[i*ldc+j]; !(math.Abs(g-want) <= bound) {
								t.Fatalf("%c%c n=%d k=%d alpha=%v beta=%v: element %d,%d = %v, want %v", ul, tr, n, k, coef[0], coef[1], i, j, g, want)
							}
						}
					}
				}
			}
		}
	}
}

// Gemm64 is what DgemmTest needs of a backend.
type Gemm64 interface {
	Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int)
}

// DgemmTest compares with sums of products. Elements are small integers, so
// results are exact.
func DgemmTest(t *testing.T, b Gemm64) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, d := range [][3]int{{0, 1, 1}, {1, 1, 1}, {3, 4, 0}, {3, 4, 5}, {33, 65, 64}, {70, 1, 9}} {
		m, n, k := d[0], d[1], d[2]
		for _, tA := range []blas.Transpose{blas.NoTrans, blas.Trans} {
			for _, tB := range []blas.Transpose{blas.NoTrans, blas.Trans} {
				random := func(rows, cols, pad int) ([]float64, int) {
					x := make([]float64, max(1, rows)*(max(1, cols)+pad))
					for i := range x {
						x[i] = float64(rng.IntN(9) - 4)
					}
					return x, max(1, cols) + pad
				}
				ra, ca, rb, cb := m, k, k, n
				if tA == blas.Trans {
					ra, ca = k, m
				}
				if tB == blas.Trans {
					rb, cb = n, k
				}
				x, lda := random(ra, ca, 1)
				y, ldb := random(rb, cb, 2)
				c, ldc := random(m, n, 3)
				got := slices.Clone(c)
				b.Dgemm(tA, tB, m, n, k, -1, x, lda, y, ldb, 2, got, ldc)
				for i := range m {
					for j := range ldc {
						want := c[i*ldc+j]
						if j < n {
							want *= 2
							for l := range k {
								p, q := i*lda+l, l*ldb+j
								if tA == blas.Trans {
									p = l*lda + i
								}
								if tB == blas.Trans {
									q = j*ldb + l
								}
								want -= x[p] * y[q]
							}
						}
						if got[i*ldc+j] != want {
							t.Fatalf("%c%c %dx%dx%d: element %d,%d = %v, want %v", tA, tB, m, n, k, i, j, got[i*ldc+j], want)
						}
					}
				}
			}
		}
	}
}

// MisuseTest checks that wrong arguments panic before any memory is touched.
func MisuseTest(t *testing.T, b interface {
	Syrk64
	Gemm64
}) {
	a, c := make([]float64, 12), make([]float64, 9)
	for name, f := range map[string]func(){
		"short A":        func() { b.Dsyrk(blas.Upper, blas.Trans, 3, 5, 1, a, 3, 0, c, 3) },
		"short C":        func() { b.Dsyrk(blas.Upper, blas.Trans, 3, 4, 1, a, 3, 0, c[:8], 3) },
		"short stride A": func() { b.Dsyrk(blas.Upper, blas.Trans, 3, 4, 1, a, 2, 0, c, 3) },
		"short stride C": func() { b.Dsyrk(blas.Upper, blas.Trans, 3, 4, 1, a, 3, 0, c, 2) },
		"negative":       func() { b.Dsyrk(blas.Upper, blas.Trans, -1, 4, 1, a, 3, 0, c, 3) },
		"bad triangle":   func() { b.Dsyrk('X', blas.Trans, 3, 4, 1, a, 3, 0, c, 3) },
		"short A, gemm":  func() { b.Dgemm(blas.NoTrans, blas.NoTrans, 3, 3, 5, 1, a, 5, a, 3, 0, c, 3) },
		"short C, gemm":  func() { b.Dgemm(blas.NoTrans, blas.NoTrans, 4, 3, 3, 1, a, 3, a, 3, 0, c, 3) },
		"negative, gemm": func() { b.Dgemm(blas.NoTrans, blas.NoTrans, -1, 3, 3, 1, a, 3, a, 3, 0, c, 3) },
		"transpose A":    func() { b.Dgemm('X', blas.NoTrans, 3, 3, 3, 1, a, 3, a, 3, 0, c, 3) },
		"short stride B": func() { b.Dgemm(blas.NoTrans, blas.NoTrans, 3, 3, 3, 1, a, 3, a, 2, 0, c, 3) },
		"bad transpose":  func() { b.Dsyrk(blas.Upper, 'X', 3, 4, 1, a, 3, 0, c, 3) },
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
