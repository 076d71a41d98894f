package glob

import "testing"

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "a/b.c", true}, {"a*", "abc", true}, {"*c", "abc", true}, {"*b*", "abc", true}, {"a?c", "abc", true},
		{"a?c", "ac", false}, {"a[1]", "a[1]", true}, {"a,b", "a,b", true}, {"*a*a*", "banana", true}, {"*a*b", "banana", false}, {"**", "x", true}, {"st*r", "st*r", true},
		{"*.down_proj", "model.layers.0.mlp.down_proj", true}, {"lm_head", "lm_head.weight", false},
	} {
		if got := Match(tc.pattern, tc.name); got != tc.want {
			t.Errorf("Match(%q, %q) = %v", tc.pattern, tc.name, got)
		}
	}
}
