package testlapack

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

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
