package quant

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/testgolden"
)

// A fakeModel has the tensors of a language model, without weights.
type fakeModel struct {
	layers, width, hidden, vocabulary, keys int
	experts                                 int
	tied                                    bool
	heads, kvHeads                          int
}

// fakeModels are the models of testdata/recipes.json.
var fakeModels = map[string]fakeModel{
	"llama2-7b":      {layers: 32, width: 4096, hidden: 11008, vocabulary: 32000, keys: 4096, heads: 32, kvHeads: 32},
	"llama3-8b":      {layers: 32, width: 4096, hidden: 14336, vocabulary: 128256, keys: 1024, heads: 32, kvHeads: 8},
	"llama2-70b":     {layers: 80, width: 8192, hidden: 28672, vocabulary: 32000, keys: 1024, heads: 64, kvHeads: 8},
	"qwen2.5-0.5b":   {layers: 24, width: 896, hidden: 4864, vocabulary: 151936, keys: 128, tied: true, heads: 14, kvHeads: 2},
	"mixtral-8x7b":   {layers: 32, width: 4096, hidden: 14336, vocabulary: 32000, keys: 1024, experts: 8, heads: 32, kvHeads: 8},
	"moe-64-experts": {layers: 16, width: 2048, hidden: 1024, vocabulary: 50304, keys: 2048, experts: 64, heads: 16, kvHeads: 16},
	"gosrc-lm":       {layers: 4, width: 384, hidden: 1024, vocabulary: 256, keys: 128, heads: 6, kvHeads: 2},
}

// targets returns the tensors of the model by the names of checkpoints or of GGUF files.
func (m fakeModel) targets(gguf bool) (all []Target) {
	add := func(checkpoint, file string, rows, cols int) {
		name := checkpoint
		if gguf {
			name = file
		}
		all = append(all, Target{Name: name + ".weight", Rows: rows, Cols: cols})
	}
	add("model.embed_tokens", "token_embd", m.vocabulary, m.width)
	add("model.norm", "output_norm", 1, m.width)
	if !m.tied {
		add("lm_head", "output", m.vocabulary, m.width)
	}
	for i := range m.layers {
		hf, blk := fmt.Sprintf("model.layers.%d.", i), fmt.Sprintf("blk.%d.", i)
		add(hf+"input_layernorm", blk+"attn_norm", 1, m.width)
		add(hf+"post_attention_layernorm", blk+"ffn_norm", 1, m.width)
		add(hf+"self_attn.q_proj", blk+"attn_q", m.width, m.width)
		add(hf+"self_attn.k_proj", blk+"attn_k", m.keys, m.width)
		add(hf+"self_attn.v_proj", blk+"attn_v", m.keys, m.width)
		add(hf+"self_attn.o_proj", blk+"attn_output", m.width, m.width)
		switch {
		case m.experts == 0:
			add(hf+"mlp.gate_proj", blk+"ffn_gate", m.hidden, m.width)
			add(hf+"mlp.up_proj", blk+"ffn_up", m.hidden, m.width)
			add(hf+"mlp.down_proj", blk+"ffn_down", m.width, m.hidden)
			continue
		case gguf:
			add("", blk+"ffn_gate_exps", m.experts*m.hidden, m.width)
			add("", blk+"ffn_up_exps", m.experts*m.hidden, m.width)
			add("", blk+"ffn_down_exps", m.experts*m.width, m.hidden)
		}
		add(hf+"block_sparse_moe.gate", blk+"ffn_gate_inp", m.experts, m.width)
		for e := 0; e < m.experts && !gguf; e++ {
			expert := hf + fmt.Sprintf("block_sparse_moe.experts.%d.", e)
			add(expert+"w1", "", m.hidden, m.width)
			add(expert+"w3", "", m.hidden, m.width)
			add(expert+"w2", "", m.width, m.hidden)
		}
	}
	return all
}

