package spectrum

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// counted counts how often a matrix is read.
type counted struct {
	Dense
	passes *int
}

func (c counted) Panel(dst []float32, first, count int) {
	if first == 0 {
		*c.passes++
	}
	c.Dense.Panel(dst, first, count)
}

// matrix makes a Matrix of weights and counts its passes, unless that is nil.
func matrix(w []float32, rows, cols int, passes *int) Matrix {
	if passes == nil {
		passes = new(int)
	}
	return counted{Dense{rows, cols, w}, passes}
}

// integers is a matrix of integers times a unit.
type integers struct {
	Matrix
	unit float64
	max  int
}

func (m integers) Unit() float64 { return m.unit }
func (m integers) Max() int      { return m.max }

func (m integers) Panel8(dst []int8, first, count int) float64 {
	return fillIntegers(m.Matrix, dst, first, count)
}

func (m integers) Panel16(dst []int16, first, count int) float64 {
	return fillIntegers(m.Matrix, dst, first, count)
}

func fillIntegers[T int8 | int16](m Matrix, dst []T, first, count int) (squares float64) {
	f := make([]float32, len(dst))
	m.Panel(f, first, count)
	for i, v := range f {
		dst[i] = T(v)
		squares += float64(v) * float64(v)
	}
	return squares
}

// wide is a matrix of float64 numbers.
type wide struct {
	Matrix
	panel func(dst []float64, first, count int)
}

func (m wide) Panel64(dst []float64, first, count int) { m.panel(dst, first, count) }

// solvers returns one solver for each backend.
func solvers(t *testing.T) map[string]*Solver {
	t.Helper()
	all := map[string]*Solver{}
	for _, name := range lapack.Names() {
		l, err := lapack.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := cblas.Lookup(name)
		if err != nil {
			b, _ = cblas.Lookup("")
		}
		all[name] = &Solver{BLAS: b, LAPACK: l}
	}
	return all
}

func random(seed uint64, n int, f func(*rand.Rand) float64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 3))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(f(rng))
	}
	return w
}

// svd returns singular values by gonum, ascending.
func svd(w []float32, rows, cols int) []float64 {
	a := make([]float64, len(w))
	for i, v := range w {
		a[i] = float64(v)
	}
	var s mat.SVD
	if !s.Factorize(mat.NewDense(rows, cols, a), mat.SVDNone) {
		panic("no singular values")
	}
	v := s.Values(nil)
	slices.Reverse(v)
	return v
}

// TestAgainstSVD compares all backends with gonum's singular values, over shapes
// on both sides of the panel length and both orientations.
func TestAgainstSVD(t *testing.T) {
	defer cblas.LimitThreads(1)()
	for name, s := range solvers(t) {
		t.Run("backend="+name, func(t *testing.T) {
			var ws Workspace
			for _, d := range [][2]int{{1, 1}, {1, 40}, {40, 1}, {7, 7}, {30, 20}, {20, 30}, {33, 1100}, {1100, 33}, {130, 260}, {260, 130}, {129, 129}} {
				rows, cols := d[0], d[1]
				k := min(rows, cols)
				for kind, f := range map[string]func(*rand.Rand) float64{
					"gaussian": func(r *rand.Rand) float64 { return r.NormFloat64() },
					"heavy":    func(r *rand.Rand) float64 { return math.Pow(1-r.Float64(), -0.8) * float64(1-2*r.IntN(2)) },
					"ternary":  func(r *rand.Rand) float64 { return 0.25 * float64(int(r.Float64()*20)/19-int(r.Float64()*20)/19) },
				} {
					w := random(uint64(rows+cols), rows*cols, f)
					want := svd(w, rows, cols)
					got, err := s.Compute(&ws, matrix(w, rows, cols, nil))
					if err != nil {
						t.Fatalf("%s %dx%d: %v", kind, rows, cols, err)
					}
					top := want[k-1]
					for i := range want {
						if d := math.Abs(got.Lambda[i] - want[i]*want[i]); d > 10*float64(k)*0x1p-52*top*top {
							t.Errorf("%s %dx%d: eigenvalue %d = %v, want %v", kind, rows, cols, i, got.Lambda[i], want[i]*want[i])
						}
						if got.Method == SVD && math.Abs(got.Sigma[i]-want[i]) > 10*float64(k)*0x1p-52*top {
							t.Errorf("%s %dx%d: singular value %d = %v, want %v", kind, rows, cols, i, got.Sigma[i], want[i])
						}
					}
					if top > 0 && rank(got.Sigma, rows, cols) != rank(want, rows, cols) {
						t.Errorf("%s %dx%d: rank %d, want %d (by %s)", kind, rows, cols, rank(got.Sigma, rows, cols), rank(want, rows, cols), got.Method)
					}
				}
			}
		})
	}
}

