package quant_test

import (
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/quant"
)

func TestMap(t *testing.T) {
	r, err := quant.ParseMap("# a comment\nlm_head = Q6_K\n\n*.down_proj=int8-row , *.a=b=4\n*=8bit\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if want := "map:lm_head =q6_k,*.down_proj=int8-row,*.a=b=4bit,*=8bit"; strings.ReplaceAll(r.Name(), " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("name %q", r.Name())
	}
	if back, err := quant.Parse(r.Name()); err != nil || back != r {
		t.Errorf("%v reads back as %v, %v", r, back, err)
	}
	for name, want := range map[string]string{
		"lm_head.weight": "q6_k", "model.layers.0.mlp.down_proj.weight": "int8-row", "x.a=b": "4bit", "other": "8bit", "LM_HEAD.weight": "8bit",
	} {
		if got := r.For(quant.Target{Name: name, Rows: 256, Cols: 256}).Name(); got != want {
			t.Errorf("%s gets %s, want %s", name, got, want)
		}
		if got := quant.Bind(r, nil, quant.Model{}).For(quant.Target{Name: name, Rows: 256, Cols: 256}).Name(); got != want {
			t.Errorf("%s gets %s of the bound recipe, want %s", name, got, want)
		}
	}
	if none := quant.Unmatched(r, []string{"lm_head.weight", "a"}); len(none) != 2 {
		t.Errorf("unmatched %q", none)
	}
	if f := quant.FileName(r); !strings.HasPrefix(f, "map-") || len(f) != 12 {
		t.Errorf("file name %q", f)
	}
	some, err := quant.ParseMap("a=4bit")
	if err != nil || !quant.IsStored(some.For(quant.Target{Name: "b.weight"})) {
		t.Errorf("what no rule matches is not stored, %v", err)
	}
	for _, bad := range []string{"", "#", "a", "=4bit", "a=", "a=nothing", strings.Repeat("a=4bit,", 10001), strings.Repeat("x", 1<<21)} {
		if r, err := quant.ParseMap(bad); err == nil {
			t.Errorf("%.20q was taken: %s", bad, r.Name())
		}
	}
}
