// Package testgolden compares the output of tests with golden files below testdata, and reads
// arrays of reference data.
// Tests that use it have a flag -update, which rewrites the golden files.
package testgolden

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// number matches a decimal number and its sign.
var number = regexp.MustCompile(`[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?`)

// Text fails the test for every line in which got differs from the golden file at path.
// Numbers may differ by the relative tolerance, because the last digits of results
// computed from spectra depend on the linked library; all other text must be equal.
func Text(t testing.TB, path, got string, tolerance float64) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(data), "\n")
	for i := range max(len(g), len(w)) {
		switch {
		case i >= len(g):
			t.Fatalf("%s:%d: %q is missing", path, i+1, w[i])
		case i >= len(w):
			t.Fatalf("%s:%d: %q is not in the golden file", path, i+1, g[i])
		case !Same(g[i], w[i], tolerance):
			t.Errorf("%s:%d:\n got %s\nwant %s", path, i+1, g[i], w[i])
		}
	}
}

// Same reports whether a and b are equal except for their numbers, and corresponding
// numbers differ by no more than the relative tolerance.
func Same(a, b string, tolerance float64) bool {
	if a == b {
		return true
	}
	x, y := number.FindAllString(a, -1), number.FindAllString(b, -1)
	if len(x) != len(y) || number.ReplaceAllString(a, "#") != number.ReplaceAllString(b, "#") {
		return false
	}
	for i := range x {
		if x[i] == y[i] {
			continue // digits of a hash may look like a number beyond numbers
		}
		p, _ := strconv.ParseFloat(x[i], 64)
		q, _ := strconv.ParseFloat(y[i], 64)
		if !(math.Abs(p-q) <= tolerance*max(math.Abs(p), math.Abs(q))) {
			return false
		}
	}
	return true
}
