package modp

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"
)

// TestGeneric holds the loops of every instruction set and those in Go to big integers.
func TestGeneric(t *testing.T) {
	if !big.NewInt(P).ProbablyPrime(20) {
		t.Fatal("P is no prime")
	}
	for _, set := range Sets() {
		t.Run("simd="+set.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			for _, n := range []int{1, 3, 4, 5, 17, 100} {
				testReduce(t, set, integers(rng, n))
				testEliminate(t, set, n, rng)
			}
		})
	}
}

// integers returns n integers of magnitude up to 2^53 and either sign. Many are multiples
// of P or next to one: quotients close to an integer may be rounded across it.
func integers(rng *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = float64(rng.Int64N(1<<54) - 1<<53)
		if rng.IntN(3) > 0 {
			x[i] = float64(P*rng.Int64N(1<<32) + rng.Int64N(3) - 1)
		}
		if rng.IntN(2) == 0 {
			x[i] = -x[i]
		}
	}
	return x
}

func testReduce(t *testing.T, set Set, in []float64) {
	t.Helper()
	x, y := slices.Clone(in), slices.Clone(in)
	set.reduce(x)
	reduceGeneric(y)
	for i := range x {
		want, _ := new(big.Float).SetInt(new(big.Int).Mod(big.NewInt(int64(in[i])), big.NewInt(P))).Float64()
		if x[i] != want || y[i] != want {
			t.Fatalf("%v mod P = %v and %v, want %v", in[i], x[i], y[i], want)
		}
	}
}

func testEliminate(t *testing.T, set Set, n int, rng *rand.Rand) {
	t.Helper()
	pivot, c, d := make([]float64, n), make([]float64, 3*n), make([]float64, 3*n)
	for i := range pivot {
		pivot[i] = float64(1 + rng.IntN(P-1))
	}
	rows := make([]float64, n*(n+2))
	for i := range rows {
		rows[i] = float64(rng.IntN(P) * rng.IntN(2))
	}
	other := slices.Clone(rows)
	set.eliminate(rows, n+2, n, n, pivot, invert(pivot[0]), c, 3)
	eliminateGeneric(other, n+2, n, n, pivot, invert(pivot[0]), d, 3)
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

// TestNeighbours covers the integers next to large multiples of P, of either sign. Their
// quotients are often rounded across an integer, and the second step must correct that.
func TestNeighbours(t *testing.T) {
	var x []float64
	for n := int64(1<<32 - 40); n < 1<<32; n++ {
		for _, d := range []int64{-1, 0, 1} {
			x = append(x, float64(n*P+d), -float64(n*P+d))
		}
	}
	for _, set := range Sets() {
		testReduce(t, set, x)
	}
}

func TestEdges(t *testing.T) {
	Reduce(nil)
	best.eliminate(nil, 1, 0, 3, nil, 1, nil, 1)
	for name, f := range map[string]func(){
		"matrix":  func() { best.eliminate(make([]float64, 5), 3, 2, 3, make([]float64, 3), 1, make([]float64, 2), 1) },
		"pivot":   func() { best.eliminate(make([]float64, 6), 3, 2, 3, make([]float64, 2), 1, make([]float64, 2), 1) },
		"factors": func() { best.eliminate(make([]float64, 6), 3, 2, 3, make([]float64, 3), 1, make([]float64, 1), 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("short %s: no panic", name)
				}
			}()
			f()
		}()
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