// shape is what config.json says of the model.
func (m fakeModel) shape() Model {
	return Model{Layers: m.layers, Heads: m.heads, KVHeads: m.kvHeads, Experts: m.experts, Arch: "llama"}
}

// types returns the types in a file, by tensors with the layers as a run-length list, as
// recipes.json has them.
func types(r Recipe, tensors []fileTensor) map[string]string {
	b := r.(*boundRecipe)
	byName := map[string]map[string]bool{}
	lists := map[string][]string{}
	for _, f := range tensors {
		if !f.quantized() {
			continue
		}
		key := f.gguf
		if f.layer >= 0 {
			key = "blk.*" + strings.TrimPrefix(f.gguf, fmt.Sprintf("blk.%d", f.layer))
		}
		byName[f.gguf] = map[string]bool{}
		for _, name := range f.names {
			byName[f.gguf][fitting(b.types[name], f.Cols)] = true
		}
		for typ := range byName[f.gguf] {
			lists[key] = append(lists[key], typ)
		}
	}
	runs := map[string]string{}
	for key, list := range lists {
		if !strings.HasPrefix(key, "blk.") {
			runs[key] = list[0]
			continue
		}
		var text []string
		for at := 0; at < len(list); {
			n := 1
			for at+n < len(list) && list[at+n] == list[at] {
				n++
			}
			if text = append(text, list[at]); n > 1 {
				text[len(text)-1] += fmt.Sprintf("*%d", n)
			}
			at += n
		}
		runs[key] = strings.Join(text, " ")
	}
	return runs
}

const bitsKey = "bits per weight"

// wantedTypes returns the types of files by model, file type and tensor: those of
// testdata/recipes.json, which is a compact copy of the reference data.
func wantedTypes(t *testing.T) map[string]map[string]map[string]string {
	t.Helper()
	data, err := os.ReadFile("testdata/recipes.json")
	if err != nil {
		t.Fatal(err)
	}
	var compact map[string]struct {
		Tensors []string
		Types   map[string][]string
	}
	if err := json.Unmarshal(data, &compact); err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]map[string]string{}
	for model, m := range compact {
		all[model] = map[string]map[string]string{}
		for file, list := range m.Types {
			all[model][file] = map[string]string{}
			for i, typ := range list {
				all[model][file][m.Tensors[i]] = typ
			}
		}
	}
	return all
}

// TestRecipes: the types of all tensors of seven models are those that the reference data
// have, by names of checkpoints and of GGUF files, with and without config.json.
func TestRecipes(t *testing.T) {
	for model, files := range wantedTypes(t) {
		m, ok := fakeModels[model]
		if !ok {
			t.Fatalf("no model %s", model)
		}
		for _, gguf := range []bool{false, true} {
			all := m.targets(gguf)
			tensors := inFile(all, "")
			for file, want := range files {
				r := fileRecipe{file: file}
				for _, shape := range []Model{m.shape(), {}} {
					// Both are told apart by few files, and what config.json says by none.
					if gguf == (shape.Layers > 0) && file != "Q2_K" && file != "Q4_K_M" {
						continue
					}
					bound := Bind(r, all, shape)
					if bound.Name() != r.Name() {
						t.Errorf("%s is called %s", r.Name(), bound.Name())
					}
					got := types(bound, tensors)
					for tensor, typ := range want {
						if tensor != bitsKey && got[tensor] != typ {
							t.Errorf("%s %s %s: %s, want %s", model, file, tensor, got[tensor], typ)
						}
					}
					if len(got) != len(want)-1 {
						t.Errorf("%s %s: types of %d tensors, want %d", model, file, len(got), len(want)-1)
					}
					// Bits per weight have three digits, behind which zeros are left out.
					bits, _ := strconv.ParseFloat(want[bitsKey], 64)
					if math.Abs(bound.BitsPerWeight()-bits) > 0.0005000001 {
						t.Errorf("%s %s: %.5f bits per weight, want %v", model, file, bound.BitsPerWeight(), bits)
					}
					if model == "llama3-8b" && math.Abs(r.BitsPerWeight()-bits) > 1e-9 {
						t.Errorf("%s: %v bits per weight, want %v", file, r.BitsPerWeight(), bits)
					}
				}
			}
		}
	}
}

