package testgolden

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSame checks that Same compares text exactly and each number with the one at its
// place.
func TestSame(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"a,1,-2.5e-3", "a,1,-2.5e-3", true},
		{"a,1,-2.5e-3", "a,1.0000000001,-2.5000000001e-03", true},
		{"a,1,2", "a,2,1", false},
		{"a,1", "b,1", false},
		{"a,1", "a,1,1", false},
		{"a,1", "a,1.001", false},
		{"a,1", "a,-1", false},
		{"a,", "a,0", false},
		{"4bit", "5bit", false},
		{"df87e455117,1", "df87e455117,1.0000000001", true},
		{"df87e455117,1", "df87e455118,1", false},
	} {
		if got := Same(tc.a, tc.b, 1e-8); got != tc.want {
			t.Errorf("Same(%q, %q) = %t", tc.a, tc.b, got)
		}
	}
}

// recorder is a test that notes its failures. A fatal one ends in a panic with it.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	panic(r)
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

// failures returns what Text says of a text.
func failures(path, got string) []string {
	r := &recorder{}
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(r) {
				panic(p)
			}
		}()
		Text(r, path, got, 1e-8)
	}()
	return r.failures
}

// TestText: every line that differs is a failure, and so are lines that are missing or too
// many; with the flag the golden file is written.
func TestText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "golden.txt")
	if got := failures(path, "a"); len(got) != 1 || !strings.Contains(got[0], "golden.txt") {
		t.Errorf("without a golden file: %q", got)
	}
	*update = true
	got := failures(path, "a,1\nb,2\nc\n")
	*update = false
	if data, err := os.ReadFile(path); len(got) != 0 || err != nil || string(data) != "a,1\nb,2\nc\n" {
		t.Errorf("written %q, %v, %q", data, err, got)
	}
	for text, want := range map[string][]string{
		"a,1\nb,2\nc\n":            nil,
		"a,1.0000000001\nb,2\nc\n": nil,
		"a,3\nb,2\nd\n":            {"golden.txt:1:", "golden.txt:3:"},
		"a,1\nb,2\n":               {"golden.txt:3:", `golden.txt:4: "" is missing`},
		"a,1\nb,2\nc\n\n":          {`golden.txt:5: "" is not in the golden file`},
	} {
		got := failures(path, text)
		ok := len(got) == len(want)
		for i := range want {
			ok = ok && strings.Contains(got[i], want[i])
		}
		if !ok {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
