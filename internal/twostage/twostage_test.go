//go:build cgo

package twostage

import (
	"errors"
	"fmt"
	"math"
	"math/rand"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// gram returns WᵀW/n for an m×n Gaussian W, row-major.
func gram(n, m int, rng *rand.Rand) []float64 {
	w := mat.NewDense(m, n, nil)
	for i := 0; i < m; i++ {
		for j := 0; j < n; j++ {
			w.Set(i, j, rng.NormFloat64()/math.Sqrt(float64(n)))
		}
	}
	var g mat.Dense
	g.Mul(w.T(), w)
	return g.RawMatrix().Data
}

// symmetric returns a random symmetric matrix with entries in [-1,1].
func symmetric(n int, rng *rand.Rand) []float64 {
	a := make([]float64, n*n)
	for i := 0; i < n; i++ {
		for j := i; j < n; j++ {
			a[i*n+j] = 2*rng.Float64() - 1
			a[j*n+i] = a[i*n+j]
		}
	}
	return a
}

// reference computes the eigenvalues with gonum, ascending.
func reference(n int, a []float64) []float64 {
	var e mat.EigenSym
	if !e.Factorize(mat.NewSymDense(n, append([]float64(nil), a...)), false) {
		panic("gonum did not converge")
	}
	return e.Values(nil)
}

// poison copies a with leading dimension lda and NaN below the diagonal and in
// the padding, which must never be read.
func poison(n, lda int, a []float64) []float64 {
	b := make([]float64, n*lda)
	for i := range b {
		b[i] = math.NaN()
	}
	for i := 0; i < n; i++ {
		copy(b[i*lda+i:i*lda+n], a[i*n+i:i*n+n])
	}
	return b
}

// compare fails unless |got-want| <= tol·eps·‖A‖ for every eigenvalue.
func compare(t *testing.T, got, want []float64, eps, tol float64) {
	t.Helper()
	norm := 0.0
	for _, x := range want {
		norm = math.Max(norm, math.Abs(x))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= tol*eps*norm) {
			t.Fatalf("eigenvalue %d of %d: got %v, want %v (%.3g eps norm)", i, len(want),
				got[i], want[i], math.Abs(got[i]-want[i])/(eps*norm))
		}
		if i > 0 && got[i] < got[i-1] {
			t.Fatalf("not ascending at %d: %v after %v", i, got[i], got[i-1])
		}
	}
}

func solve64(t *testing.T, set Set, n int, a []float64, threads int) []float64 {
	t.Helper()
	w := make([]float64, n)
	if err := set.Eigenvalues64(n, poison(n, n+3, a), n+3, w, threads); err != nil {
		t.Fatal(err)
	}
	return w
}

func solve32(t *testing.T, set Set, n int, a []float64, threads int) []float64 {
	t.Helper()
	f := make([]float32, n*n)
	for i, x := range a {
		f[i] = float32(x)
	}
	w := make([]float32, n)
	if err := set.Eigenvalues32(n, f, n, w, threads); err != nil {
		t.Fatal(err)
	}
	out := make([]float64, n)
	for i, x := range w {
		out[i] = float64(x)
	}
	return out
}

// unlessShort returns the numbers, without those given first if tests are short, as in
// scripts/check-arm64.sh, where an emulator makes them slow. Orders above 800, of which all
// sets take the path in two stages, remain for the fastest set: the portable one runs on any
// other processor as well.
func unlessShort(set Set, left []int, numbers ...int) []int {
	if testing.Short() {
		numbers = slices.DeleteFunc(slices.Clone(numbers), func(n int) bool {
			return slices.Contains(left, n) || n > 800 && set != Sets()[0]
		})
	}
	return numbers
}

// eachSet runs f once for every kernel set of this build and machine.
func eachSet(t *testing.T, f func(t *testing.T, set Set)) {
	for _, set := range Sets() {
		t.Run("simd="+set.String(), func(t *testing.T) { f(t, set) })
	}
}

