package intgram

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/wwq-fast/wwq-fast/cblas"
	"gonum.org/v1/gonum/blas"
)

// unlessShort returns the sizes, only the first of them if tests are short, as in
// scripts/check-arm64.sh, where an emulator makes them slow.
func unlessShort(sizes ...int) []int {
	if testing.Short() {
		return sizes[:1]
	}
	return sizes
}

// eachSet runs f once for every instruction set of this build and machine.
func eachSet(t *testing.T, f func(t *testing.T, set Set)) {
	for _, set := range Sets() {
		t.Run("simd="+set.String(), func(t *testing.T) { f(t, set) })
	}
}

// kinds of codes. They differ in how long int16 sums may run.
var kinds = []string{"uniform", "gauss", "outliers", "max", "min", "alternating", "pairs", "sparse", "mixed"}

func codes(rng *rand.Rand, kind string, n, qmax int) []int8 {
	return elements[int8](rng, kind, n, qmax)
}

func elements[T int8 | int16](rng *rand.Rand, kind string, n, qmax int) []T {
	q := make([]T, n)
	normal := func(sigma float64) T {
		x := math.RoundToEven(rng.NormFloat64() * sigma)
		return T(max(-float64(qmax), min(x, float64(qmax))))
	}
	for i := range q {
		switch kind {
		case "uniform":
			q[i] = T(rng.IntN(2*qmax+1) - qmax)
		case "gauss":
			q[i] = normal(float64(qmax) / 5)
		case "outliers":
			q[i] = normal(float64(qmax) / 20)
			if rng.IntN(97) == 0 {
				q[i] = T(qmax)
			}
		case "max":
			q[i] = T(qmax)
		case "min":
			q[i] = T(-qmax)
		case "alternating":
			q[i] = T(qmax - 2*qmax*(i%2))
		case "pairs":
			q[i] = T(qmax - 2*qmax*(i/2%2))
		case "sparse":
			if rng.IntN(5) == 0 {
				q[i] = T(qmax - 2*qmax*rng.IntN(2))
			}
		case "mixed": // every bound occurs, next to every other
			q[i] = normal(float64(qmax) / float64(1+(i/777)%12))
		}
	}
	return q
}

// strided returns a copy of the matrix q with stride ld and junk between rows.
func strided[T int8 | int16](q []T, rows, cols, ld int) []T {
	out := make([]T, max(0, (rows-1)*ld+cols))
	for i := range out {
		out[i] = T(-128 + i%256)
	}
	for r := range rows {
		copy(out[r*ld:], q[r*cols:][:cols])
	}
	return out
}

// wantSame holds every element, the lower triangle and the padding included, to
// the generic version.
func wantSame(t *testing.T, set Set, trans bool, k, m int, q []int8, ldq, qmax, ldc, calls int, ws *Workspace) {
	t.Helper()
	n := max(0, (k-1)*ldc+k)
	got, want := make([]float64, n), make([]float64, n)
	for i := range got {
		got[i], want[i] = float64(i%97-48), float64(i%97-48)
	}
	var gws Workspace
	for range calls {
		set.syrk(trans, k, m, q, ldq, qmax, got, ldc, ws)
		syrkGeneric(trans, k, m, q, ldq, want, ldc, &gws)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("trans=%v k=%d m=%d ldq=%d ldc=%d qmax=%d: element %d,%d: got %v, want %v",
				trans, k, m, ldq, ldc, qmax, i/ldc, i%ldc, got[i], want[i])
		}
	}
}

func TestAgainstGeneric(t *testing.T) {
	sizes := []int{0, 1, 2, 3, 7, 8, 9, 31, 33, 65, 100, 257}
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewPCG(1, 2))
		var ws Workspace
		for i, k := range sizes {
			for j, m := range sizes {
				for l, qmax := range []int{127, 90, 31, 7, 1} {
					kind := kinds[(i+j+l)%len(kinds)]
					q := codes(rng, kind, k*m, qmax)
					pad := (i + l) % 3 * 5
					wantSame(t, set, true, k, m, strided(q, m, k, max(1, k+pad)), max(1, k+pad), qmax, max(1, k+pad), 1+l%2, &ws)
					wantSame(t, set, false, k, m, strided(q, k, m, max(1, m+pad)), max(1, m+pad), qmax, max(1, k+j), 1+l%2, &ws)
				}
			}
		}
	})
}

