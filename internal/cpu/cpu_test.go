package cpu

import (
	"runtime"
	"testing"
)

func TestBetterCore(t *testing.T) {
	for core, slow := range map[string]bool{"Prescott": true, "Nehalem": true, "Haswell": false, "Zen": false, "SkylakeX": false, "": false, "armv8": false} {
		got := BetterCore(core)
		want := ""
		if slow && runtime.GOARCH == "amd64" {
			want = bestCore(hasAVX512(), true)
		}
		if got != want && !(slow && got == "") {
			t.Errorf("BetterCore(%q) = %q, want %q", core, got, want)
		}
	}
	for _, tc := range []struct {
		avx512, avx2 bool
		want         string
	}{{true, true, "SkylakeX"}, {false, true, "Haswell"}, {false, false, ""}} {
		if got := bestCore(tc.avx512, tc.avx2); got != tc.want {
			t.Errorf("bestCore(%v, %v) = %q, want %q", tc.avx512, tc.avx2, got, tc.want)
		}
	}
}
