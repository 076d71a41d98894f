package spectrum

import (
	"cmp"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// chained returns a matrix of small integers of full rank whose smallest singular
// value is about 2^-26 of the largest: each of the first 26 columns is taken from the
// next one twice. long is its larger side, and it is laid out with long rows or columns.
func chained(rows, cols, most int) []float32 {
	const chain = 26
	long, short := max(rows, cols), min(rows, cols)
	w := random(31, long*short, func(g *rand.Rand) float64 { return float64(g.IntN(2*most+1) - most) })
	for i := range long {
		row := w[i*short:][:short]
		for j := chain - 1; j > 0; j-- {
			row[j] -= 2 * row[j-1]
		}
	}
	if rows == long {
		return w
	}
	t := make([]float32, len(w))
	for i := range long {
		for j := range short {
			t[j*long+i] = w[i*short+j]
		}
	}
	return t
}

// TestSingularValues: singular values that the Gram matrix cannot tell from zero are
// computed from the weights themselves, of more than one panel and more rows than the
// stack holds, and come out to 1e-12 of the largest whatever the weights are read as.
func TestSingularValues(t *testing.T) {
	defer cblas.LimitThreads(1)()
	for name, s := range solvers(t) {
		for _, d := range [][2]int{{3000, 40}, {40, 3000}} {
			rows, cols := d[0], d[1]
			w := chained(rows, cols, 40)
			want := svd(w, rows, cols)
			plain := matrix(w, rows, cols, nil)
			const step = 0.0625
			float64s := wide{plain, func(dst []float64, first, count int) {
				f := make([]float32, len(dst))
				plain.Panel(f, first, count)
				for i, v := range f {
					dst[i] = float64(v)
				}
			}}
			for way, m := range map[string]Matrix{
				"float32": plain, "float64": float64s, "int8": integers{plain, step, 120}, "int16": integers{plain, step, 200},
			} {
				unit := 1.0
				if im, ok := m.(IntMatrix); ok {
					unit = im.Unit()
				}
				got, err := s.Compute(&Workspace{}, m)
				if err != nil {
					t.Errorf("%s %s %v: %v", name, way, d, err)
					continue
				}
				if got.Method != SVD {
					t.Errorf("%s %s %v: by %s", name, way, d, got.Method)
				}
				top := want[len(want)-1]
				if !(want[0] < 1e-7*top && want[0] > 1e-10*top) {
					t.Fatalf("smallest singular value %g of %g", want[0], top)
				}
				for i := range want {
					if e := math.Abs(got.Sigma[i]/unit - want[i]); !(e <= 1e-12*top) {
						t.Errorf("%s %s %v: singular value %d = %v, want %v", name, way, d, i, got.Sigma[i]/unit, want[i])
						break
					}
				}
			}
		}
	}
}

// TestTrace: the sum of the eigenvalues and that of the squares agree far within the
// tolerance, also where all roundings have one sign, as in constant matrices.
func TestTrace(t *testing.T) {
	defer cblas.LimitThreads(1)()
	for name, s := range solvers(t) {
		for kind, value := range map[string]func(g *rand.Rand, i, j int) float64{
			"constant":   func(*rand.Rand, int, int) float64 { return 0.1 },
			"two values": func(g *rand.Rand, _, _ int) float64 { return 0.1 + 0.2*float64(g.IntN(2)) },
			"signs":      func(g *rand.Rand, _, _ int) float64 { return 0.1 - 0.2*float64(g.IntN(2)) },
			"mask":       func(_ *rand.Rand, i, j int) float64 { return 0.7 * float64(max(0, min(1, i-j+1))) },
			"far from 0": func(g *rand.Rand, _, _ int) float64 { return 5 + g.Float64() },
			"gaussian":   func(g *rand.Rand, _, _ int) float64 { return 0.02 * g.NormFloat64() },
		} {
			for _, d := range [][2]int{{400, 400}, {300, 1500}} {
				g := rand.New(rand.NewPCG(41, 42))
				w := make([]float32, d[0]*d[1])
				for i := range w {
					w[i] = float32(value(g, i/d[1], i%d[1]))
				}
				got, err := s.Compute(&Workspace{}, matrix(w, d[0], d[1], nil))
				if err != nil {
					t.Errorf("%s %s %v: %v", name, kind, d, err)
				} else if got.TraceError > 1e-13 {
					t.Errorf("%s %s %v: the trace is off by %.1e", name, kind, d, got.TraceError)
				}
			}
		}
	}
}

// A broken backend fails, or lies, in the routines that are set. What it leaves behind
// when it fails looks right, so that no later check finds an error that was lost. It is
// the same whether the solver asks for threads or not.
type broken struct {
	lapack.Backend
	double, single, svd, qr error
	scale                   float32 // of eigenvalues in float32
}

func (b broken) SymEigenvalues(n int, a []float64, lda int, w []float64) (bool, error) {
	intact, err := b.Backend.SymEigenvalues(n, a, lda, w)
	return intact, cmp.Or(err, b.double)
}

func (b broken) SymEigenvalues32(n int, a []float32, lda int, w []float32) (bool, error) {
	intact, err := b.Backend.SymEigenvalues32(n, a, lda, w)
	if b.scale != 0 {
		for i := range w {
			w[i] *= b.scale
		}
	}
	return intact, cmp.Or(err, b.single)
}

func (b broken) SingularValues(m, n int, a []float64, lda int, s []float64) error {
	return cmp.Or(b.Backend.SingularValues(m, n, a, lda, s), b.svd)
}

func (b broken) QR(m, n int, a []float64, lda int) error {
	return cmp.Or(b.Backend.QR(m, n, a, lda), b.qr)
}

// threaded is a broken backend that shares matrices among threads.
type threaded struct{ broken }

func (b threaded) SymEigenvaluesOn(_, n int, a []float64, lda int, w []float64) (bool, error) {
	return b.SymEigenvalues(n, a, lda, w)
}

func (b threaded) SymEigenvalues32On(_, n int, a []float32, lda int, w []float32) (bool, error) {
	return b.SymEigenvalues32(n, a, lda, w)
}

// bothWays runs f with a backend that takes threads and with one that does not.
func bothWays(t *testing.T, b broken, f func(t *testing.T, l lapack.Backend)) {
	t.Helper()
	t.Run("plain", func(t *testing.T) { f(t, b) })
	t.Run("threaded", func(t *testing.T) { f(t, threaded{b}) })
}

// TestFailures: each routine that does not converge is told: of float64 and singular
// values to the caller, of float32 by way of float64.
func TestFailures(t *testing.T) {
	blas, _ := cblas.Lookup("")
	eigen, _ := lapack.Lookup("")
	const rows, cols = 90, 40
	w := random(5, rows*cols, func(g *rand.Rand) float64 { return float64(g.IntN(201) - 100) })
	m := matrix(w, rows, cols, nil)
	whole := integers{m, 0.5, 100}
	deficient := matrix(chained(3000, 40, 40), 3000, 40, nil)
	for name, tc := range map[string]struct {
		b broken
		m Matrix
	}{
		"float64 eigenvalues":     {broken{Backend: eigen, double: lapack.ErrNotConverged}, m},
		"eigenvalues of integers": {broken{Backend: eigen, double: lapack.ErrNotConverged}, whole},
		"singular values":         {broken{Backend: eigen, svd: lapack.ErrNotConverged}, deficient},
		"QR":                      {broken{Backend: eigen, qr: lapack.ErrNotConverged}, deficient},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, tc.b, func(t *testing.T, l lapack.Backend) {
				s := &Solver{BLAS: blas, LAPACK: l}
				if sp, err := s.Compute(&Workspace{}, tc.m); !errors.Is(err, lapack.ErrNotConverged) || sp != nil {
					t.Errorf("spectrum %v, error %v", sp, err)
				}
			})
		})
	}
	// What float32 gives is not used if the solver failed, or is off by more than rounding:
	// by 3e-5 of all, where sums of eigenvalues are trusted to 1e-5.
	for name, tc := range map[string]struct {
		b    broken
		used bool
	}{
		"float32":                   {broken{Backend: eigen}, true},
		"float32 within rounding":   {broken{Backend: eigen, scale: 1 + 3e-6}, true},
		"float32 beyond rounding":   {broken{Backend: eigen, scale: 1 + 3e-5}, false},
		"float32 below by as much":  {broken{Backend: eigen, scale: 1 - 3e-5}, false},
		"float32 does not converge": {broken{Backend: eigen, single: lapack.ErrNotConverged}, false},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, tc.b, func(t *testing.T, l lapack.Backend) {
				for _, way := range []struct {
					m      Matrix
					method Method
				}{{m, GramFloat32}, {whole, GramFloat32}} {
					want, err := (&Solver{BLAS: blas, LAPACK: eigen}).Compute(&Workspace{}, way.m)
					if err != nil {
						t.Fatal(err)
					}
					got, err := (&Solver{BLAS: blas, LAPACK: l, Precision: Single}).Compute(&Workspace{}, way.m)
					if err != nil {
						t.Fatal(err)
					}
					if (got.Method == way.method) != tc.used || !tc.used && got.Method != Gram {
						t.Errorf("by %s", got.Method)
					}
					tolerance := 1e-5
					if !tc.used {
						tolerance = 1e-14
					}
					for i := range want.Lambda {
						if e := math.Abs(got.Lambda[i] - want.Lambda[i]); e > tolerance*want.Lambda[cols-1] {
							t.Errorf("eigenvalue %d = %v by %s, want %v", i, got.Lambda[i], got.Method, want.Lambda[i])
							break
						}
					}
				}
			})
		})
	}
}
