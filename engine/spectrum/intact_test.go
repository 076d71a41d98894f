package spectrum

import (
	"math/rand/v2"
	"testing"

	"github.com/wwq-fast/wwq-fast/cblas"
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
