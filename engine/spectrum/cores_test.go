package spectrum

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// lender lends a fixed number of cores to whoever asks, and counts.
type lender struct {
	mu          sync.Mutex
	count, lent int
	most        int // lent at once
}

func (l *lender) Acquire(most int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(most, l.count-l.lent)
	l.lent += n
	l.most = max(l.most, l.lent)
	return n
}

func (l *lender) Release(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lent -= n
}

// TestCores: a matrix that several cores share has the same spectrum, bit for bit,
// by every route, and all cores come back.
func TestCores(t *testing.T) {
	defer cblas.LimitThreads(1)()
	// One backend is enough: what the others do not share is outside their control.
	name := lapack.Names()[0]
	s := solvers(t)[name]
	const rows, cols = 1030, 1100
	w := random(6, rows*cols, func(g *rand.Rand) float64 { return float64(g.IntN(401) - 200) })
	small := random(7, rows*cols, func(g *rand.Rand) float64 { return float64(g.IntN(15) - 7) })
	routes := map[string]Matrix{
		"float": matrix(w, rows, cols, nil), "int16": matrix(w, rows, cols, nil), "int8": matrix(small, rows, cols, nil),
	}
	routes["int16"] = integers{routes["int16"], 1, 200}
	routes["int8"] = integers{routes["int8"], 1, 7}
	for route, m := range routes {
		for _, precision := range []Precision{Double, Single} {
			if name == "gonum" && (precision == Single || route != "float") {
				continue // the same code, in minutes
			}
			var want *Spectrum
			for _, count := range []int{0, 1, 5} {
				l := &lender{count: count}
				solver := &Solver{BLAS: s.BLAS, LAPACK: s.LAPACK, Precision: precision, Cores: l}
				got, err := solver.Compute(&Workspace{}, m)
				if err != nil {
					t.Fatal(err)
				}
				if l.lent != 0 || l.most != min(count, 1) { // 1030/512 = 2 with its own
					t.Errorf("%s %s: of %d cores %d taken, %d not given back", name, route, count, l.most, l.lent)
				}
				if want == nil {
					want = got
				}
				if !slices.Equal(got.Lambda, want.Lambda) || got.Method != want.Method {
					t.Errorf("%s %s %s: another spectrum with %d cores", name, route, precision, count)
				}
			}
		}
	}
}
