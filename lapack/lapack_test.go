package lapack

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/lapack/testlapack"
)

func TestConformance(t *testing.T) {
	// Backends run one thread a call, as the engine has them.
	defer cblas.LimitThreads(1)()
	for _, b := range backends {
		t.Run("backend="+b.Name(), func(t *testing.T) {
			t.Run("SymEigenvalues", func(t *testing.T) { testlapack.SymEigenvaluesTest(t, b) })
			t.Run("SymEigenvalues32", func(t *testing.T) { testlapack.SymEigenvalues32Test(t, b) })
			t.Run("SingularValues", func(t *testing.T) { testlapack.SingularValuesTest(t, b) })
			t.Run("LowRank", func(t *testing.T) { testlapack.LowRankTest(t, b) })
			t.Run("QR", func(t *testing.T) { testlapack.QRTest(t, b) })
			t.Run("NonFinite", func(t *testing.T) { testlapack.NonFiniteTest(t, b, ErrNotFinite) })
			t.Run("Empty", func(t *testing.T) { testlapack.EmptyTest(t, b) })
			t.Run("Misuse", func(t *testing.T) { testlapack.MisuseTest(t, b) })
			t.Run("Concurrency", func(t *testing.T) { testlapack.ConcurrencyTest(t, b) })
		})
	}
}

// TestIntact: the default backend leaves the matrix alone, by all its paths.
func TestIntact(t *testing.T) {
	defer cblas.LimitThreads(1)()
	b := backends[0]
	if b.Name() != "twostage" {
		t.Skip("not in this build")
	}
	for _, n := range []int{1, 2, 33, 300, 460, 720, 900} {
		rng := rand.New(rand.NewPCG(uint64(n), 1))
		a, single := make([]float64, n*n), make([]float32, n*n)
		for i := range a {
			a[i] = rng.NormFloat64()
			single[i] = float32(a[i])
		}
		was, was32 := slices.Clone(a), slices.Clone(single)
		if intact, err := b.SymEigenvalues(n, a, n, make([]float64, n)); err != nil || !intact {
			t.Fatalf("intact %v, %v", intact, err)
		}
		if intact, err := b.SymEigenvalues32(n, single, n, make([]float32, n)); err != nil || !intact {
			t.Fatalf("float32: intact %v, %v", intact, err)
		}
		if !slices.Equal(a, was) || !slices.Equal(single, was32) {
			t.Errorf("a matrix of order %d is written to", n)
		}
	}
}

func TestLookup(t *testing.T) {
	names := Names()
	if names[len(names)-1] != "gonum" {
		t.Errorf("backends %v: the last is not the one that is always there", names)
	}
	for _, name := range append([]string{""}, names...) {
		if b, err := Lookup(name); err != nil || name != "" && b.Name() != name {
			t.Errorf("Lookup(%q): %v, %v", name, b, err)
		}
	}
	if _, err := Lookup("none"); err == nil || !strings.Contains(err.Error(), "gonum") {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestInfo(t *testing.T) {
	if err := infoError("dsyevd", 0); err != nil {
		t.Error(err)
	}
	if err := infoError("dsyevd", 7); !errors.Is(err, ErrNotConverged) || !strings.Contains(err.Error(), "7") {
		t.Error(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a wrong argument is not a panic")
		}
	}()
	infoError("dsyevd", -3)
}

// TestFinite: one bad element at any place of a row of any length is found.
func TestFinite(t *testing.T) {
	for n := range 11 {
		x, x32 := make([]float64, n), make([]float32, n)
		if !finite(x) || !finite(x32) {
			t.Errorf("%d zeros are not finite", n)
		}
		for i := range n {
			for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				x[i], x32[i] = bad, float32(bad)
				if finite(x) || finite(x32) {
					t.Errorf("%v at %d of %d is finite", bad, i, n)
				}
				x[i], x32[i] = math.MaxFloat64, math.MaxFloat32
			}
		}
		if !finite(x) || !finite(x32) {
			t.Errorf("%d of the largest numbers are not finite", n)
		}
	}
}
