package engine_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// shaped is a checkpoint of headers alone.
type shaped struct {
	*memory
	path string
}

func (s shaped) Path() string { return s.path }

// kinds describes float16 tensors of the given names and shapes, in a folder with the
// given config.json, by name.
func kinds(t *testing.T, config string, shapes map[string][]int, change func(*engine.Options)) map[string]engine.TensorStatus {
	t.Helper()
	dir := t.TempDir()
	if config != "" {
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	m := newMemory()
	for name, shape := range shapes {
		d := checkpoint.F16
		if typ, rest, ok := strings.Cut(name, " "); ok {
			d, _ = checkpoint.ParseDType(typ)
			name = rest
		}
		m.addAs(d, name, nil, shape...)
	}
	opts := engine.DefaultOptions()
	if change != nil {
		change(&opts)
	}
	plan, err := engine.Describe(shaped{m, dir}, opts)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]engine.TensorStatus{}
	for _, ts := range plan.Tensors {
		all[ts.Name] = ts
	}
	return all
}

// TestKinds: what a tensor is follows from its shape and the last part of its name,
// whatever modules around it are called.
func TestKinds(t *testing.T) {
	for kind, shapes := range map[engine.Kind]map[string][]int{
		engine.KindMatrix: {
			"a.weight": {20, 30}, "lstm.weight_ih_l0": {80, 20}, "attn.in_proj_weight": {60, 20}, "params/layers_0/attn/q_proj/kernel": {24, 40},
			"albert.encoder.embedding_hidden_mapping_in.weight": {48, 64}, "electra.embeddings_project.weight": {48, 64},
			"mobilebert.embeddings.embedding_transformation.weight": {48, 64}, "unet.time_embedding.linear_1.weight": {48, 64},
			"unet.add_embedding.linear_2.weight": {48, 64}, "time_embed.0.weight": {48, 64}, "label_emb.0.0.weight": {48, 64},
			"bbox_embed.layers.0.weight": {48, 64}, "embed_out.weight": {48, 64}, "word_embed_proj.weight": {48, 64},
			"shared_expert.up_proj.weight": {48, 64}, "experts.3.w1.weight": {48, 64}, "lm_head.weight": {500, 64},
			"big.weight": {20000, 20000}, "long.weight": {20, 600000},
		},
		engine.KindTable: {
			"model.embed_tokens.weight": {500, 64}, "transformer.wte.weight": {500, 64}, "bert.embeddings.word_embeddings.weight": {500, 64},
			"bert.embeddings.position_embeddings.weight": {64, 64}, "query_embed.weight": {100, 64}, "shared.weight": {500, 64}, "emb.weight": {500, 64},
			"token_embd.weight": {500, 64}, "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": {32, 12},
			"attn.relative_position_bias_table": {169, 12}, "model.tok_embeddings.weight": {500, 64}, "params/embed/embedding": {500, 64},
			"model.decoder.embed_positions.weight": {100, 64}, "pos_embed": {1, 197, 64}, "backbone.embedding.weight": {500, 64},
			"gpt_neox.embed_in.weight": {500, 64}, "model.embed_tokens_per_layer.weight": {500, 64},
		},
		engine.KindMatrices: {
			"mlp.experts.gate_up_proj": {3, 16, 24}, "blk.0.ffn_gate_exps.weight": {8, 64, 32}, "moe.input_linear.weight": {4, 64, 32},
			"params/layers/mlp/kernel": {12, 64, 32},
		},
		engine.KindConvolution: {
			"conv.weight": {8, 4, 3, 3}, "params/conv/kernel": {3, 3, 16, 24}, "conv1.weight": {16, 8, 5}, "encoder.pos.0.weight": {64, 48, 16},
			"video.proj.weight": {64, 3, 2, 4, 4}, "video/conv/kernel": {2, 4, 4, 16, 64}, "vision.embeddings.patch_embedding.weight": {96, 3, 16, 16},
		},
		engine.KindVector: {
			"a.bias": {20}, "norm.weight": {20}, "scalar": nil, "attn.bias": {1, 1, 64, 64}, "attn.q_norm.weight": {16, 64}, "cls": {1, 1, 64},
		},
		engine.KindBuffer: {
			"attn.masked_bias": {64, 64}, "causal_mask": {64, 64}, "rotary_emb.cos_cached": {512, 64}, "freqs_cis": {512, 64},
			"I64 swin.relative_position_index": {49, 49}, "I32 embeddings.position_ids": {1, 512}, "BOOL attn.flags": {64, 64},
		},
		engine.KindCompanion: {
			"q.weight_scale_inv": {16, 16}, "q.scales": {16, 128}, "q.weight.absmax": {64, 2}, "r.biases": {16, 8}, "r.zero": {16, 8},
			"w.weight_scale": {64, 4},
		},
		engine.KindPacked: {
			"I32 q.qweight": {16, 128}, "F8_E4M3 v.weight": {64, 128}, "U32 r.weight": {16, 128}, "I8 s.weight": {16, 128},
		},
		engine.KindOptimizer: {
			"optimizer.state.0": {64, 64}, "a.exp_avg": {64, 64}, "a.exp_avg_sq": {64, 64},
		},
		engine.KindOther: {"none.weight": {0, 30}, "six": {2, 2, 2, 2, 2, 2}},
	} {
		// The companions belong to the packed tensors of their modules.
		all := map[string][]int{}
		for name, shape := range shapes {
			all[name] = shape
		}
		if kind == engine.KindCompanion {
			all["I32 q.qweight"], all["U32 r.weight"] = []int{16, 128}, []int{16, 128}
		}
		got := kinds(t, "", all, nil)
		for name := range shapes {
			_, plain, ok := strings.Cut(name, " ")
			if !ok {
				plain = name
			}
			ts := got[plain]
			if ts.Kind != kind {
				t.Errorf("%s: %s (%s), want %s", name, ts.Kind, ts.Reason, kind)
			}
			weights := slices.Contains([]engine.Kind{engine.KindMatrix, engine.KindMatrices, engine.KindConvolution, engine.KindTable}, kind)
			if (ts.Status == engine.Planned) != weights || weights == (ts.Reason != "") {
				t.Errorf("%s: %s, %q", name, ts.Status, ts.Reason)
			}
			if weights && ts.Layers[0].Quantized != (kind != engine.KindTable) || (kind == engine.KindTable) != (ts.Kept != "") {
				t.Errorf("%s: quantized %v, kept because %q", name, ts.Quantized(), ts.Kept)
			}
		}
	}
}