func rank(sigma []float64, rows, cols int) int {
	n := 0
	for _, s := range sigma {
		if s > sigma[len(sigma)-1]*float64(max(rows, cols))*0x1p-52 {
			n++
		}
	}
	return n
}

// TestRankDeficient: products of thin matrices of small integers have exact
// float32 elements and known ranks, too small for the Gram route to see.
func TestRankDeficient(t *testing.T) {
	for name, s := range solvers(t) {
		for _, d := range [][3]int{{60, 60, 7}, {200, 60, 59}, {60, 200, 20}, {1500, 40, 13}, {40, 1500, 39}, {50, 50, 1}} {
			rows, cols, r := d[0], d[1], d[2]
			u := random(1, rows*r, func(g *rand.Rand) float64 { return float64(g.IntN(5) - 2) })
			v := random(2, r*cols, func(g *rand.Rand) float64 { return float64(g.IntN(5) - 2) })
			w := make([]float32, rows*cols)
			for i := range rows {
				for j := range cols {
					for l := range r {
						w[i*cols+j] += u[i*r+l] * v[l*cols+j]
					}
				}
			}
			passes := 0
			sp, err := s.Compute(&Workspace{}, matrix(w, rows, cols, &passes))
			if err != nil {
				t.Fatal(err)
			}
			if got := rank(sp.Sigma, rows, cols); got != r || sp.Method != GramRank || passes != 2 {
				t.Errorf("%s %dx%d: rank %d, want %d; by %s in %d passes", name, rows, cols, got, r, sp.Method, passes)
			}
		}
	}
}

// TestNearlyDeficient: a singular value of 1e-9 of the largest is no zero, and
// neither the Gram route nor the rank alone can tell its size.
func TestNearlyDeficient(t *testing.T) {
	for name, s := range solvers(t) {
		const rows, cols = 200, 40
		w := random(5, rows*cols, func(g *rand.Rand) float64 { return g.NormFloat64() })
		for i := range rows {
			// The last column is the first one, and a little of its own.
			w[i*cols+cols-1] = w[i*cols] * (1 + 1e-7*float32(i%3))
		}
		want := svd(w, rows, cols)
		sp, err := s.Compute(&Workspace{}, matrix(w, rows, cols, nil))
		if err != nil {
			t.Fatal(err)
		}
		if sp.Method != SVD || math.Abs(sp.Sigma[0]-want[0]) > 1e-13*want[cols-1] || rank(sp.Sigma, rows, cols) != cols {
			t.Errorf("%s: smallest singular value %g, want %g; by %s", name, sp.Sigma[0], want[0], sp.Method)
		}
	}
}