// TestRecipesCopy: testdata/recipes.json is a copy of the reference data.
func TestRecipesCopy(t *testing.T) {
	data, err := os.ReadFile(testgolden.Shared(t, "../..", "golden/schemes/recipes.json"))
	if err != nil {
		t.Fatal(err)
	}
	var reference map[string]struct {
		Types map[string]map[string]any
	}
	if err := json.Unmarshal(data, &reference); err != nil {
		t.Fatal(err)
	}
	want := wantedTypes(t)
	if len(reference) != len(want) {
		t.Errorf("%d models, want %d", len(want), len(reference))
	}
	for model, m := range reference {
		model, _, _ = strings.Cut(model, " ")
		if len(m.Types) != len(want[model]) {
			t.Errorf("%s: %d file types, want %d", model, len(want[model]), len(m.Types))
		}
		for file, tensors := range m.Types {
			for tensor, typ := range tensors {
				if strings.HasPrefix(tensor, bitsKey) {
					tensor = bitsKey
				}
				if got := want[model][file][tensor]; got != fmt.Sprint(typ) {
					t.Errorf("%s %s %s: %s, want %v", model, file, tensor, got, typ)
				}
			}
		}
	}
}

// TestSchemesOfRecipe: the scheme of a tensor is that of its type, with what the type falls
// back to.
func TestSchemesOfRecipe(t *testing.T) {
	for model, files := range wantedTypes(t) {
		all := fakeModels[model].targets(false)
		for file := range files {
			r, err := Parse("gguf:" + file)
			if strings.HasPrefix(file, "IQ3") {
				if err == nil {
					t.Errorf("%s was taken", file)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			bound := Bind(r, all, Model{}).(*boundRecipe)
			for _, target := range all {
				typ := bound.types[target.Name]
				switch s := bound.For(target).(type) {
				case unchanged:
					if typ != "" {
						t.Errorf("%s %s %s is not quantized", model, file, target.Name)
					}
				case block:
					if got := s.stored().Name(); got != fitting(typ, target.Cols) {
						t.Errorf("%s %s %s: %s, want %s", model, file, target.Name, got, typ)
					}
				}
			}
		}
	}
}

// typesOf returns the types that a recipe has for one kind of tensor, layer by layer.
func typesOf(t *testing.T, name string, all []Target, m Model, suffix string) string {
	t.Helper()
	r, err := Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	bound := Bind(r, all, m)
	var list []string
	for _, target := range all {
		if strings.HasSuffix(target.Name, suffix+".weight") {
			list = append(list, strings.ToUpper(bound.For(target).Name()))
		}
	}
	return strings.Join(list, " ")
}

// TestRecipeRules: rules that no model of the reference data meets. The types were worked out
// by hand from the source of llama-quantize.
func TestRecipeRules(t *testing.T) {
	repeat := func(typ string, n int) string { return strings.TrimSuffix(strings.Repeat(typ+" ", n), " ") }
	seventy := fakeModels["llama2-70b"].targets(false)
	small := fakeModel{layers: 16, width: 1024, hidden: 2048, vocabulary: 1000, keys: 256}
	var falcon []Target
	for i := range 16 {
		blk := fmt.Sprintf("transformer.h.%d.", i)
		falcon = append(falcon, Target{Name: blk + "self_attention.query_key_value.weight", Rows: 66 * 64, Cols: 4096}, Target{Name: blk + "self_attention.dense.weight", Rows: 4096, Cols: 4096},
			Target{Name: blk + "mlp.dense_h_to_4h.weight", Rows: 16384, Cols: 4096}, Target{Name: blk + "mlp.dense_4h_to_h.weight", Rows: 4096, Cols: 16384})
	}
	falcon = append(falcon, Target{Name: "lm_head.weight", Rows: 1000, Cols: 4096})
	hybrid := slices.DeleteFunc(small.targets(false), func(t Target) bool {
		// Every fourth layer has attention only.
		n := layerOf("blk." + strings.TrimPrefix(t.Name, "model.layers."))
		return strings.Contains(t.Name, "self_attn") && n%4 != 3
	})
	latent := small.targets(false)
	for i := range latent {
		latent[i].Name = strings.Replace(latent[i].Name, "v_proj", "kv_b_proj", 1)
	}
	sharing := fakeModel{layers: 16, width: 1024, hidden: 2048, vocabulary: 1000, keys: 256, experts: 4}.targets(false)
	for i := range 16 {
		sharing = append(sharing, Target{Name: fmt.Sprintf("model.layers.%d.mlp.shared_experts.down_proj.weight", i), Rows: 1024, Cols: 2048})
	}
	for _, tc := range []struct {
		name   string
		all    []Target
		model  Model
		suffix string
		want   string
	}{
		{"gguf:q3_k_s", seventy, Model{Arch: "llama"}, "v_proj", repeat("Q5_K", 80)},
		{"gguf:q3_k_s", seventy, Model{Arch: "mistral"}, "v_proj", repeat("Q5_K", 80)},
		{"gguf:q3_k_s", seventy, Model{Arch: "qwen2"}, "v_proj", repeat("Q5_K", 80)},
		{"gguf:q3_k_s", seventy, Model{Arch: "qwen3"}, "v_proj", repeat("Q3_K", 80)},
		{"gguf:q3_k_s", seventy, Model{Arch: "llama", Heads: 64, KVHeads: 64}, "v_proj", repeat("Q3_K", 80)},
		{"gguf:q3_k_s", seventy, Model{Arch: "llama", Layers: 81}, "v_proj", repeat("Q3_K", 80)},
		{"gguf:q4_k_m", falcon, Model{Arch: "falcon"}, "dense_4h_to_h", "Q6_K Q5_K Q4_K Q4_K Q5_K Q4_K Q4_K Q5_K Q4_K Q4_K Q5_K Q4_K Q4_K Q5_K Q5_K Q5_K"},
		{"gguf:q4_k_m", falcon, Model{Arch: "bloom"}, "dense_4h_to_h", "Q6_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q6_K Q6_K"},
		{"gguf:q4_k_m", falcon, Model{Arch: "RefinedWeb"}, "query_key_value", "Q6_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q6_K Q6_K"},
		{"gguf:q4_k_s", falcon, Model{Arch: "falcon"}, "dense_4h_to_h", repeat("Q4_K", 16)},
		{"gguf:q3_k_m", falcon, Model{Arch: "falcon"}, "dense_4h_to_h", "Q5_K Q4_K Q3_K Q3_K Q4_K Q3_K Q3_K Q4_K Q3_K Q3_K Q4_K Q3_K Q3_K Q4_K Q4_K Q4_K"},
		{"gguf:q3_k_l", falcon, Model{Arch: "falcon"}, "dense_4h_to_h", repeat("Q4_K", 16)},
		{"gguf:q3_k_l", falcon, Model{Arch: "falcon"}, "self_attention.dense", repeat("Q4_K", 16)},
		{"gguf:q3_k_m", falcon, Model{Arch: "falcon"}, "self_attention.dense", repeat("Q3_K", 16)},
		{"gguf:q4_k_m", falcon, Model{Arch: "falcon"}, "lm_head", "Q8_0"},
		{"gguf:q4_k_m", falcon, Model{}, "lm_head", "Q6_K"},
		// Heads that share keys, seen in the shape of the fused tensor.
		{"gguf:q2_k", falcon, Model{}, "query_key_value", repeat("Q4_K", 16)},
		// Values are counted among tensors with values, and not among layers.
		{"gguf:q4_k_m", hybrid, Model{}, "v_proj", "Q4_K Q4_K Q6_K Q6_K"},
		{"gguf:q4_k_m", small.targets(false), Model{}, "v_proj", "Q6_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q6_K Q6_K"},
		// A part of a checkpoint whose config.json tells of all.
		{"gguf:q5_k_m", small.targets(false), Model{Layers: 64}, "down_proj", "Q6_K Q6_K Q6_K Q6_K Q6_K Q6_K Q6_K Q6_K Q5_K Q5_K Q6_K Q5_K Q5_K Q6_K Q5_K Q5_K"},
		// With experts the layer counts, in which there are two tensors.
		{"gguf:q4_k_s", sharing, Model{}, "experts.3.w2", "Q5_K Q5_K " + repeat("Q4_K", 14)},
		{"gguf:q4_k_s", sharing, Model{}, "shared_experts.down_proj", "Q5_K Q5_K " + repeat("Q4_K", 14)},
		// Latent attention, which the converter splits for DeepSeek.
		{"gguf:q4_k_m", latent, Model{Arch: "deepseek_v3"}, "kv_b_proj", repeat("Q4_K", 16)},
		{"gguf:mxfp4_moe", latent, Model{Arch: "deepseek_v3"}, "kv_b_proj", repeat("GGML-MXFP4", 16)},
		{"gguf:q4_k_m", latent, Model{Arch: "minicpm3"}, "kv_b_proj", "Q6_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q4_K Q4_K Q6_K Q6_K Q6_K"},
		{"gguf:q4_k_m:pure", small.targets(false), Model{}, "v_proj", repeat("Q4_K", 16)},
		{"gguf:q4_k_m:pure", small.targets(false), Model{}, "lm_head", "Q4_K"},
		{"gguf:mxfp4_moe:pure", small.targets(false), Model{}, "v_proj", repeat("GGML-MXFP4", 16)},
		{"gguf:q1_0", small.targets(false), Model{}, "down_proj", repeat("Q1_0", 16)},
		{"gguf:nvfp4", small.targets(false), Model{}, "lm_head", "Q6_K"},
		{"gguf:nvfp4", small.targets(false), Model{}, "embed_tokens", "GGML-NVFP4"},
		{"gguf:q4_k_m", fakeModels["mixtral-8x7b"].targets(false)[:40], Model{}, "block_sparse_moe.gate", "UNCHANGED"},
	} {
		if got := typesOf(t, tc.name, tc.all, tc.model, tc.suffix); got != tc.want {
			t.Errorf("%s %+v %s:\n%s, want\n%s", tc.name, tc.model, tc.suffix, got, tc.want)
		}
	}
}

// TestRecipeErrors: file types for which llama-quantize needs data, or this program a type, are
// refused, and so are tensors at which it stops.
func TestRecipeErrors(t *testing.T) {
	for name, want := range map[string]string{
		"gguf:q2_k_s": "importance matrix", "q2_k_s": "importance matrix", "gguf:iq1_s": "importance matrix", "gguf:iq2_m": "importance matrix", "gguf:iq3_xxs:pure": "importance matrix",
		"gguf:iq3_xs": "importance matrix", "gguf:iq3_m": "the type IQ3_S", "gguf:iq3_s": "the type IQ3_S", "gguf:q7_k": "no file type Q7_K", "gguf:f16": "no file type F16",
		"gguf:q4_k_m@bf16": "one type only",
	} {
		if _, err := Parse(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	for _, tc := range []struct {
		recipe, tensor string
		cols           int
		want           string // empty for an error
	}{
		{"gguf:q4_k_m", "model.layers.0.self_attn.q_proj.weight", 320, "Q5_0: rows are no multiple of 256"},
		{"gguf:q4_k_m:pure", "lm_head.weight", 320, "Q5_0: rows are no multiple of 256"},
		{"gguf:q6_k", "model.layers.0.self_attn.q_proj.weight", 48, "float16: rows are no multiple of 256, nor of 32"},
		{"gguf:q8_0", "model.layers.0.self_attn.q_proj.weight", 48, ""},
		{"gguf:q4_0", "model.layers.0.self_attn.q_proj.weight", 48, ""},
		{"gguf:q4_k_m", "lm_head.weight", 48, ""}, // Q8_0, for which there is no other type
		{"gguf:mxfp4_moe", "model.layers.0.mlp.experts.down_proj", 48, ""},
		{"gguf:q1_0", "model.layers.0.self_attn.q_proj.weight", 192, ""},
	} {
		r, err := Parse(tc.recipe)
		if err != nil {
			t.Fatal(err)
		}
		target := Target{Name: tc.tensor, Rows: 2, Cols: tc.cols}
		s := Bind(r, []Target{target}, Model{}).For(target)
		if s != r.For(target) {
			t.Errorf("%s %s: %v, and %v unbound", tc.recipe, tc.tensor, s, r.For(target))
		}
		_, err = s.Fit(Dense{Rows: 2, Cols: tc.cols, W: make([]float32, 2*tc.cols)}, checkpoint.F32)
		if (err == nil) != (tc.want != "") || err != nil && !strings.Contains(err.Error(), "llama-quantize stops") {
			t.Errorf("%s %s of %d: %v", tc.recipe, tc.tensor, tc.cols, err)
		}
		if note := s.(block).Note(); tc.want != "" && note != tc.want {
			t.Errorf("%s %s of %d: %s, want %s", tc.recipe, tc.tensor, tc.cols, note, tc.want)
		}
	}
}

// TestRecipeNames: recipes are called as they are parsed, in any case, by all names that
// llama-quantize takes.
func TestRecipeNames(t *testing.T) {
	for name, want := range map[string]string{
		"q4_k_m": "gguf:q4_k_m", "Q4_K_M": "gguf:q4_k_m", "gguf:Q4_K": "gguf:q4_k_m", "gguf:q3_k": "gguf:q3_k_m", "gguf:q5_k:pure": "gguf:q5_k_m:pure", "q3_k_l": "gguf:q3_k_l",
		"q5_k_s:pure": "gguf:q5_k_s:pure", "mxfp4_moe": "gguf:mxfp4_moe", "gguf:q2_k": "gguf:q2_k", "q2_k": "q2_k", "q8_0": "q8_0", "gguf:q8_0": "gguf:q8_0", "gguf:iq4_xs": "gguf:iq4_xs",
	} {
		r, err := Parse(name)
		if err != nil || r.Name() != want {
			t.Errorf("%s: %v %v, want %s", name, r, err, want)
			continue
		}
		if again, err := Parse(r.Name()); err != nil || again != r || r.Reference() {
			t.Errorf("%s: %v, %v", r.Name(), again, err)
		}
		if Bind(r, nil, Model{}).Name() != want {
			t.Errorf("%s is called %s when bound", want, Bind(r, nil, Model{}).Name())
		}
	}
	if r, _ := Parse("gguf:q4_k_m:pure"); r.BitsPerWeight() != 4.5 {
		t.Errorf("%v bits per weight", r.BitsPerWeight())
	}
	for _, r := range []Recipe{Stored, FP16} {
		if Bind(r, nil, Model{}) != r {
			t.Errorf("%s became another recipe", r.Name())
		}
	}
	// A file type that the reference data do not have: a weight takes as much as a model of that
	// shape does.
	for _, file := range []string{"Q1_0", "NVFP4"} {
		r := fileRecipe{file: file}
		if got := Bind(r, fakeModels["llama3-8b"].targets(true), Model{}).BitsPerWeight(); math.Abs(got-r.BitsPerWeight()) > 0.0005 {
			t.Errorf("%s: %v bits per weight, %v of Llama-3-8B", file, r.BitsPerWeight(), got)
		}
	}
}