// TestArchitectures: names and shapes of the tensors of well-known models, and of others made
// like them: whether they are multiplied, and so quantized, looked up in, or neither.
func TestArchitectures(t *testing.T) {
	data, err := os.ReadFile("testdata/kinds.json")
	if err != nil {
		t.Fatal(err)
	}
	var models []struct {
		Model   string
		Config  map[string]any
		Tensors [][3]any
	}
	if err := json.Unmarshal(data, &models); err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		config, _ := json.Marshal(m.Config)
		shapes := map[string][]int{}
		for _, tensor := range m.Tensors {
			shape := []int{}
			for _, d := range tensor[1].([]any) {
				shape = append(shape, int(d.(float64)))
			}
			shapes[tensor[0].(string)] = shape
		}
		got := kinds(t, string(config), shapes, func(o *engine.Options) { o.MinEvals = 0 })
		for _, tensor := range m.Tensors {
			ts, use := got[tensor[0].(string)], "none"
			switch ts.Kind {
			case engine.KindTable:
				use = "table"
			case engine.KindMatrix, engine.KindMatrices, engine.KindConvolution:
				use = "multiplied"
			}
			if use != tensor[2] || ts.Quantized() != (use == "multiplied") {
				t.Errorf("%s: %s %v is %s (%s), want %s", m.Model, tensor[0], tensor[1], ts.Kind, ts.Reason, tensor[2])
			}
		}
	}
}

// TestConfig: config.json tells tables and stacks whose names tell little.
func TestConfig(t *testing.T) {
	const config = "\xef\xbb\xbf" + `{"text_config": {"vocab_size": 500, "num_local_experts": 128}, "max_position_embeddings": 64,
		"quantization_config": {"quant_method": "gptq", "bits": 4}}`
	shapes := map[string][]int{
		"model.input.weight": {500, 32}, "model.y.weight": {500, 32}, "model.tok.weight": {501, 32}, "out_proj.weight": {500, 32}, "h.c_attn.weight": {64, 192},
		"moe.w.weight": {128, 64, 32}, "I32 p.qweight": {64, 32},
	}
	got := kinds(t, config, shapes, nil)
	for name, want := range map[string]engine.Kind{
		"model.input.weight": engine.KindTable, "model.y.weight": engine.KindMatrix, "model.tok.weight": engine.KindMatrix, "h.c_attn.weight": engine.KindMatrix,
		"out_proj.weight": engine.KindMatrix, "moe.w.weight": engine.KindMatrices,
	} {
		if got[name].Kind != want {
			t.Errorf("%s: %s, want %s", name, got[name].Kind, want)
		}
	}
	if r := got["p.qweight"].Reason; !strings.Contains(r, "gptq") {
		t.Errorf("packed: %s", r)
	}
	if got := kinds(t, "", shapes, nil); got["model.input.weight"].Kind != engine.KindMatrix || got["moe.w.weight"].Kind != engine.KindConvolution {
		t.Errorf("without config.json: %s, %s", got["model.input.weight"].Kind, got["moe.w.weight"].Kind)
	}
	for _, bad := range []string{"{", "[]", `{"vocab_size": "many"}`, `{"vocab_size": 1e300}`} {
		kinds(t, bad, shapes, nil)
	}
}