// TestSingle: eigenvalues in float32 are within half of the stated bound, also where
// all rounding errors are alike (a multiple of all ones plus one of the identity), and
// matrices whose ranks float32 cannot tell go through float64.
func TestSingle(t *testing.T) {
	defer cblas.LimitThreads(1)()
	kinds := map[string]func(r *rand.Rand, i, j int) float64{
		"gaussian":  func(r *rand.Rand, _, _ int) float64 { return r.NormFloat64() },
		"positive":  func(r *rand.Rand, _, _ int) float64 { return r.Float64() },
		"heavy":     func(r *rand.Rand, _, _ int) float64 { return math.Pow(1-r.Float64(), -0.6) * float64(1-2*r.IntN(2)) },
		"tiny":      func(r *rand.Rand, _, _ int) float64 { return 1e-20 * r.NormFloat64() },
		"huge":      func(r *rand.Rand, _, _ int) float64 { return 1e16 * r.NormFloat64() },
		"rank one":  func(*rand.Rand, int, int) float64 { return 0.5 },
		"cJ + dI":   func(_ *rand.Rand, i, j int) float64 { return 21.0/64 + 5*float64(max(0, 1-max(i-j, j-i))) },
		"cJ + 9dI":  func(_ *rand.Rand, i, j int) float64 { return 21.0/64 + 45*float64(max(0, 1-max(i-j, j-i))) },
		"zero row":  func(r *rand.Rand, i, _ int) float64 { return r.NormFloat64() * float64(min(i, 1)) },
		"symmetric": func(_ *rand.Rand, i, j int) float64 { return 1 / float64(1+max(i-j, j-i)) },
	}
	for name, s := range solvers(t) {
		single := &Solver{BLAS: s.BLAS, LAPACK: s.LAPACK, Precision: Single}
		inFloat32, worst := 0, 0.0
		for _, d := range [][2]int{{128, 900}, {900, 128}, {64, 4000}, {200, 600}, {100, 100}, {60, 80}, {500, 450}} {
			rows, cols := d[0], d[1]
			for kind, f := range kinds {
				rng, at := rand.New(rand.NewPCG(9, 1)), -1
				w := random(9, rows*cols, func(*rand.Rand) float64 { at++; return f(rng, at/cols, at%cols) })
				want, err := s.Compute(&Workspace{}, matrix(w, rows, cols, nil))
				if err != nil {
					t.Fatal(err)
				}
				got, err := single.Compute(&Workspace{}, matrix(w, rows, cols, nil))
				if err != nil {
					t.Fatalf("%s %s %v: %v", name, kind, d, err)
				}
				if rank(got.Sigma, rows, cols) != rank(want.Sigma, rows, cols) {
					t.Errorf("%s %s %v: ranks differ", name, kind, d)
				}
				bound := SingleError(len(want.Lambda)) * frobenius(want.Lambda)
				certain := want.Lambda[0] > 1.5*bound && kind != "tiny" && kind != "huge" && (kind != "zero row" || rows > cols)
				if certain != (got.Method == GramFloat32) && (certain || want.Lambda[0] < bound/1.5) {
					t.Errorf("%s %s %v: by %s", name, kind, d, got.Method)
				}
				if got.Method != GramFloat32 {
					if !slices.Equal(got.Lambda, want.Lambda) || got.Error != 0 {
						t.Errorf("%s %s %v: by %s, and not the spectrum of float64", name, kind, d, got.Method)
					}
					continue
				}
				inFloat32++
				for i := range want.Lambda {
					worst = max(worst, math.Abs(got.Lambda[i]-want.Lambda[i])/bound)
				}
				if math.Abs(got.Error/bound-1) > 1e-3 {
					t.Errorf("%s %s %v: states an error of %g, want %g", name, kind, d, got.Error, bound)
				}
			}
		}
		t.Logf("%s: %d spectra in float32, the largest error is %.3f of the bound", name, inFloat32, worst)
		if worst > 0.5 || inFloat32 < 20 {
			t.Errorf("%s: %d spectra in float32, the largest error is %.3f of the bound", name, inFloat32, worst)
		}
	}
}

// frobenius returns the Frobenius norm of a symmetric matrix with these eigenvalues.
func frobenius(lambda []float64) float64 {
	sum := 0.0
	for _, l := range lambda {
		sum += l * l
	}
	return math.Sqrt(sum)
}

