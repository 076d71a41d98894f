package spectrum

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// TestIntact: an integer matrix of low rank has exact zeros by the rank of its Gram
// matrix, whether the solver leaves that intact or it must be formed again, which
// takes a second pass over the weights.
func TestIntact(t *testing.T) {
	defer cblas.LimitThreads(1)()
	const rows, cols, rank = 90, 40, 25
	u := random(21, rows*rank, func(g *rand.Rand) float64 { return float64(g.IntN(3) - 1) })
	v := random(22, rank*cols, func(g *rand.Rand) float64 { return float64(g.IntN(3) - 1) })
	w := make([]float32, rows*cols)
	for i := range rows {
		for j := range cols {
			for l := range rank {
				w[i*cols+j] += u[i*rank+l] * v[l*cols+j]
			}
		}
	}
	for name, s := range solvers(t) {
		passes := 0
		m := integers{matrix(w, rows, cols, &passes), 0.5, 127}
		sp, err := s.Compute(&Workspace{}, m)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if sp.Method != GramRank || sp.Sigma[cols-rank-1] != 0 || !(sp.Sigma[cols-rank] > 0) {
			t.Errorf("%s: by %s, singular values %v", name, sp.Method, sp.Sigma[:cols-rank+1])
		}
		want := 2
		if name == "twostage" {
			want = 1
		}
		if passes != want {
			t.Errorf("%s: %d passes, want %d", name, passes, want)
		}
	}
}

// TestOf: one call has the spectrum of a solver, an error for elements that are not finite,
// and a panic for a slice that does not fit.
func TestOf(t *testing.T) {
	const rows, cols = 50, 30
	w := random(3, rows*cols, func(g *rand.Rand) float64 { return g.NormFloat64() })
	want := svd(w, rows, cols)
	sp, err := Of(rows, cols, w)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if math.Abs(sp.Sigma[i]-want[i]) > 1e-12*want[cols-1] {
			t.Errorf("singular value %d = %v, want %v", i, sp.Sigma[i], want[i])
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		for _, at := range []int{0, 7, len(w) - 1} {
			x := append([]float32(nil), w...)
			x[at] = float32(bad)
			if sp, err := Of(rows, cols, x); !errors.Is(err, lapack.ErrNotFinite) {
				t.Errorf("%v at %d: %v, %v", bad, at, sp, err)
			}
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic for a slice that does not fit")
		}
	}()
	Of(rows, cols+1, w)
}