// TestLayouts: the matrices of convolutions and stacks.
func TestLayouts(t *testing.T) {
	got := kinds(t, "", map[string][]int{
		"conv.weight": {16, 8, 3, 3}, "hwio/conv/kernel": {3, 3, 16, 24}, "conv1.weight": {16, 8, 5}, "experts.w": {3, 16, 24},
	}, func(o *engine.Options) { o.MinEvals = 0 })
	for name, want := range map[string]engine.Layer{
		"conv.weight":      {LongName: "conv", Type: engine.Conv2D, Rows: 16, Cols: 8, Slices: 9},
		"hwio/conv/kernel": {LongName: "hwio/conv/kernel", Type: engine.Conv2D, Rows: 16, Cols: 24, Slices: 9},
		"conv1.weight":     {LongName: "conv1", Type: engine.Conv1D, Rows: 16, Cols: 8, Slices: 5},
		"experts.w":        {LongName: "experts.w[0]", Type: engine.Dense, Rows: 16, Cols: 24, Slices: 1},
	} {
		l := got[name].Layers[0]
		if l.LongName != want.LongName || l.Type != want.Type || l.Rows != want.Rows || l.Cols != want.Cols || l.Slices != want.Slices {
			t.Errorf("%s: %+v", name, l)
		}
	}
	if n := len(got["experts.w"].Layers); n != 3 {
		t.Errorf("%d experts", n)
	}
}

// TestPatterns: "*" matches anything, and a name as tables print it selects that layer.
func TestPatterns(t *testing.T) {
	shapes := map[string][]int{
		"params/layers_0/attn/q_proj/kernel": {24, 40}, "model.layers.0.k_proj.weight": {24, 40}, "model.layers.10.k_proj.weight": {24, 40},
		"mlp.experts.up": {3, 16, 24}, "a,b.weight": {24, 40}, "w[1].weight": {24, 40}, "st*r.weight": {24, 40},
		"b\u202eidi.weight": {24, 40}, "q\"uote\n.weight": {24, 40}, "=cmd.weight": {24, 40},
	}
	for pattern, want := range map[string][]string{
		"*q_proj*":                            {"params/layers_0/attn/q_proj/kernel"},
		"params/*":                            {"params/layers_0/attn/q_proj/kernel"},
		"model.layers.?.*":                    {"model.layers.0.k_proj"},
		"model.layers.0.k_proj":               {"model.layers.0.k_proj"},
		"model.layers.0.k_proj.weight":        {"model.layers.0.k_proj"},
		"mlp.experts.up[1]":                   {"mlp.experts.up[1]"},
		"mlp.experts.up":                      {"mlp.experts.up[0]", "mlp.experts.up[1]", "mlp.experts.up[2]"},
		"*[2]":                                {"mlp.experts.up[2]"},
		"a,b":                                 {"a,b"},
		"w[1]":                                {"w[1]"},
		"st*r":                                {"st*r"},
		"nothing":                             nil,
		`"b\u202eidi"`:                        {"b\u202eidi"},
		"b\u202eidi":                          {"b\u202eidi"},
		`"q\"uote\n"`:                         {"q\"uote\n"},
		"'=cmd":                               {"=cmd"},
		"=cmd":                                {"=cmd"},
		"'a,b":                                nil,
		"*.k_*o*":                             {"model.layers.0.k_proj", "model.layers.10.k_proj"},
		"":                                    nil,
		"model.layers.0.k_projmodel.layers.1": nil,
	} {
		var chosen []string
		for _, ts := range kinds(t, "", shapes, func(o *engine.Options) { o.Layers = []string{pattern} }) {
			for _, l := range ts.Layers {
				chosen = append(chosen, l.LongName)
			}
			if len(ts.Layers) == 0 && !ts.Chosen {
				t.Errorf("%s: %s is left out, not by choice: %s", pattern, ts.Name, ts.Reason)
			}
		}
		slices.Sort(chosen)
		if !slices.Equal(chosen, want) {
			t.Errorf("%q: %q, want %q", pattern, chosen, want)
		}
	}
}

