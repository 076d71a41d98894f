// Package testlapack is the conformance suite that every backend of package
// lapack runs. Its gate is a ratio as in LAPACK's own tests: the largest error
// over the norm times n times the unit roundoff, which must stay below 30 (LAPACK
// allows 50).
package testlapack

import (
	"errors"
	"fmt"
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

// Sizes of matrices: the smallest, those around blocks of 32 and 64, and, unless
// short, larger ones, among them 577 and 1025, beyond which faults of some
// libraries have shown (numpy issue 6896).
func sizes() []int {
	s := []int{0, 1, 2, 3, 4, 5, 10, 31, 32, 33, 63, 64, 65, 95, 97, 128, 129, 200}
	if !testing.Short() {
		s = append(s, 577)
	}
	return s
}

// A kind of spectrum; those of LAPACK's symmetric eigenvalue tests (dchkst.f)
// that have real meaning for values alone, and those of weights.
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

// mix returns an n×n matrix with the given eigenvalues: the diagonal matrix of
// them under four random reflections, in exact arithmetic. With stride lda the
// padding and the lower triangle hold NaN, which no backend may read.
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

// SymEigenvaluesTest runs the float64 eigenvalues of b over all kinds, sizes and
// strides.
func SymEigenvaluesTest(t *testing.T, b Symmetric) {
	for _, n := range sizes() {
		for _, k := range kinds {
			if n > 300 && k.name != "random" && k.name != "heavy-tailed" && k.name != "rank-deficient" {
				continue
			}
			for _, pad := range []int{0, 3} {
				rng := rand.New(rand.NewPCG(uint64(n), 1))
				want := k.values(n, rng)
				lda := max(1, n) + pad
				a := mix(want, lda, rng)
				slices.Sort(want)
				w := fill(n, func(int) float64 { return math.NaN() })
				before := slices.Clone(a)
				intact, err := b.SymEigenvalues(n, a, lda, w)
				if err != nil {
					t.Errorf("%s, n=%d, lda=%d: %v", k.name, n, lda, err)
					continue
				}
				if intact && !same(a, before) {
					t.Errorf("%s, n=%d, lda=%d: the matrix is not intact", k.name, n, lda)
				}
				if !slices.IsSorted(w) {
					t.Errorf("%s, n=%d, lda=%d: not ascending", k.name, n, lda)
				}
				// Mixing itself perturbs by a few eps.
				if r := ratio(w, want, ulp); r > Gate+8/float64(max(n, 1)) {
					t.Errorf("%s, n=%d, lda=%d: ratio %.3g", k.name, n, lda, r)
				}
			}
		}
	}
	symAnalytic(t, b)
}

// symAnalytic checks matrices whose eigenvalues have closed forms.
func symAnalytic(t *testing.T, b Symmetric) {
	for _, n := range []int{1, 2, 7, 50, 129} {
		a := make([]float64, n*n)
		want := make([]float64, n)
		for i := range n {
			a[i*n+i] = 2
			if i+1 < n {
				a[i*n+i+1] = -1
			}
			want[i] = 2 - 2*math.Cos(math.Pi*float64(i+1)/float64(n+1))
		}
		w := make([]float64, n)
		if _, err := b.SymEigenvalues(n, a, n, w); err != nil {
			t.Fatal(err)
		}
		if r := ratio(w, want, ulp); r > Gate {
			t.Errorf("second difference, n=%d: ratio %.3g", n, r)
		}
	}
	// Wilkinson's W21+ has pairs that agree to many digits.
	const n = 21
	a := make([]float64, n*n)
	for i := range n {
		a[i*n+i] = math.Abs(float64(i - n/2))
		if i+1 < n {
			a[i*n+i+1] = 1
		}
	}
	w := make([]float64, n)
	if _, err := b.SymEigenvalues(n, a, n, w); err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]float64{0: -1.125441522119985, 20: 10.746194182903393} {
		if math.Abs(w[i]-want) > Gate*n*ulp*11 {
			t.Errorf("Wilkinson: eigenvalue %d = %v, want %v", i, w[i], want)
		}
	}
}