// TestKinds runs all kinds of codes over several slabs.
func TestKinds(t *testing.T) {
	k := 50
	if testing.Short() {
		k = 19
	}
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewPCG(3, 4))
		var ws Workspace
		for _, kind := range kinds {
			for _, qmax := range []int{127, 126, 100, 91, 90, 63, 31, 15, 7, 3, 1} {
				for _, m := range unlessShort(2049, 2048, 4500) {
					q := codes(rng, kind, k*m, qmax)
					wantSame(t, set, true, k, m, q, k, qmax, k, 1, &ws)
					wantSame(t, set, false, k, m, q, m, qmax, k+1, 1, &ws)
				}
			}
		}
	})
}

// TestWide covers more columns than a part of B panels holds, on several threads.
func TestWide(t *testing.T) {
	if testing.Short() {
		t.Skip("slow")
	}
	rng := rand.New(rand.NewPCG(5, 6))
	const k, m = 500, 2100
	q, q16 := codes(rng, "gauss", k*m, 127), elements[int16](rng, "gauss", k*m, 32767)
	want, want16 := make([]float64, k*k), make([]float64, k*k)
	syrkGeneric(true, k, m, q, k, want, k, new(Workspace))
	syrk16Generic(true, k, m, q16, k, want16, k)
	eachSet(t, func(t *testing.T, set Set) {
		for _, threads := range []int{0, 2, 5} {
			ws := Workspace{Threads: threads}
			got := make([]float64, k*k)
			set.syrk(true, k, m, q, k, 127, got, k, &ws)
			if !slices.Equal(got, want) {
				t.Errorf("int8 on %d threads", threads)
			}
			clear(got)
			set.syrk16(true, k, m, q16, k, got, k, &ws)
			if !slices.Equal(got, want16) {
				t.Errorf("int16 on %d threads", threads)
			}
		}
	})
}

// TestReference compares with sums of arbitrary precision.
func TestReference(t *testing.T) {
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewPCG(7, 8))
		for _, trans := range []bool{false, true} {
			const k, m = 19, 70
			q := codes(rng, "uniform", k*m, 127)
			at := func(i, l int) *big.Int {
				if trans {
					return big.NewInt(int64(q[l*k+i]))
				}
				return big.NewInt(int64(q[i*m+l]))
			}
			ldq := m
			if trans {
				ldq = k
			}
			c := make([]float64, k*k)
			set.syrk(trans, k, m, q, ldq, 127, c, k, new(Workspace))
			for i := range k {
				for j := range k {
					want := new(big.Int)
					for l := range m {
						want.Add(want, new(big.Int).Mul(at(i, l), at(j, l)))
					}
					if j < i {
						want.SetInt64(0)
					}
					if got, _ := big.NewFloat(c[i*k+j]).Int(nil); got.Cmp(want) != 0 {
						t.Fatalf("trans=%v: element %d,%d: got %v, want %v", trans, i, j, got, want)
					}
				}
			}
		}
	})
}

// TestLargestSums takes more products of 127² than int32 holds.
func TestLargestSums(t *testing.T) {
	const k, m = 7, 300000
	sign := func(kind string, i, l int) int {
		switch {
		case kind == "minus", kind == "odd" && l%2 == 1, kind == "opposite" && i%2 == 1,
			kind == "quads" && l/4%2 == 1:
			return -1
		}
		return 1
	}
	eachSet(t, func(t *testing.T, set Set) {
		var ws Workspace
		for _, kind := range []string{"plus", "minus", "odd", "opposite", "quads"} {
			for _, trans := range []bool{false, true} {
				q, ldq := make([]int8, k*m), m
				for i := range k {
					for l := range m {
						v := int8(127 * sign(kind, i, l))
						if trans {
							q[l*k+i] = v
						} else {
							q[i*m+l] = v
						}
					}
				}
				if trans {
					ldq = k
				}
				c := make([]float64, k*k)
				set.syrk(trans, k, m, q, ldq, 127, c, k, &ws)
				for i := range k {
					for j := i; j < k; j++ {
						// The signs of two columns agree in all rows or in none.
						want := float64(m * 127 * 127 * sign(kind, i, 0) * sign(kind, j, 0))
						if c[i*k+j] != want {
							t.Fatalf("%s trans=%v: element %d,%d: got %v, want %v", kind, trans, i, j, c[i*k+j], want)
						}
					}
				}
			}
		}
	})
}

