package modp

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"
)

// TestGeneric holds the C loops to the Go ones, and both to big integers.
func TestGeneric(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	p := big.NewInt(P)
	if !p.ProbablyPrime(20) {
		t.Fatal("P is no prime")
	}
	for _, n := range []int{0, 1, 3, 4, 5, 17, 100} {
		x, y := make([]float64, n), make([]float64, n)
		for i := range x {
			x[i] = float64(rng.Int64N(1<<54) - 1<<53)
			switch rng.IntN(6) {
			case 0:
				x[i] = float64(P * rng.Int64N(1<<31))
			case 1:
				x[i] = -float64(P * rng.Int64N(1<<31))
			}
			y[i] = x[i]
		}
		in := append([]float64(nil), x...)
		Reduce(x)
		ReduceGeneric(y)
		for i := range x {
			want, _ := new(big.Float).SetInt(new(big.Int).Mod(big.NewInt(int64(in[i])), p)).Float64()
			if x[i] != want || y[i] != want {
				t.Fatalf("%v mod P = %v and %v, want %v", in[i], x[i], y[i], want)
			}
		}
		if n == 0 {
			continue
		}
		pivot, c, d := make([]float64, n), make([]float64, 3*n), make([]float64, 3*n)
		for i := range pivot {
			pivot[i] = float64(1 + rng.IntN(P-1))
		}
		rows := make([]float64, n*(n+2))
		for i := range rows {
			rows[i] = float64(rng.IntN(P) * rng.IntN(2))
		}
		other := append([]float64(nil), rows...)
		Eliminate(rows, n+2, n, n, pivot, invert(pivot[0]), c, 3)
		EliminateGeneric(other, n+2, n, n, pivot, invert(pivot[0]), d, 3)
		for i := range rows {
			if rows[i] != other[i] {
				t.Fatalf("element %d: %v and %v", i, rows[i], other[i])
			}
		}
		for i := range n {
			if rows[i*(n+2)] != 0 || c[3*i] != d[3*i] {
				t.Fatalf("row %d: %v left, factors %v and %v", i, rows[i*(n+2)], c[3*i], d[3*i])
			}
		}
	}
}

// TestResidues: residues of sums and products of fractions are those of the
// results.
func TestResidues(t *testing.T) {
	p := big.NewInt(P)
	for _, v := range []float32{0, 1, -1, 0.5, 3, -0.375, math.MaxFloat32, math.SmallestNonzeroFloat32, 1e-40, 65504, float32(math.Copysign(0, -1))} {
		var got [1]float64
		Residues(got[:], []float32{v})
		r := new(big.Rat).SetFloat64(float64(v))
		want := new(big.Int).Mul(r.Num(), new(big.Int).ModInverse(r.Denom(), p))
		want.Mod(want, p)
		if int64(got[0]) != want.Int64() {
			t.Errorf("residue of %v = %v, want %v", v, got[0], want)
		}
	}
}

func TestRank(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, d := range [][2]int{{1, 0}, {1, 1}, {5, 2}, {63, 63}, {64, 10}, {65, 64}, {130, 100}, {200, 1}, {200, 200}, {257, 129}} {
		n, r := d[0], d[1]
		u, v := make([]int64, n*r), make([]int64, r*n)
		for i := range u {
			u[i], v[i] = rng.Int64N(7)-3, rng.Int64N(7)-3
		}
		a := make([]float64, n*n)
		for i := range n {
			for j := range n {
				s := int64(0)
				for l := range r {
					s += u[i*r+l] * v[l*n+j]
				}
				a[i*n+j] = float64(s)
			}
		}
		// Columns of zeros in front make blocks without a pivot.
		if n > 100 && r < n/2 {
			for i := range n {
				for j := range 70 {
					a[i*n+j] = 0
				}
			}
		}
		Reduce(a)
		if got := Rank(gonum.Implementation{}, n, a); got != r {
			t.Errorf("n=%d: rank %d, want %d", n, got, r)
		}
	}
}

// TestCapacity: sums of as many products as are promised stay exact.
func TestCapacity(t *testing.T) {
	if float64(MaxTerms)*(P-1)*(P-1) >= 1<<53 || float64(blockSize+1)*(P-1)*(P-1) >= 1<<53 {
		t.Error("sums of products can exceed 2^53")
	}
}
