package lapack

import (
	"errors"
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
			t.Run("Error32", func(t *testing.T) { testlapack.Error32Test(t, b) })
			t.Run("SingularValues", func(t *testing.T) { testlapack.SingularValuesTest(t, b) })
			t.Run("LowRank", func(t *testing.T) { testlapack.LowRankTest(t, b) })
			t.Run("QR", func(t *testing.T) { testlapack.QRTest(t, b) })
			t.Run("Misuse", func(t *testing.T) { testlapack.MisuseTest(t, b) })
			t.Run("Concurrency", func(t *testing.T) { testlapack.ConcurrencyTest(t, b) })
		})
	}
}

// TestPreserving: a backend that says so leaves the matrix alone, by all its paths.
func TestPreserving(t *testing.T) {
	defer cblas.LimitThreads(1)()
	for _, b := range backends {
		p, ok := b.(Preserving)
		if !ok {
			continue
		}
		for _, n := range []int{1, 2, 33, 300, 460, 720, 900} {
			rng := rand.New(rand.NewPCG(uint64(n), 1))
			a, single := make([]float64, n*n), make([]float32, n*n)
			for i := range a {
				a[i] = rng.NormFloat64()
				single[i] = float32(a[i])
			}
			was, was32 := slices.Clone(a), slices.Clone(single)
			if err := p.SymEigenvalues(n, a, n, make([]float64, n)); err != nil {
				t.Fatal(err)
			}
			if err := p.SymEigenvalues32(n, single, n, make([]float32, n)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(a, was) || !slices.Equal(single, was32) {
				t.Errorf("%s writes to a matrix of order %d", b.Name(), n)
			}
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
