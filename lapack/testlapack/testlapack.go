// Package testlapack is the conformance suite that every backend of package
// lapack runs. Its gate is a ratio as in LAPACK's own tests: the largest error
// over the norm times n times the unit roundoff, which must stay below 30 (LAPACK
// allows 50).
package testlapack

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Gate is the largest ratio that passes.
const Gate = 30

// Symmetric is what SymEigenvaluesTest needs of a backend.
type Symmetric interface {
	SymEigenvalues(n int, a []float64, lda int, w []float64) (intact bool, err error)
}

// Symmetric32 is what SymEigenvalues32Test needs of a backend.
type Symmetric32 interface {
	SymEigenvalues32(n int, a []float32, lda int, w []float32) (intact bool, err error)
}

// Singular is what SingularValuesTest needs of a backend.
type Singular interface {
	SingularValues(m, n int, a []float64, lda int, s []float64) error
}

// Factorer is what QRTest needs of a backend.
type Factorer interface {
	QR(m, n int, a []float64, lda int) error
}

// sizes returns orders of matrices: the smallest, those around blocks of 32 and 64, and,
// unless tests are short, 577, beyond which some libraries had faults (numpy issue 6896).
func sizes() []int {
	s := []int{0, 1, 2, 3, 4, 5, 10, 31, 32, 33, 63, 64, 65, 95, 97, 128, 129, 200}
	if !testing.Short() {
		s = append(s, 577)
	}
	return s
}

// A kind is a kind of spectrum: those of LAPACK's symmetric eigenvalue tests (dchkst.f)
// that matter for eigenvalues without vectors, and those of weights.
type kind struct {
	name   string
	values func(n int, rng *rand.Rand) []float64
}

const (
	ulp  = 0x1p-52
	huge = 0x1p+500
	tiny = 0x1p-500
)

func fill(n int, f func(i int) float64) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = f(i)
	}
	return v
}

func signs(v []float64, rng *rand.Rand) []float64 {
	for i := range v {
		if rng.IntN(2) == 0 {
			v[i] = -v[i]
		}
	}
	return v
}

func scale(v []float64, s float64) []float64 {
	for i := range v {
		v[i] *= s
	}
	return v
}

func even(n int) []float64 {
	return fill(n, func(i int) float64 { return 1 - float64(i)/float64(max(n-1, 1))*(1-ulp) })
}

func geometric(n int) []float64 {
	return fill(n, func(i int) float64 { return math.Pow(ulp, float64(i)/float64(max(n-1, 1))) })
}

func clustered(n int) []float64 {
	return fill(n, func(i int) float64 {
		if i == 0 {
			return 1
		}
		return ulp
	})
}

var kinds = []kind{
	{"zero", func(n int, _ *rand.Rand) []float64 { return make([]float64, n) }},
	{"identity", func(n int, _ *rand.Rand) []float64 { return fill(n, func(int) float64 { return 1 }) }},
	{"even", func(n int, rng *rand.Rand) []float64 { return signs(even(n), rng) }},
	{"geometric", func(n int, rng *rand.Rand) []float64 { return signs(geometric(n), rng) }},
	{"clustered at eps", func(n int, rng *rand.Rand) []float64 { return signs(clustered(n), rng) }},
	{"geometric, large", func(n int, rng *rand.Rand) []float64 { return scale(signs(geometric(n), rng), huge) }},
	{"geometric, small", func(n int, rng *rand.Rand) []float64 { return scale(signs(geometric(n), rng), tiny) }},
	{"even, large", func(n int, rng *rand.Rand) []float64 { return scale(signs(even(n), rng), huge) }},
	{"even, small", func(n int, rng *rand.Rand) []float64 { return scale(signs(even(n), rng), tiny) }},
	{"positive even", func(n int, _ *rand.Rand) []float64 { return even(n) }},
	{"positive geometric", func(n int, _ *rand.Rand) []float64 { return geometric(n) }},
	{"positive clustered", func(n int, _ *rand.Rand) []float64 { return clustered(n) }},
	{"random", func(n int, rng *rand.Rand) []float64 {
		return fill(n, func(int) float64 { return rng.NormFloat64() })
	}},
	{"two clusters", func(n int, rng *rand.Rand) []float64 {
		return fill(n, func(i int) float64 { return float64(1+i%2) + 1e-13*rng.Float64() })
	}},
	{"graded to 1e-30", func(n int, _ *rand.Rand) []float64 {
		return fill(n, func(i int) float64 { return math.Pow(10, -30*float64(i)/float64(max(n-1, 1))) })
	}},
	{"heavy-tailed", func(n int, rng *rand.Rand) []float64 {
		return fill(n, func(int) float64 { return math.Pow(1-rng.Float64(), -1/1.2) })
	}},
	{"rank-deficient", func(n int, rng *rand.Rand) []float64 {
		return fill(n, func(i int) float64 { return max(0, rng.Float64()-0.6) })
	}},
}

// mix returns an n×n matrix of stride lda that would have the given eigenvalues in exact
// arithmetic: their diagonal matrix under four random reflections. Padding and lower
// triangle hold NaN, since no backend may read them.
func mix(values []float64, lda int, rng *rand.Rand) []float64 {
	n := len(values)
	a := make([]float64, n*n)
	for i, v := range values {
		a[i*n+i] = v
	}
	u, w := make([]float64, n), make([]float64, n)
	for range 4 {
		norm := 0.0
		for i := range u {
			u[i] = rng.NormFloat64()
			norm += u[i] * u[i]
		}
		if n == 0 {
			break
		}
		// A -> HAH with H = I - 2uu^T/norm, as A - uw^T - wu^T.
		dot := 0.0
		for i := range n {
			s := 0.0
			for j := range n {
				s += a[i*n+j] * u[j]
			}
			w[i] = 2 * s / norm
			dot += w[i] * u[i]
		}
		for i := range w {
			w[i] -= dot / norm * u[i]
		}
		for i := range n {
			for j := range n {
				a[i*n+j] -= u[i]*w[j] + w[i]*u[j]
			}
		}
	}
	padded := fill(max(0, (n-1)*lda+n), func(int) float64 { return math.NaN() })
	for i := range n {
		for j := i; j < n; j++ {
			// Both halves differ by rounding; the mean is symmetric.
			padded[i*lda+j] = a[i*n+j]/2 + a[j*n+i]/2
		}
	}
	return padded
}

// same reports whether all bits of two matrices are equal, those of NaN included.
func same[T float32 | float64](a, b []T) bool {
	return slices.EqualFunc(a, b, func(x, y T) bool {
		return math.Float64bits(float64(x)) == math.Float64bits(float64(y))
	})
}

// ratio returns max|got-want| / (max|want| * n * eps).
func ratio(got, want []float64, eps float64) float64 {
	top, worst := 0.0, 0.0
	for i := range want {
		top = math.Max(top, math.Abs(want[i]))
		d := math.Abs(got[i] - want[i])
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		worst = math.Max(worst, d)
	}
	if worst == 0 {
		return 0
	}
	return worst / (top * float64(len(want)) * eps)
}