// TestIntegers: a matrix of integers has the same spectrum through any way, and
// the same ranks where it is deficient.
func TestIntegers(t *testing.T) {
	for name, s := range solvers(t) {
		for _, d := range [][3]int{{300, 70, 127}, {70, 300, 7}, {64, 64, 1}, {1200, 33, 3}, {40, 40, 30000}, {33, 1200, 2000}, {50, 60, 0}} {
			rows, cols, top := d[0], d[1], d[2]
			w := random(6, rows*cols, func(g *rand.Rand) float64 { return float64(g.IntN(2*top+1) - top) })
			if top == 0 { // rank 1
				for i := range w {
					w[i] = float32((i/cols%5 - 2) * (i%cols%7 - 3))
				}
			}
			const step = 0.037
			m := matrix(w, rows, cols, nil)
			want, err := s.Compute(&Workspace{}, m)
			if err != nil {
				t.Fatal(err)
			}
			ways := map[string]IntMatrix{"int16": integers{m, step, max(top, 128)}}
			if top < 128 {
				ways["int8"] = integers{m, step, max(top, 6)}
			}
			for way, im := range ways {
				got, err := s.Compute(&Workspace{}, im)
				if err != nil {
					t.Fatal(err)
				}
				for i := range want.Lambda {
					if l := want.Lambda[i] * step * step; math.Abs(got.Lambda[i]-l) > 1e-12*want.Lambda[len(want.Lambda)-1]*step*step {
						t.Errorf("%s %s %dx%d: eigenvalue %d = %v, want %v", name, way, rows, cols, i, got.Lambda[i], l)
					}
				}
				if rank(got.Sigma, rows, cols) != rank(want.Sigma, rows, cols) {
					t.Errorf("%s %s %dx%d: ranks differ", name, way, rows, cols)
				}
			}
		}
	}
}

// TestWide: numbers beyond float32 have the spectrum of float64.
func TestWide(t *testing.T) {
	for name, s := range solvers(t) {
		for _, d := range [][2]int{{300, 70}, {70, 300}, {64, 64}, {1200, 33}} {
			rows, cols := d[0], d[1]
			w := random(6, rows*cols, func(g *rand.Rand) float64 { return g.NormFloat64() })
			m := Dense{rows, cols, w}
			want, err := s.Compute(&Workspace{}, m)
			if err != nil {
				t.Fatal(err)
			}
			for _, scale := range []float64{1e60, 1e-60} {
				got, err := s.Compute(&Workspace{}, wide{m, func(dst []float64, first, count int) {
					f := make([]float32, len(dst))
					m.Panel(f, first, count)
					for i, v := range f {
						dst[i] = scale * float64(v)
					}
				}})
				if err != nil {
					t.Fatalf("%s %v: %v", name, d, err)
				}
				for i, l := range want.Lambda {
					if math.Abs(got.Lambda[i]/(scale*scale)-l) > 1e-12*want.Lambda[len(want.Lambda)-1] {
						t.Errorf("%s %v: eigenvalue %d = %g, want %g", name, d, i, got.Lambda[i], l*scale*scale)
					}
				}
				if got.Method != want.Method {
					t.Errorf("%s %v: by %s, in float32 by %s", name, d, got.Method, want.Method)
				}
			}
		}
	}
}

// aligned is a matrix whose panels may begin at multiples of a number only.
type aligned struct {
	Dense
	t     *testing.T
	align int
}

func (a aligned) Align() int { return a.align }

func (a aligned) Panel(dst []float32, first, count int) {
	if last := max(a.Rows, a.Cols); first%a.align != 0 || first+count < last && count%a.align != 0 {
		a.t.Errorf("a panel from %d to %d, cut at multiples of %d", first, first+count, a.align)
	}
	a.Dense.Panel(dst, first, count)
}

