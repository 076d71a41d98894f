package cblas

import (
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/cblas/testcblas"
)

func TestConformance(t *testing.T) {
	for _, b := range backends {
		t.Run("backend="+b.Name(), func(t *testing.T) {
			t.Run("Dsyrk", func(t *testing.T) { testcblas.DsyrkTest(t, b) })
			t.Run("Dgemm", func(t *testing.T) { testcblas.DgemmTest(t, b) })
			t.Run("Misuse", func(t *testing.T) { testcblas.MisuseTest(t, b) })
		})
	}
}

func TestLookup(t *testing.T) {
	for _, name := range append([]string{""}, Names()...) {
		if b, err := Lookup(name); err != nil || name != "" && b.Name() != name {
			t.Errorf("Lookup(%q): %v, %v", name, b, err)
		}
	}
	if _, err := Lookup("none"); err == nil || !strings.Contains(err.Error(), "gonum") {
		t.Errorf("an unknown name: %v", err)
	}
}

// TestLimitThreads: the number of threads is restored when the last holder lets go.
func TestLimitThreads(t *testing.T) {
	before := Library().Threads
	if before == 0 {
		t.Skip("the linked library does not tell its threads")
	}
	a, b := LimitThreads(1), LimitThreads(1)
	if n := Library().Threads; n != 1 {
		t.Errorf("%d threads while held to one", n)
	}
	a()
	a() // a second call does nothing
	if n := Library().Threads; n != 1 {
		t.Errorf("%d threads while one holder is left", n)
	}
	b()
	if n := Library().Threads; n != before {
		t.Errorf("%d threads after, %d before", n, before)
	}
}