// TestSelection: limits, types and what WeightWatcher leaves out.
func TestSelection(t *testing.T) {
	shapes := map[string][]int{
		"a.weight": {20, 30}, "small.weight": {9, 30}, "long.weight": {20, 60000}, "big.weight": {20000, 20000}, "embed.weight": {20, 30},
		"lstm.weight_ih_l0": {40, 20}, "experts.w": {2, 16, 24}, "conv1.weight": {16, 8, 5}, "conv.weight": {8, 4, 3, 3},
	}
	for name, tc := range map[string]struct {
		change  func(*engine.Options)
		skipped map[string]string
	}{
		"default":  {nil, map[string]string{"small.weight": "min-evals"}},
		"no limit": {func(o *engine.Options) { o.MinEvals = 0 }, nil},
		"types": {func(o *engine.Options) { o.Exclude = []engine.LayerType{engine.Dense, engine.Conv1D} }, map[string]string{
			"a.weight": "exclude", "long.weight": "exclude", "big.weight": "exclude", "lstm.weight_ih_l0": "exclude", "experts.w": "exclude",
			"conv1.weight": "exclude", "small.weight": "min-evals",
		}},
		"weightwatcher": {(*engine.Options).LikeWeightWatcher, map[string]string{
			"small.weight": "min-evals", "long.weight": "max-n", "big.weight": "max-evals", "lstm.weight_ih_l0": ".weight", "experts.w": ".weight",
			"conv1.weight": "3-D",
		}},
	} {
		for tensor, ts := range kinds(t, "", shapes, tc.change) {
			want, skipped := tc.skipped[tensor]
			if (ts.Status == engine.Skipped) != skipped || !strings.Contains(ts.Reason, want) {
				t.Errorf("%s: %s is %s, %q; want %q", name, tensor, ts.Status, ts.Reason, want)
			}
		}
	}
}

// TestLeftOut weighs what is not analysed or not quantized.
func TestLeftOut(t *testing.T) {
	for name, tc := range map[string]struct {
		shapes map[string][]int
		change func(*engine.Options)
		want   []string // in the sentence
	}{
		"nothing":    {map[string][]int{"a.weight": {100, 100}, "b.bias": {100}}, nil, nil},
		"little":     {map[string][]int{"a.weight": {100, 100}, "small.weight": {9, 10}}, nil, nil},
		"embeddings": {map[string][]int{"a.weight": {100, 100}, "embed_tokens.weight": {300, 100}}, nil, []string{"75 % of the parameters are in 1 tensor that is analysed but not quantized", "--quantize-embeddings"}},
		"packed": {map[string][]int{"lm_head.weight": {100, 100}, "U8 l.0.weight": {9000, 1}, "l.0.weight.absmax": {300}, "U8 l.1.weight": {9000, 1}, "U8 l.1.weight.quant_state.bitsandbytes__nf4": {80}},
			nil, []string{"78 % of the parameters are in 2 tensors that are not analysed", "quantized already by bitsandbytes nf4"}},
		"nearly all": {map[string][]int{"a.weight": {20, 20}, "I32 l.0.qweight": {1000, 500}}, nil, []string{"99.99 % of the parameters"}},
		"limits":     {map[string][]int{"a.weight": {100, 100}, "lm_head.weight": {60000, 100}}, (*engine.Options).LikeWeightWatcher, []string{"--max-n 0 adds it"}},
		"rank":       {map[string][]int{"a.weight": {64, 64}, "six.weight": {8, 8, 8, 8, 8, 8}}, nil, []string{"98 % of the parameters", "6-D"}},
		"choice":     {map[string][]int{"a.weight": {100, 100}, "b.weight": {100, 100}}, func(o *engine.Options) { o.Layers = []string{"a"} }, nil},
	} {
		plan := &engine.Plan{}
		for _, ts := range kinds(t, "", tc.shapes, tc.change) {
			plan.Tensors = append(plan.Tensors, ts)
		}
		got := plan.LeftOut().String()
		if (got == "") != (len(tc.want) == 0) {
			t.Errorf("%s: %q", name, got)
		}
		for _, part := range tc.want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: %q lacks %q", name, got, part)
			}
		}
	}
}

