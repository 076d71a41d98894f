package testlapack

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// Bounded is what Error32Test needs of a backend.
type Bounded interface {
	Symmetric
	Symmetric32
	Error32(n int) float64
}

// weights are kinds of matrices whose Gram matrices are hard on float32 in one way or
// another: g is a normal number, u a uniform one, for row i and column j.
var weights = map[string]func(g, u float64, i, j int) float64{
	"normal":        func(g, _ float64, _, _ int) float64 { return g },
	"heavy":         func(g, u float64, _, _ int) float64 { return math.Copysign(math.Pow(1-u, -0.6), g) },
	"heavier":       func(g, u float64, _, _ int) float64 { return math.Copysign(math.Pow(1-u, -1.5), g) },
	"positive":      func(_, u float64, _, _ int) float64 { return u },
	"equal":         func(g, _ float64, _, _ int) float64 { return 0.7 * (1 + 1e-7*g) },
	"constant":      func(g, _ float64, _, _ int) float64 { return 1 + 1e-3*g },
	"low rank":      func(g, _ float64, i, j int) float64 { return math.Sin(float64(i))*math.Cos(float64(j)) + 0.1*g },
	"decaying":      func(g, _ float64, _, j int) float64 { return g / math.Sqrt(float64(j+1)) },
	"outliers":      func(g, _ float64, i, j int) float64 { return g + 300*float64(1-min(1, (i*577+j)%9973)) },
	"other columns": func(g, _ float64, _, j int) float64 { return g * math.Exp(2*math.Sin(float64(j*j))) },
}

// Error32Test holds the eigenvalues in float32 of Gram matrices rounded to float32 to
// the error that the backend states, unless that swallows the smallest one.
func Error32Test(t *testing.T, b Bounded) {
	worst, at := 0.0, ""
	for _, n := range []int{5, 40, 128, 257, 577} {
		if n > 257 && testing.Short() {
			break
		}
		for _, rows := range []int{n, 2 * n} {
			for name, weight := range weights {
				if n > 257 && (rows == n || name != "normal" && name != "positive" && name != "outliers") {
					continue // the hardest ones
				}
				rng := rand.New(rand.NewPCG(uint64(n), uint64(rows)))
				w := fill(rows*n, func(i int) float64 { return weight(rng.NormFloat64(), rng.Float64(), i/n, i%n) })
				a, single := make([]float64, n*n), make([]float32, n*n)
				gonum.Implementation{}.Dsyrk(blas.Upper, blas.Trans, n, rows, 1, w, n, 0, a, n)
				for i, v := range a {
					single[i] = float32(v)
				}
				want, got := make([]float64, n), make([]float32, n)
				if err := b.SymEigenvalues(n, a, n, want); err != nil {
					t.Fatal(err)
				}
				if err := b.SymEigenvalues32(n, single, n, got); err != nil {
					t.Fatal(err)
				}
				e := 0.0
				for i := range want {
					e = max(e, math.Abs(float64(got[i])-want[i]))
				}
				e /= want[n-1]
				if want[0] <= 2*b.Error32(n)*want[n-1] {
					continue
				}
				if e > b.Error32(n) {
					t.Errorf("%s, %dx%d: an error of %.1f * 2^-24, %.1f stated", name, rows, n, e*0x1p24, b.Error32(n)*0x1p24)
				}
				if e/b.Error32(n) > worst {
					worst, at = e/b.Error32(n), name
				}
			}
		}
	}
	t.Logf("the largest error is %.2f of what is stated (%s)", worst, at)
}
