package testlapack

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

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
	rounds := 4
	if testing.Short() { // 16 threads that wait in OpenBLAS make a round long in an emulator
		rounds = 1
	}
	for round := range rounds {
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
