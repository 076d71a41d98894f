package mem

import (
	"runtime"
	"testing"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{"1": 1, "2K": 2048, "1.5GiB": 3 << 29, "24g": 24 << 30, "10 MB"[:2] + "M": 10 << 20, "1T": 1 << 40} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "G", "-1G", "0", "x", "1e30G", "NaN"} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("ParseSize(%q) = %d", s, got)
		}
	}
}

func TestText(t *testing.T) {
	for n, want := range map[int64]string{5: "5 B", 1024: "1.0 KiB", 3 << 29: "1.5 GiB"} {
		if got := Text(n); got != want {
			t.Errorf("Text(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestAvailable(t *testing.T) {
	if n := Available(); runtime.GOOS == "linux" && n < 1<<20 {
		t.Errorf("%d bytes available", n)
	}
}