func TestMisfits(t *testing.T) {
	q, c := make([]int8, 12), make([]float64, 9)
	for name, f := range map[string]func(){
		"negative":  func() { Syrk(true, -1, 4, q, 3, 127, c, 3, new(Workspace)) },
		"qmax":      func() { Syrk(true, 3, 4, q, 3, 128, c, 3, new(Workspace)) },
		"zero qmax": func() { Syrk(true, 3, 4, q, 3, 0, c, 3, new(Workspace)) },
		"ldq":       func() { Syrk(true, 3, 4, q, 2, 127, c, 3, new(Workspace)) },
		"wide ldq":  func() { Syrk(false, 3, 4, q, 3, 127, c, 3, new(Workspace)) },
		"ldc":       func() { Syrk(true, 3, 4, q, 3, 127, c, 2, new(Workspace)) },
		"short q":   func() { Syrk(true, 3, 4, q[:11], 3, 127, c, 3, new(Workspace)) },
		"short c":   func() { Syrk(true, 3, 4, q, 3, 127, c[:8], 3, new(Workspace)) },
		"overflow":  func() { Syrk(true, 3, math.MaxInt/3+2, q, 3, 127, c, 3, new(Workspace)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Fatal("no panic")
				}
			}()
			f()
		})
	}
}

// FuzzSyrk holds every instruction set to the Go loops. The codes repeat data, so
// that short inputs reach long sums.
func FuzzSyrk(f *testing.F) {
	f.Add([]byte{127, 129}, uint8(17), uint16(300), uint8(127), true)
	f.Add([]byte{1, 0, 255, 7, 249}, uint8(6), uint16(2047), uint8(7), false)
	f.Fuzz(func(t *testing.T, data []byte, kk uint8, mm uint16, qq uint8, trans bool) {
		k, m, qmax := int(kk)%70, int(mm)%5000, 1+int(qq)%127
		q := make([]int8, k*m)
		for i := range q {
			if len(data) > 0 {
				v := int(int8(data[i%len(data)]))
				q[i] = int8(max(-qmax, min(v, qmax)))
			}
		}
		ldq := max(1, m)
		if trans {
			ldq = max(1, k)
		}
		for _, set := range Sets() {
			wantSame(t, set, trans, k, m, q, ldq, qmax, max(1, k), 1, new(Workspace))
		}
	})
}

// BenchmarkSyrk times codes of normally distributed weights, whose largest
// magnitude is about 5 deviations, and uniformly distributed ones, the slowest,
// beside the float64 product of the default BLAS.
func BenchmarkSyrk(b *testing.B) {
	defer cblas.LimitThreads(1)()
	backend, err := cblas.Lookup("")
	if err != nil {
		b.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range []struct{ k, m int }{{896, 4864}, {4096, 4096}} {
		for _, trans := range []bool{true, false} {
			name := fmt.Sprintf("k=%d/m=%d/trans=%v", s.k, s.m, trans)
			ldq := s.m
			if trans {
				ldq = s.k
			}
			macs := float64(s.k) * float64(s.k+1) / 2 * float64(s.m)
			c := make([]float64, s.k*s.k)
			rate := func(b *testing.B) {
				b.ReportMetric(macs*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
			}
			for _, kind := range []string{"gauss", "uniform"} {
				for _, qmax := range []int{127, 63, 31, 15, 7, 3, 1} {
					b.Run(fmt.Sprintf("qmax=%d/%s/codes=%s/simd=%s", qmax, name, kind, SIMD()), func(b *testing.B) {
						q := codes(rng, kind, s.k*s.m, qmax)
						var ws Workspace
						for b.Loop() {
							Syrk(trans, s.k, s.m, q, ldq, qmax, c, s.k, &ws)
						}
						rate(b)
					})
				}
			}
			b.Run(fmt.Sprintf("dsyrk=%s/%s/core=%s", backend.Name(), name, cblas.Library().Core), func(b *testing.B) {
				x := make([]float64, s.k*s.m)
				for i := range x {
					x[i] = rng.NormFloat64()
				}
				t := blas.NoTrans
				if trans {
					t = blas.Trans
				}
				for b.Loop() {
					backend.Dsyrk(blas.Upper, t, s.k, s.m, 1, x, ldq, 1, c, s.k)
				}
				rate(b)
			})
		}
	}
}

// TestSets: the functions of the package take the best set and compute what the Go
// loops do, and the portable set, the zero Set, is always there.
func TestSets(t *testing.T) {
	sets := Sets()
	if got := sets[len(sets)-1]; got != 0 {
		t.Errorf("the last set is %v", got)
	}
	if SIMD() != sets[0].String() || Fast16() != sets[0].fast16() {
		t.Errorf("in use: %s, the best: %v", SIMD(), sets[0])
	}
	const k, m = 9, 50
	rng := rand.New(rand.NewPCG(11, 12))
	got, want := make([]float64, k*k), make([]float64, k*k)
	q := codes(rng, "uniform", k*m, 127)
	Syrk(true, k, m, q, k, 127, got, k, new(Workspace))
	syrkGeneric(true, k, m, q, k, want, k, new(Workspace))
	q16 := elements[int16](rng, "uniform", k*m, 32767)
	Syrk16(false, k, m, q16, m, got, k, new(Workspace))
	syrk16Generic(false, k, m, q16, m, want, k)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