// SymEigenvalues32Test runs the float32 eigenvalues of b. Spectra beyond the
// range of float32 are left out.
func SymEigenvalues32Test(t *testing.T, b Symmetric32) {
	const ulp32 = 0x1p-23
	for _, n := range sizes() {
		for _, k := range kinds {
			rng := rand.New(rand.NewPCG(uint64(n), 2))
			want := k.values(n, rng)
			if n > 0 && (slices.Max(want) > 1e30 || slices.Max(want) < 1e-30 && slices.Max(want) != 0) || n > 300 && k.name != "random" {
				continue
			}
			lda := max(1, n) + 2
			a64 := mix(want, lda, rng)
			a := make([]float32, len(a64))
			for i, v := range a64 {
				a[i] = float32(v)
			}
			slices.Sort(want)
			w := make([]float32, n)
			before := slices.Clone(a)
			intact, err := b.SymEigenvalues32(n, a, lda, w)
			if err != nil {
				t.Errorf("%s, n=%d: %v", k.name, n, err)
				continue
			}
			if intact && !same(a, before) {
				t.Errorf("%s, n=%d: the matrix is not intact", k.name, n)
			}
			got := make([]float64, n)
			for i, v := range w {
				got[i] = float64(v)
			}
			if r := ratio(got, want, ulp32); r > Gate {
				t.Errorf("%s, n=%d: ratio %.3g", k.name, n, r)
			}
		}
	}
}

// SingularValuesTest runs the singular values of b on tall, square and wide
// matrices with known ones.
func SingularValuesTest(t *testing.T, b Singular) {
	for _, d := range [][2]int{{0, 0}, {0, 3}, {1, 1}, {1, 5}, {5, 1}, {3, 3}, {33, 32}, {32, 33}, {64, 64}, {65, 20}, {20, 65}, {200, 97}, {97, 200}} {
		m, n := d[0], d[1]
		for _, k := range kinds {
			k0 := min(m, n)
			rng := rand.New(rand.NewPCG(uint64(m*1000+n), 3))
			want := k.values(k0, rng)
			for i := range want {
				want[i] = math.Abs(want[i])
			}
			lda := n + 1
			a := rectangular(want, m, n, lda, rng)
			slices.Sort(want)
			slices.Reverse(want)
			s := make([]float64, k0)
			if err := b.SingularValues(m, n, a, lda, s); err != nil {
				t.Errorf("%s, %dx%d: %v", k.name, m, n, err)
				continue
			}
			if r := ratio(s, want, ulp); r > Gate+8/float64(max(k0, 1)) {
				t.Errorf("%s, %dx%d: ratio %.3g", k.name, m, n, r)
			}
		}
	}
}

// LowRankTest runs the singular values of b on products of thin integer matrices,
// whose rank is known exactly. gonum's Dgesvd (v0.17.0) fails it.
func LowRankTest(t *testing.T, b Singular) {
	for _, d := range [][3]int{{60, 60, 7}, {384, 229, 115}, {229, 384, 115}, {100, 100, 99}, {97, 40, 1}, {200, 200, 64}} {
		m, n, r := d[0], d[1], d[2]
		rng := rand.New(rand.NewPCG(uint64(m), uint64(r)))
		a := make([]float64, m*n)
		u, v := make([]float64, m*r), make([]float64, r*n)
		for i := range u {
			u[i] = float64(rng.IntN(3) - 1)
		}
		for i := range v {
			v[i] = float64(rng.IntN(3) - 1)
		}
		sum := 0.0
		for i := range m {
			for j := range n {
				for l := range r {
					a[i*n+j] += u[i*r+l] * v[l*n+j]
				}
				sum += a[i*n+j] * a[i*n+j]
			}
		}
		s := make([]float64, min(m, n))
		if err := b.SingularValues(m, n, a, n, s); err != nil {
			t.Errorf("%dx%d of rank %d: %v", m, n, r, err)
			continue
		}
		rank, squares := 0, 0.0
		for _, x := range s {
			if x > s[0]*float64(max(m, n))*ulp {
				rank++
			}
			squares += x * x
		}
		if rank != r || math.Abs(squares-sum) > 1e-12*sum {
			t.Errorf("%dx%d of rank %d: rank %d, sum of squares %v, want %v", m, n, r, rank, squares, sum)
		}
	}
}