// TestAlign: panels are cut where the matrix allows it, by every route.
func TestAlign(t *testing.T) {
	s := solvers(t)[lapack.Names()[0]]
	for _, align := range []int{1, 7, 32, 256, 1000} {
		for _, d := range [][2]int{{2500, 40}, {40, 2500}, {3, 900}} {
			rows, cols := d[0], d[1]
			w := random(4, rows*cols, func(g *rand.Rand) float64 { return g.NormFloat64() })
			for i := range w { // rank-deficient: all routes are taken
				if i%cols == cols-1 {
					w[i] = w[i-1] * (1 + 1e-7*float32(i%3))
				}
			}
			if _, err := s.Compute(&Workspace{}, aligned{Dense{rows, cols, w}, t, align}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for k := 1; k < 3000; k++ {
		if p := PanelLength(k, 32); p%32 != 0 || p < 224 || p > 1024 {
			t.Fatalf("a panel of %d rows of length %d", p, k)
		}
	}
}

// TestZeroColumns: what is zero is left out exactly, and costs no second pass.
func TestZeroColumns(t *testing.T) {
	for _, s := range solvers(t) {
		const rows, cols = 300, 50
		w := random(5, rows*cols, func(g *rand.Rand) float64 { return g.NormFloat64() })
		dropped := 0
		for j := range cols {
			if j%3 == 1 {
				dropped++
				for i := range rows {
					w[i*cols+j] = 0
				}
			}
		}
		sp, err := s.Compute(&Workspace{}, matrix(w, rows, cols, nil))
		if err != nil {
			t.Fatal(err)
		}
		want := svd(w, rows, cols)
		for i := range want {
			if i < dropped && sp.Sigma[i] != 0 || math.Abs(sp.Sigma[i]-want[i]) > 1e-12*want[cols-1] {
				t.Errorf("singular value %d = %v, want %v", i, sp.Sigma[i], want[i])
			}
		}
		if sp.Method != Gram {
			t.Errorf("by %s", sp.Method)
		}
		zero, err := s.Compute(&Workspace{}, matrix(make([]float32, rows*cols), rows, cols, nil))
		if err != nil || zero.FrobeniusSquared != 0 || slices.Max(zero.Sigma) != 0 {
			t.Errorf("zero matrix: %v, %v", zero, err)
		}
	}
}

func TestEmpty(t *testing.T) {
	for _, s := range solvers(t) {
		sp, err := s.Compute(&Workspace{}, Dense{Rows: 0, Cols: 5})
		if err != nil || len(sp.Sigma) != 0 {
			t.Errorf("%v, %v", sp, err)
		}
	}
}

// liar returns eigenvalues that are not those of the matrix.
type liar struct{ lapack.Backend }

func (l liar) SymEigenvalues(n int, a []float64, lda int, w []float64) (bool, error) {
	intact, err := l.Backend.SymEigenvalues(n, a, lda, w)
	w[n-1] *= 1 + 1e-9
	return intact, err
}

// failing does not converge.
type failing struct{ lapack.Backend }

func (failing) SymEigenvalues(int, []float64, int, []float64) (bool, error) {
	return false, lapack.ErrNotConverged
}

// TestSolverFaults: a wrong answer is found by the trace, a failure handed on, a
// matrix too large refused before anything is allocated.
func TestSolverFaults(t *testing.T) {
	w := random(5, 600, func(g *rand.Rand) float64 { return g.NormFloat64() })
	b, _ := cblas.Lookup("")
	l, _ := lapack.Lookup("")
	if _, err := (&Solver{BLAS: b, LAPACK: liar{l}}).Compute(&Workspace{}, matrix(w, 30, 20, nil)); !errors.Is(err, ErrTrace) {
		t.Errorf("wrong eigenvalues: %v", err)
	}
	if _, err := (&Solver{BLAS: b, LAPACK: failing{l}}).Compute(&Workspace{}, matrix(w, 30, 20, nil)); !errors.Is(err, lapack.ErrNotConverged) {
		t.Errorf("failure: %v", err)
	}
	if _, err := (&Solver{BLAS: b, LAPACK: l}).Compute(&Workspace{}, Dense{Rows: l.MaxOrder() + 1, Cols: l.MaxOrder() + 1}); err == nil {
		t.Error("an order beyond the limit of the solver was taken")
	}
}

// TestBytes: the estimate covers what Compute allocates.
func TestBytes(t *testing.T) {
	s := solvers(t)[lapack.Names()[0]]
	for _, d := range [][2]int{{300, 200}, {200, 900}, {2000, 64}} {
		var ws Workspace
		w := random(5, d[0]*d[1], func(g *rand.Rand) float64 { return float64(g.IntN(3) / 2) })
		if _, err := s.Compute(&ws, matrix(w, d[0], d[1], nil)); err != nil {
			t.Fatal(err)
		}
		used := int64(8*cap(ws.gram) + 8*cap(ws.panel) + 4*cap(ws.single) + cap(ws.codes))
		if limit := Bytes(d[0], d[1], Double); used > limit*11/10 {
			t.Errorf("%v: %d bytes, estimated %d", d, used, limit)
		}
	}
}