func TestAgainstGonum(t *testing.T) {
	sizes := []int{1, 2, 3, 4, 7, 8, 11, 12, 13, 23, 24, 25, 47, 48, 49, 95, 96, 97, 127, 130, 200, 257, 385, 577, 833}
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewSource(1))
		for _, n := range unlessShort(set, []int{257, 385, 577}, sizes...) {
			for name, a := range map[string][]float64{
				"gram":      gram(n, n+n/2+1, rng),
				"deficient": gram(n, n/3+1, rng),
				"symmetric": symmetric(n, rng),
			} {
				if testing.Short() && n > 800 && name != "gram" {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d", name, n), func(t *testing.T) {
					want := reference(n, a)
					tol := 10 + 2*math.Sqrt(float64(n))*4
					compare(t, solve64(t, set, n, a, 1), want, 0x1p-52, tol)
					compare(t, solve32(t, set, n, a, 1), want, 0x1p-23, tol)
				})
			}
		}
	})
}

// The second-difference matrix has the eigenvalues 2-2cos(jπ/(n+1)).
func TestToeplitz(t *testing.T) {
	eachSet(t, func(t *testing.T, set Set) {
		for _, n := range unlessShort(set, []int{300, 600}, 5, 64, 300, 600, 900) {
			a, want := make([]float64, n*n), make([]float64, n)
			for i := 0; i < n; i++ {
				a[i*n+i] = 2
				if i+1 < n {
					a[i*n+i+1], a[(i+1)*n+i] = -1, -1
				}
				want[i] = 2 - 2*math.Cos(float64(i+1)*math.Pi/float64(n+1))
			}
			compare(t, solve64(t, set, n, a, 1), want, 0x1p-52, 40+float64(n)/8)
		}
	})
}

// J (all ones) has one eigenvalue n and the rest 0; diagonal, identity and
// zero matrices must come back exactly.
func TestDegenerate(t *testing.T) {
	eachSet(t, func(t *testing.T, set Set) {
		for _, n := range unlessShort(set, []int{560, 850}, 1, 2, 3, 50, 97, 560, 850) {
			ones, diag, zero := make([]float64, n*n), make([]float64, n*n), make([]float64, n*n)
			wantJ, wantD := make([]float64, n), make([]float64, n)
			for i := range ones {
				ones[i] = 1
			}
			wantJ[n-1] = float64(n)
			for i := 0; i < n; i++ {
				diag[i*n+i] = float64((i*7)%n) + 1
			}
			for i, d := range reference(n, diag) {
				wantD[i] = d
			}
			compare(t, solve64(t, set, n, ones, 1), wantJ, 0x1p-52, 100)
			compare(t, solve64(t, set, n, diag, 1), wantD, 0x1p-52, 0)
			compare(t, solve64(t, set, n, zero, 1), make([]float64, n), 0x1p-52, 0)
		}
	})
}

// Norms at both ends of the exponent range.
func TestScaling(t *testing.T) {
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewSource(3))
		for _, n := range unlessShort(set, []int{600, 850}, 3, 40, 600, 850) {
			a := symmetric(n, rng)
			want := solve64(t, set, n, a, 1)
			for _, f := range []float64{0x1p-1030, 0x1p-1000, 0x1p-500, 0x1p500, 0x1p1010} {
				b, wf := make([]float64, n*n), make([]float64, n)
				for i := range a {
					b[i] = a[i] * f
				}
				for i := range want {
					wf[i] = want[i] * f
				}
				tol := 60.0
				if f < 0x1p-1020 { // the input itself lost bits
					tol = 1e4
				}
				compare(t, solve64(t, set, n, b, 1), wf, 0x1p-52, tol)
			}
		}
	})
}

// The number of threads must not change a single bit.
func TestThreadsDeterministic(t *testing.T) {
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewSource(4))
		for _, n := range unlessShort(set, []int{600, 1100}, 600, 810, 1100) {
			a := gram(n, n+10, rng)
			w1, f1 := solve64(t, set, n, a, 1), solve32(t, set, n, a, 1)
			for _, threads := range unlessShort(set, []int{3, 4}, 2, 3, 4) {
				w2, f2 := solve64(t, set, n, a, threads), solve32(t, set, n, a, threads)
				for i := range w1 {
					if w1[i] != w2[i] || f1[i] != f2[i] {
						t.Fatalf("n=%d threads=%d: eigenvalue %d differs", n, threads, i)
					}
				}
			}
		}
	})
}