// TestPackedNames: codes are known by what is beside them, or by what config.json says of
// the weights, whatever they are called.
func TestPackedNames(t *testing.T) {
	declared := func(method string) string {
		return `{"quantization_config": {"quant_method": "` + method + `"}}`
	}
	const q = "l.0.q_proj."
	for name, tc := range map[string]struct {
		config string
		shapes map[string][]int
		want   map[string]engine.Kind
	}{
		"VPTQ": {declared("vptq"), map[string][]int{"I32 " + q + "indices": {1, 64, 16}, q + "centroids.weight": {1, 4096}, q + "weight_scale": {64}, q + "weight_bias": {64}, "I16 " + q + "perm": {64}},
			map[string]engine.Kind{q + "indices": engine.KindPacked, q + "centroids.weight": engine.KindCompanion, q + "weight_bias": engine.KindVector, q + "perm": engine.KindCompanion}},
		"VPTQ without config.json": {"", map[string][]int{"I32 " + q + "indices": {1, 64, 16}, "I32 " + q + "res_indices": {1, 64, 16}, q + "centroids.weight": {16, 4096}, q + "res_centroids.weight": {16, 64}},
			map[string]engine.Kind{q + "indices": engine.KindPacked, q + "res_indices": engine.KindPacked, q + "res_centroids.weight": engine.KindCompanion}},
		"SqueezeLLM":      {"", map[string][]int{"I32 " + q + "weight_idx": {16, 64}, q + "lookup_table": {64, 16}}, map[string]engine.Kind{q + "weight_idx": engine.KindPacked, q + "lookup_table": engine.KindCompanion}},
		"QuIP#":           {"", map[string][]int{"I64 " + q + "Qidxs": {16, 64}, q + "codebook_id": {1}, q + "SU": {64}, q + "SV": {64}}, map[string]engine.Kind{q + "Qidxs": engine.KindPacked}},
		"a method alone":  {declared("x"), map[string][]int{"I32 " + q + "codes_idx": {16, 64}}, map[string]engine.Kind{q + "codes_idx": engine.KindPacked}},
		"without a word":  {"", map[string][]int{"I32 " + q + "codes_idx": {16, 64}}, map[string]engine.Kind{q + "codes_idx": engine.KindBuffer}},
		"positions":       {declared("gptq"), map[string][]int{"I32 e.position_ids": {1, 512}, "I64 e.token_type_ids": {2, 512}}, map[string]engine.Kind{"e.position_ids": engine.KindBuffer, "e.token_type_ids": engine.KindBuffer}},
		"Swin":            {"", map[string][]int{"I32 a.relative_position_index": {49, 49}, "a.logit_scale": {4, 1, 1}, "I64 a.relative_coords_index": {49, 49}}, map[string]engine.Kind{"a.relative_position_index": engine.KindBuffer, "a.relative_coords_index": engine.KindBuffer}},
		"a mask":          {declared("awq"), map[string][]int{"U8 l.mask": {64, 64}, "l.scale": {64}, "l.w.weight": {64, 64}}, map[string]engine.Kind{"l.mask": engine.KindBuffer, "l.w.weight": engine.KindMatrix}},
		"a scale of conv": {"", map[string][]int{"c.scale.weight": {64, 64}, "c.conv.weight": {64, 64, 3, 3}}, map[string]engine.Kind{"c.scale.weight": engine.KindMatrix}},
	} {
		got := kinds(t, tc.config, tc.shapes, nil)
		for tensor, kind := range tc.want {
			if ts := got[tensor]; ts.Kind != kind {
				t.Errorf("%s: %s is %s (%s), want %s", name, tensor, ts.Kind, ts.Reason, kind)
			}
		}
	}
}

// TestDeclaredMethod: a config.json that says quantized of weights stored as floating-point
// numbers is remarked on, by method, in the plan and in what a run says; of packed ones the
// reason says it.
func TestDeclaredMethod(t *testing.T) {
	for _, tc := range []struct {
		method, tensor string
		want           int
	}{{"eetq", "a.weight", 1}, {"", "a.weight", 0}, {"gptq", "I32 a.qweight", 0}} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"quantization_config": {"quant_method": "`+tc.method+`"}}`), 0o666); err != nil {
			t.Fatal(err)
		}
		m, d := newMemory(), checkpoint.F32
		name := tc.tensor
		if typ, rest, ok := strings.Cut(name, " "); ok {
			d, _ = checkpoint.ParseDType(typ)
			name = rest
		}
		m.addAs(d, name, nil, 20, 30)
		opts := engine.DefaultOptions()
		plan, err := engine.Describe(shaped{m, dir}, opts)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Remarks) != tc.want || tc.want == 1 && !strings.Contains(plan.Remarks[0], "quantized by eetq") {
			t.Errorf("%s: %q", tc.method, plan.Remarks)
		}
		if parts := plan.Split(2); len(parts[0].Remarks) != tc.want {
			t.Errorf("%s: parts: %q", tc.method, parts[0].Remarks)
		}
	}
}
