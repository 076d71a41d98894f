//go:build unix

package main

import (
	"testing"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/engine"
)

// TestWantedCore: other kernels are wanted where OpenBLAS chose badly, or where results
// are to be reproducible and it can run those kernels; else the process goes on as it is.
func TestWantedCore(t *testing.T) {
	for _, tc := range []struct {
		library, core, arch, better string
		reproducible                bool
		want                        string
	}{
		{"OpenBLAS", "SkylakeX", "amd64", "", false, ""},
		{"OpenBLAS", "Haswell", "amd64", "", false, ""},
		{"OpenBLAS", "Zen", "amd64", "", false, ""},
		{"OpenBLAS", "Prescott", "amd64", "SkylakeX", false, "SkylakeX"},
		{"OpenBLAS", "SkylakeX", "amd64", "", true, "Haswell"},
		{"OpenBLAS", "Prescott", "amd64", "SkylakeX", true, "Haswell"},
		{"OpenBLAS", "Haswell", "amd64", "", true, ""},
		{"OpenBLAS", "NEOVERSEN1", "arm64", "", true, ""},
		{"OpenBLAS", "NEOVERSEN1", "arm64", "", false, ""},
		{"MKL", "", "amd64", "", true, ""},
		{"none", "", "amd64", "", true, ""},
		{"none", "", "amd64", "", false, ""},
	} {
		env := engine.Environment{Library: cblas.Info{Library: tc.library, Core: tc.core}, Arch: tc.arch, BetterCore: tc.better}
		if got := wantedCore(&env, tc.reproducible); got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}
