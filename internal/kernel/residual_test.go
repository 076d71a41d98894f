package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestResidual: the loops over errors are those of Go, bit for bit, on all instruction sets,
// whatever the lengths are.
func TestResidual(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 8))
	eachSet(t, func(t *testing.T, set Set) {
		for kind := range kinds {
			for _, shape := range [][2]int{{1, 1}, {3, 7}, {4, 16}, {5, 33}, {9, 100}, {2, 1000}} {
				rows, cols := shape[0], shape[1]
				a, b := sample(rng, rows*cols, kind), sample(rng, rows*cols, 0)
				e, want := make([]uint16, len(a)), make([]uint16, len(a))
				if got, want := set.subtractBF16(e, a, b), subtractBF16Generic(want, a, b); got != want {
					t.Fatalf("squares %g, in Go %g", got, want)
				}
				for i := range e {
					if d := b[i] - a[i]; e[i] != want[i] || math.Abs(float64(math.Float32frombits(uint32(e[i])<<16)-d)) > math.Abs(float64(d))/256+1e-40 {
						t.Fatalf("difference %g became %x, in Go %x", d, e[i], want[i])
					}
				}
				x, z := sample(rng, cols, 0), make([]float32, cols)
				g := make([]float32, cols)
				for range 2 { // adds to what is there
					set.normalProduct(z, x, e, 0.75)
					normalProductGeneric(g, x, e, 0.75)
				}
				sameBits(t, "product", z, g)
			}
		}
	})
}

// place returns where the vectors of NormalProduct have column i of so many.
func place(i, cols int) int {
	if i >= cols/16*16 {
		return i
	}
	return i/16*16 + i%2*8 + i%16/2
}

// TestNormalProduct: the product is that of the definition, in float64, but for rounding.
func TestNormalProduct(t *testing.T) {
	const rows, cols = 37, 61
	rng := rand.New(rand.NewPCG(1, 2))
	a, b := sample(rng, rows*cols, 0), sample(rng, rows*cols, 0)
	e := make([]uint16, rows*cols)
	SubtractBF16(e, a, b)
	x, z := sample(rng, cols, 0), make([]float32, cols)
	NormalProduct(z, x, e, 3)
	at := func(r, c int) float64 { return float64(math.Float32frombits(uint32(e[r*cols+c]) << 16)) }
	for c := range cols {
		want := 0.0
		for r := range rows {
			y := 0.0
			for k := range cols {
				y += at(r, k) * float64(x[place(k, cols)])
			}
			want += 3 * y * at(r, c)
		}
		if math.Abs(want-float64(z[place(c, cols)])) > 1e-6*0.01 {
			t.Errorf("element %d is %g, want %g", c, z[place(c, cols)], want)
		}
	}
}

func BenchmarkNormalProduct(b *testing.B) {
	const rows, cols = 256, 4864
	e, x, z := make([]uint16, rows*cols), make([]float32, cols), make([]float32, cols)
	for b.Loop() {
		NormalProduct(z, x, e, 1)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(rows*cols), "ns/weight")
}