// rectangular returns an m×n matrix with the given singular values: a diagonal
// under a random reflection from each side.
func rectangular(values []float64, m, n, lda int, rng *rand.Rand) []float64 {
	a := make([]float64, max(0, m*lda))
	for i, v := range values {
		a[i*lda+i] = v
	}
	reflect := func(count, length int, at func(i, j int) *float64) {
		u, norm := make([]float64, length), 0.0
		for i := range u {
			u[i] = rng.NormFloat64()
			norm += u[i] * u[i]
		}
		for i := range count {
			dot := 0.0
			for j := range length {
				dot += u[j] * *at(i, j)
			}
			for j := range length {
				*at(i, j) -= 2 * dot / norm * u[j]
			}
		}
	}
	if len(values) > 0 {
		reflect(m, n, func(i, j int) *float64 { return &a[i*lda+j] })
		reflect(n, m, func(i, j int) *float64 { return &a[j*lda+i] })
	}
	return a
}

// QRTest checks that R^T R = A^T A.
func QRTest(t *testing.T, b Factorer) {
	for _, d := range [][2]int{{1, 1}, {5, 1}, {3, 3}, {33, 32}, {64, 64}, {65, 20}, {300, 97}} {
		m, n := d[0], d[1]
		lda := n + 2
		rng := rand.New(rand.NewPCG(uint64(m), 4))
		a := fill(m*lda, func(int) float64 { return rng.NormFloat64() })
		r := slices.Clone(a)
		if err := b.QR(m, n, r, lda); err != nil {
			t.Errorf("%dx%d: %v", m, n, err)
			continue
		}
		for i := range n {
			for j := i; j < n; j++ {
				want, got := 0.0, 0.0
				for l := range m {
					want += a[l*lda+i] * a[l*lda+j]
				}
				for l := range i + 1 {
					got += r[l*lda+i] * r[l*lda+j]
				}
				if math.Abs(got-want) > Gate*float64(m)*ulp*float64(m) {
					t.Fatalf("%dx%d: (R^T R)[%d,%d] = %v, want %v", m, n, i, j, got, want)
				}
			}
		}
	}
}

// Complete is all that a backend of package lapack has to do with matrices.
type Complete interface {
	Symmetric
	Symmetric32
	Singular
	Factorer
	MaxOrder() int
}

// NonFiniteTest checks that a NaN or an infinity that a method reads is an error of
// which errors.Is(err, notFinite) is true, and that the method then says that it left a
// symmetric matrix intact only if it did.
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

// EmptyTest checks that matrices without rows or columns are no error and no access.
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

// ConcurrencyTest runs many small problems at once and compares with one at a
// time.
func ConcurrencyTest(t *testing.T, b Symmetric) {
	const n = 48
	problem := func(seed int) ([]float64, error) {
		rng := rand.New(rand.NewPCG(uint64(seed), 5))
		a := mix(kinds[12].values(n, rng), n, rng)
		w := make([]float64, n)
		_, err := b.SymEigenvalues(n, a, n, w)
		return w, err
	}
	for round := range 4 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			results := make([][]float64, 16)
			done := make(chan error)
			for i := range results {
				go func() {
					var err error
					results[i], err = problem(i)
					done <- err
				}()
			}
			for range results {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			for i := range results {
				if want, _ := problem(i); !slices.Equal(results[i], want) {
					t.Errorf("problem %d gives another result among others", i)
				}
			}
		})
	}
}