// Goroutines share nothing but the pool.
func TestConcurrent(t *testing.T) {
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewSource(5))
		a := gram(150, 160, rng)
		want := solve64(t, set, 150, a, 1)
		errs := make(chan error, 8)
		for g := 0; g < 8; g++ {
			go func() {
				for r := 0; r < 20; r++ {
					w := make([]float64, 150)
					b := append([]float64(nil), a...)
					if err := set.Eigenvalues64(150, b, 150, w, 1); err != nil {
						errs <- err
						return
					}
					for i := range w {
						if w[i] != want[i] {
							errs <- fmt.Errorf("eigenvalue %d differs", i)
							return
						}
					}
				}
				errs <- nil
			}()
		}
		for g := 0; g < 8; g++ {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}

// TestNonFinite: a NaN or an infinity anywhere in the upper triangle is an error, and
// what lies below it is not read.
func TestNonFinite(t *testing.T) {
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewSource(6))
		for _, n := range []int{1, 2, 3, 30, 600} {
			for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				for _, at := range [][2]int{{0, 0}, {0, n - 1}, {n / 2, n / 2}, {n / 2, n - 1}, {n - 1, n - 1}} {
					a, w := symmetric(n, rng), make([]float64, n)
					a[at[0]*n+at[1]] = bad
					if err := set.Eigenvalues64(n, a, n, w, 2); !errors.Is(err, ErrNotFinite) {
						t.Errorf("%v at %v of order %d: %v", bad, at, n, err)
					}
					a32, w32 := make([]float32, n*n), make([]float32, n)
					for i, v := range a {
						a32[i] = float32(v)
					}
					if err := set.Eigenvalues32(n, a32, n, w32, 2); !errors.Is(err, ErrNotFinite) {
						t.Errorf("float32: %v at %v of order %d: %v", bad, at, n, err)
					}
				}
			}
		}
	})
}

func TestResult(t *testing.T) {
	if err := result(0); err != nil {
		t.Error(err)
	}
	if err := result(3); !errors.Is(err, ErrNotConverged) {
		t.Error(err)
	}
}

func TestSets(t *testing.T) {
	sets := Sets()
	if got := sets[len(sets)-1]; got != 0 {
		t.Errorf("the last set is %v", got)
	}
	for _, set := range sets {
		if got, ok := Find(set.String()); !ok || got != set {
			t.Errorf("Find(%v) = %v, %v", set, got, ok)
		}
	}
	if _, ok := Find("nosuch"); ok {
		t.Error("an unknown set is found")
	}
}

func TestArguments(t *testing.T) {
	w, w32 := make([]float64, 4), make([]float32, 4)
	if err := Set(0).Eigenvalues64(0, nil, 1, nil, 1); err != nil {
		t.Error(err)
	}
	if err := Set(0).Eigenvalues32(0, nil, 1, nil, 1); err != nil {
		t.Error(err)
	}
	for name, f := range map[string]func(){
		"negative order":   func() { Set(0).Eigenvalues64(-1, nil, 1, w, 1) },
		"large order":      func() { Set(0).Eigenvalues64(MaxOrder+1, nil, MaxOrder+1, w, 1) },
		"short matrix":     func() { Set(0).Eigenvalues64(4, make([]float64, 15), 4, w, 1) },
		"short stride":     func() { Set(0).Eigenvalues64(4, make([]float64, 16), 3, w, 1) },
		"long stride":      func() { Set(0).Eigenvalues64(1, make([]float64, 16), 1<<32, w, 1) },
		"few eigenvalues":  func() { Set(0).Eigenvalues64(4, make([]float64, 16), 4, w[:3], 1) },
		"short, float32":   func() { Set(0).Eigenvalues32(4, make([]float32, 15), 4, w32, 1) },
		"negative float32": func() { Set(0).Eigenvalues32(-1, nil, 1, w32, 1) },
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

func BenchmarkEigenvalues64(b *testing.B) {
	for _, n := range []int{128, 256, 384, 896, 2048} {
		a := gram(n, n, rand.New(rand.NewSource(1)))
		w := make([]float64, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for i := 0; i < b.N; i++ {
				if err := Sets()[0].Eigenvalues64(n, a, n, w, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
