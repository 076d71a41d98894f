package cpu

import (
	"runtime"
	"slices"
	"testing"
)

func TestSets(t *testing.T) {
	if got := Sets[int]([]string{"scalar", "no such set"}); !slices.Equal(got, []int{0}) {
		t.Errorf("an unknown set is usable: %v", got)
	}
	if got := Sets[int]([]string{"generic", "scalar"}); !slices.Equal(got, []int{1, 0}) {
		t.Errorf("not the best first: %v", got)
	}
	if runtime.GOARCH == "arm64" && !Supports("neon") {
		t.Error("arm64 without NEON")
	}
}

// TestNames: names end with the first empty string.
func TestNames(t *testing.T) {
	table := []string{"scalar", "avx2", "", "avx512"}
	if got := Names(func(i int) string { return table[i] }); !slices.Equal(got, table[:2]) {
		t.Errorf("names %q, want %q", got, table[:2])
	}
}

// TestSupports: a set that builds on another is there only if that one is, and no
// machine has those of two architectures.
func TestSupports(t *testing.T) {
	for set, below := range map[string]string{"avx512vnni": "avx512", "avx512": "avx2", "avxvnni": "avx2", "dotprod": "neon"} {
		if Supports(set) && !Supports(below) {
			t.Errorf("%s without %s", set, below)
		}
	}
	if Supports("avx2") && runtime.GOARCH != "amd64" || Supports("neon") && runtime.GOARCH != "arm64" {
		t.Errorf("sets of another architecture than %s", runtime.GOARCH)
	}
}
