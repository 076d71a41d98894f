package intgram

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
)

// tops are largest magnitudes: that of int16, those of dequantized weights of 8, 6 and 4
// bits in bfloat16, in units of their last place, that of int8, and 1.
var tops = []int{32767, 32512, 7936, 1792, 127, 1}

// wantSame16 holds every element, the lower triangle and the padding included, to
// the generic version.
func wantSame16(t *testing.T, set Set, trans bool, k, m int, q []int16, ldq, ldc, calls int, ws *Workspace) {
	t.Helper()
	n := max(0, (k-1)*ldc+k)
	got, want := make([]float64, n), make([]float64, n)
	for i := range got {
		got[i], want[i] = float64(i%97-48), float64(i%97-48)
	}
	for range calls {
		set.syrk16(trans, k, m, q, ldq, got, ldc, ws)
		syrk16Generic(trans, k, m, q, ldq, want, ldc)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("trans=%v k=%d m=%d ldq=%d ldc=%d: element %d,%d: got %v, want %v",
				trans, k, m, ldq, ldc, i/ldc, i%ldc, got[i], want[i])
		}
	}
}

func TestSyrk16(t *testing.T) {
	sizes := []int{0, 1, 2, 3, 7, 8, 9, 31, 33, 65, 100}
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewPCG(1, 2))
		var ws Workspace
		for i, k := range sizes {
			for j, m := range sizes {
				for l, top := range tops {
					q := elements[int16](rng, kinds[(i+j+l)%len(kinds)], k*m, top)
					pad := (i + l) % 3 * 5
					wantSame16(t, set, true, k, m, strided(q, m, k, max(1, k+pad)), max(1, k+pad), max(1, k+pad), 1+l%2, &ws)
					wantSame16(t, set, false, k, m, strided(q, k, m, max(1, m+pad)), max(1, m+pad), max(1, k+j), 1+l%2, &ws)
				}
			}
		}
	})
}

// TestKinds16 runs all kinds of elements over several slabs: runs of every length.
func TestKinds16(t *testing.T) {
	k := 50
	if testing.Short() {
		k = 19
	}
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewPCG(3, 4))
		var ws Workspace
		for _, kind := range kinds {
			for _, top := range tops {
				for _, m := range unlessShort(1025, 1023, 1024, 2500) {
					q := elements[int16](rng, kind, k*m, top)
					wantSame16(t, set, true, k, m, q, k, k, 1, &ws)
					wantSame16(t, set, false, k, m, q, m, k+1, 1, &ws)
				}
			}
		}
	})
}

// TestReference16 compares with sums of arbitrary precision.
func TestReference16(t *testing.T) {
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewPCG(7, 8))
		const k, m = 19, 1400
		for _, kind := range []string{"uniform", "max", "alternating", "pairs"} {
			q := elements[int16](rng, kind, k*m, 32767)
			c := make([]float64, k*k)
			set.syrk16(false, k, m, q, m, c, k, new(Workspace))
			for i := range k {
				for j := i; j < k; j++ {
					want := new(big.Int)
					for l := range m {
						want.Add(want, big.NewInt(int64(q[i*m+l])*int64(q[j*m+l])))
					}
					if got, _ := big.NewFloat(c[i*k+j]).Int(nil); got.Cmp(want) != 0 {
						t.Fatalf("%s: element %d,%d: got %v, want %v", kind, i, j, got, want)
					}
				}
			}
		}
	})
}

// FuzzSyrk16 compares all sets with the generic version.
func FuzzSyrk16(f *testing.F) {
	f.Add(uint8(7), uint16(70), true, []byte{255, 127, 1, 128})
	f.Add(uint8(20), uint16(1100), false, []byte{1, 128, 0, 0, 255, 127})
	f.Fuzz(func(t *testing.T, ks uint8, ms uint16, trans bool, data []byte) {
		k, m := int(ks)%40, int(ms)%2200
		q := make([]int16, k*m)
		for i := range q {
			if n := len(data) / 2; n > 0 {
				at := 2 * (i % n)
				q[i] = max(-32767, int16(uint16(data[at])|uint16(data[at+1])<<8))
			}
		}
		ldq := max(1, m)
		if trans {
			ldq = max(1, k)
		}
		for _, set := range Sets() {
			wantSame16(t, set, trans, k, m, q, ldq, max(1, k), 1, new(Workspace))
		}
	})
}

// BenchmarkSyrk16 times the product of weights of 8, 6 and 4 bits as bfloat16 holds them,
// with normally and uniformly distributed codes. BenchmarkSyrk times the float64 product.
func BenchmarkSyrk16(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range []struct{ k, m int }{{896, 4864}, {4096, 4096}} {
		for _, trans := range []bool{true, false} {
			ldq := s.m
			if trans {
				ldq = s.k
			}
			macs := float64(s.k) * float64(s.k+1) / 2 * float64(s.m)
			c := make([]float64, s.k*s.k)
			for _, kind := range []string{"gauss", "uniform"} {
				for _, top := range tops[1:4] {
					b.Run(fmt.Sprintf("top=%d/k=%d/m=%d/trans=%v/codes=%s/simd=%s", top, s.k, s.m, trans, kind, SIMD()), func(b *testing.B) {
						q := elements[int16](rng, kind, s.k*s.m, top)
						var ws Workspace
						for b.Loop() {
							Syrk16(trans, s.k, s.m, q, ldq, c, s.k, &ws)
						}
						b.ReportMetric(macs*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
					})
				}
			}
		}
	}
}
