package testgolden

import "testing"

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
	} {
		if got := Same(tc.a, tc.b, 1e-8); got != tc.want {
			t.Errorf("Same(%q, %q) = %t", tc.a, tc.b, got)
		}
	}
}
