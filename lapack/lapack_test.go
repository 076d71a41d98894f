package lapack

import (
	"errors"
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
