package cli

import "testing"

// TestNearest: what was meant is found, and nothing is guessed that was not.
func TestNearest(t *testing.T) {
	commands := []string{"analyze", "describe", "quantize", "validate", "compare", "bench", "env", "help", "version"}
	flags := []string{"quantizations", "q", "output-dir", "o", "threads", "t", "model-name", "max-evals", "max-n", "max-N", "min-evals", "json", "quiet", "quantize-embeddings"}
	for _, tc := range []struct {
		names []string
		typed string
		want  string
	}{
		{commands, "anlyze", "analyze"}, {commands, "analyse", "analyze"}, {commands, "Analyze", "analyze"},
		{commands, "anal", "analyze"}, {commands, "evn", "env"}, {commands, "halp", "help"},
		{commands, "bnech", "bench"}, {commands, "descirbe", "describe"}, {commands, "quantise", "quantize"},
		{commands, "foo", ""}, {commands, "a", ""}, {commands, "", ""}, {commands, "results", ""}, {commands, "en", "env"},
		{commands, "model.safetensors", ""}, {commands, "end", "env"},
		{flags, "quantization", "quantizations"}, {flags, "quantisations", "quantizations"}, {flags, "ouput-dir", "output-dir"},
		{flags, "output", "output-dir"}, {flags, "thread", "threads"}, {flags, "mx-evals", "max-evals"},
		{flags, "m-evals", ""}, {flags, "quant", ""}, {flags, "frobnicate", ""}, {flags, "x", ""},
	} {
		if got := Nearest(tc.typed, tc.names); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.typed, got, tc.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "xbc", 1}, {"ca", "abc", 3}, {"kitten", "sitting", 3}} {
		if got := distance([]rune(tc.a), []rune(tc.b)); got != tc.want {
			t.Errorf("%q, %q: %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}
