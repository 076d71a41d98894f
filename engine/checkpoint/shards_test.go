package checkpoint

import (
	"slices"
	"testing"
)

// TestNumbered checks which names make a set and what it lacks.
func TestNumbered(t *testing.T) {
	for _, tc := range []struct {
		name    string
		names   []string
		sets    []string
		missing []string
		more    int
	}{
		{name: "no numbers", names: []string{"model.safetensors", "a-of-b", "-00001-of-00002", "x00001-of-00002.bin", "m-0000a-of-00002.bin", "m-00001-of-0000a.bin", "m-00003-of-00002.bin", "m-00000-of-00000.bin", "m-00001-of-00002bin", "m-0000001-of-0000002.bin", "m\n-1-of-2.bin"}},
		{name: "whole", names: []string{"m-00002-of-00002.bin", "m-00001-of-00002.bin"}, sets: []string{"m-*-of-00002.bin"}},
		{name: "from zero", names: []string{"m-00000-of-00002.bin", "m-00001-of-00002.bin"}, sets: []string{"m-*-of-00002.bin"}},
		{name: "from zero, with the last number", names: []string{"m-0-of-2.x", "m-1-of-2.x", "m-2-of-2.x"}, sets: []string{"m-*-of-2.x"}},
		{name: "from zero, incomplete", names: []string{"m-00000-of-00003.bin", "m-00002-of-00003.bin"}, sets: []string{"m-*-of-00003.bin"}, missing: []string{"m-00001-of-00003.bin"}},
		{name: "six digits of a count", names: []string{"model-00001-of-000003.safetensors", "model-00003-of-000003.safetensors"}, sets: []string{"model-*-of-000003.safetensors"}, missing: []string{"model-00002-of-000003.safetensors"}},
		{name: "no padding", names: []string{"model-1-of-11.safetensors", "model-10-of-11.safetensors", "model-2-of-11.safetensors", "model-3-of-11.safetensors", "model-4-of-11.safetensors", "model-5-of-11.safetensors", "model-6-of-11.safetensors", "model-7-of-11.safetensors", "model-8-of-11.safetensors"}, sets: []string{"model-*-of-11.safetensors"}, missing: []string{"model-9-of-11.safetensors", "model-11-of-11.safetensors"}},
		{name: "underscores", names: []string{"model_00001-of-00002.safetensors"}, sets: []string{"model_*-of-00002.safetensors"}, missing: []string{"model_00002-of-00002.safetensors"}},
		{name: "underscores all over", names: []string{"model_1_of_2.safetensors"}, sets: []string{"model_*_of_2.safetensors"}, missing: []string{"model_2_of_2.safetensors"}},
		{name: "no prefix", names: []string{"1-of-2.x"}, sets: []string{"*-of-2.x"}, missing: []string{"2-of-2.x"}},
		{name: "a variant behind the number", names: []string{"m-00001-of-00002.fp16.x"}, sets: []string{"m-*-of-00002.fp16.x"}, missing: []string{"m-00002-of-00002.fp16.x"}},
		{name: "two sets", names: []string{"m-00002-of-00003.bin", "n-00001-of-00002.x"}, sets: []string{"m-*-of-00003.bin", "n-*-of-00002.x"}, missing: []string{"m-00001-of-00003.bin", "m-00003-of-00003.bin", "n-00002-of-00002.x"}},
		{name: "many", names: []string{"m-999999-of-999999.bin"}, sets: []string{"m-*-of-999999.bin"}, more: 999978},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sets, rest := Numbered(tc.names)
			var names, missing []string
			more, files := 0, len(rest)
			for _, s := range sets {
				names = append(names, s.String())
				m, n := s.Missing()
				missing, more, files = append(missing, m...), more+n, files+len(s.Names)
				if s.Complete() != (len(m) == 0) {
					t.Errorf("%s: Complete() = %t with %d missing", s, s.Complete(), len(m))
				}
			}
			if !slices.Equal(names, tc.sets) || more != tc.more || files != len(tc.names) {
				t.Errorf("sets %q, %d more, %d files; want %q, %d more, %d files", names, more, files, tc.sets, tc.more, len(tc.names))
			}
			for _, s := range sets {
				if zero := s.FromZero(); zero != "" && (slices.Contains(tc.names, zero) || s.Complete()) {
					t.Errorf("%s: FromZero() = %q", s, zero)
				}
			}
			if tc.more == 0 && !slices.Equal(missing, tc.missing) || tc.more > 0 && len(missing) != maxMissing {
				t.Errorf("missing %q, want %q", missing, tc.missing)
			}
		})
	}
}

func TestPart(t *testing.T) {
	for name, want := range map[string]string{
		"model-00001-of-00003.safetensors":   "part 1 of 3",
		"model-00000-of-00003.safetensors":   "part 0 (counted from 0) of 3",
		"model-00003-of-000163.safetensors":  "part 3 of 163",
		"model-00001-of-00001.safetensors":   "",
		"model.safetensors":                  "",
		"model-00004-of-00003.safetensors":   "",
		"layer-12-of-the-model.safetensors":  "",
		"model_7-of-61.fp16.safetensors":     "part 7 of 61",
		"model-00001-of-00002 copy.gguf.bin": "",
	} {
		if got := Part(name); got != want {
			t.Errorf("Part(%q) = %q, want %q", name, got, want)
		}
	}
}
