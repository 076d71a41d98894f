package engine_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/safetensors"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// recipeModel is a language model of sixteen layers, so small that all of it is analysed at
// once, and the types that llama-quantize has for it in a file of type Q4_K_M, worked out by
// hand: values and ffn_down of layers 0, 1, 4, 7, 10, 13, 14 and 15 have more bits.
func recipeModel() (m *memory, types map[string]string) {
	m, types = newMemory(), map[string]string{}
	seed := uint64(0)
	add := func(name, typ string, rows, cols int) {
		seed++
		m.add(name, gaussian(seed, rows*cols), rows, cols)
		types[name] = typ
	}
	add("model.embed_tokens.weight", "q4_k", 24, 256)
	add("lm_head.weight", "q6_k", 24, 256)
	for i := range 16 {
		more := "q4_k"
		if slices.Contains([]int{0, 1, 4, 7, 10, 13, 14, 15}, i) {
			more = "q6_k"
		}
		layer := fmt.Sprintf("model.layers.%d.", i)
		add(layer+"self_attn.q_proj.weight", "q4_k", 16, 256)
		if i == 2 {
			seed = 3 // the values of layer 0, for which there is another type
		}
		add(layer+"self_attn.v_proj.weight", more, 16, 256)
		seed = uint64(3*i + 10)
		add(layer+"mlp.down_proj.weight", more, 16, 256)
	}
	add("model.layers.0.self_attn.o_proj.weight", "q5_0", 16, 32) // for q4_k, of which blocks have 256 weights
	add("model.layers.0.mlp.gate.weight", "stored", 16, 256)      // a router
	return m, types
}

// TestFileRecipe: a model analysed by a recipe for files has the rows that the types of its
// tensors give, and they are called by the recipe.
func TestFileRecipe(t *testing.T) {
	m, types := recipeModel()
	quantizeAll := func(o *engine.Options) { o.QuantizeEmbeddings = true }
	res := m.analyze(t, "gguf:q4_k_m,q4_k,q6_k,q5_0,stored", quantizeAll)
	if value := "model.layers.%d.self_attn.v_proj.weight"; !slices.Equal(m.data[fmt.Sprintf(value, 0)], m.data[fmt.Sprintf(value, 2)]) {
		t.Fatal("layers 0 and 2 differ")
	}
	levels := map[string]int{}
	for k, level := range res.Levels {
		levels[level.Name()] = k
	}
	for i, row := range res.Rows[levels["gguf:q4_k_m"]] {
		typ := types[row.Layer.Tensor]
		want := res.Rows[levels[typ]][i]
		if row.Level.Name() != "gguf:q4_k_m" || row.Status != want.Status || !slices.Equal(row.Eigenvalues, want.Eigenvalues) || row.Get("mse") != want.Get("mse") && typ != "stored" {
			t.Errorf("%s is not as at %s: %s, error %v, want %v", row.Layer.Tensor, typ, row.Reason, row.Get("mse"), want.Get("mse"))
		}
	}
	for _, ts := range res.Tensors {
		if ts.Status != engine.Analysed {
			t.Errorf("%s: %s (%s)", ts.Name, ts.Status, ts.Reason)
		}
	}
	if len(res.Rows[levels["gguf:q4_k_m"]]) != len(types) {
		t.Errorf("%d rows, want %d", len(res.Rows[levels["gguf:q4_k_m"]]), len(types))
	}
	// What is analysed does not change the place of a tensor among all.
	part := m.analyze(t, "gguf:q4_k_m", func(o *engine.Options) { o.Layers = []string{"*.13.mlp.*", "*.12.mlp.*"} })
	for _, row := range part.Rows[0] {
		at := slices.IndexFunc(res.Rows[levels["gguf:q4_k_m"]], func(r engine.Row) bool { return r.Layer.Tensor == row.Layer.Tensor })
		if !slices.Equal(row.Eigenvalues, res.Rows[levels["gguf:q4_k_m"]][at].Eigenvalues) {
			t.Errorf("%s has other eigenvalues when it is analysed alone", row.Layer.Tensor)
		}
	}
	if len(part.Rows[0]) != 2 {
		t.Errorf("%d rows, want 2", len(part.Rows[0]))
	}
}

// TestFileRecipeValidate: the errors of a recipe for files are those of its types.
func TestFileRecipeValidate(t *testing.T) {
	m, types := recipeModel()
	opts := engine.DefaultOptions()
	opts.Levels, _ = quant.ParseList("gguf:q4_k_m,q4_k,q5_0,q6_k")
	checks, err := engine.Validate(context.Background(), m, opts)
	if err != nil {
		t.Fatal(err)
	}
	errors := map[string]float64{}
	for _, c := range checks {
		errors[c.Tensor+" "+c.Level.Name()] = c.Errors.MSE
	}
	for _, c := range checks {
		if c.Level.Name() != "gguf:q4_k_m" {
			continue
		}
		if typ := types[c.Tensor]; !c.Passed() || c.Errors.MSE != errors[c.Tensor+" "+typ] {
			t.Errorf("%s: %+v, not as at %s", c.Tensor, c, typ)
		}
	}
}

// safetensors returns a file with the tensors.
func (m *memory) safetensors() []byte {
	header, data := map[string]any{}, []byte{}
	for _, t := range m.tensors {
		begin := len(data)
		data = append(data, make([]byte, t.Size)...)
		t.DType.Encode(data[begin:], m.data[t.Name])
		header[t.Name] = map[string]any{"dtype": t.DType.String(), "shape": t.Shape, "data_offsets": []int{begin, len(data)}}
	}
	text, _ := json.Marshal(header)
	return slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text, data)
}

// TestFileRecipeQuantize: the copy of a checkpoint at a recipe for files has tensors as copies
// at single types have them, and the experts that config.json tells of.
func TestFileRecipeQuantize(t *testing.T) {
	dir := t.TempDir()
	m, types := recipeModel()
	for name := range types {
		if strings.HasSuffix(name, "v_proj.weight") {
			types[name] = "q8_0"
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"model_type": "mixtral", "num_local_experts": 8}`), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), m.safetensors(), 0o666); err != nil {
		t.Fatal(err)
	}
	read := func(level string) map[string]string {
		src, err := safetensors.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		r, err := quant.Parse(level)
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "out")
		if _, err := engine.Quantize(context.Background(), src, out, r, engine.DefaultOptions(), false); err != nil {
			t.Fatal(err)
		}
		copied, err := safetensors.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		defer copied.Close()
		data := map[string]string{}
		for _, tensor := range copied.Tensors() {
			buf := make([]byte, tensor.Size)
			if err := copied.ReadTensor(buf, &tensor); err != nil {
				t.Fatal(err)
			}
			data[tensor.Name] = string(buf)
		}
		return data
	}
	byLevel := map[string]map[string]string{}
	for _, level := range []string{"gguf:q4_k_m", "q4_k", "q6_k", "q5_0", "q8_0", "stored"} {
		byLevel[level] = read(level)
	}
	for name, typ := range types {
		if strings.HasSuffix(name, "o_proj.weight") {
			typ = "q5_1" // with eight experts Q5_K is meant for it
			byLevel[typ] = read(typ)
		}
		if byLevel["gguf:q4_k_m"][name] != byLevel[typ][name] {
			t.Errorf("%s is not as at %s", name, typ)
		}
	}
}

// TestLanguageModel: what config.json says of the language model, whatever other models are
// described beside it.
func TestLanguageModel(t *testing.T) {
	for config, want := range map[string]checkpoint.LanguageModel{
		`{"model_type": "llama", "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8}`: {Type: "llama", Layers: 80, Heads: 64, KVHeads: 8},
		`{"model_type": "gpt2", "n_layer": 12, "n_head": 12}`:                                                   {Type: "gpt2", Layers: 12, Heads: 12},
		`{"model_type": "llava", "vision_config": {"model_type": "clip", "num_hidden_layers": 24, "num_attention_heads": 16}, "text_config": {"model_type": "mixtral", "num_hidden_layers": 32, "num_local_experts": 8}}`: {Type: "mixtral", Layers: 32, Experts: 8},
		`{"model_type": "omni", "thinker_config": {"audio_config": {"num_hidden_layers": 3}, "text_config": {"model_type": "qwen2", "num_hidden_layers": 28}}, "talker_config": {"num_hidden_layers": 5}}`:                {Type: "qwen2", Layers: 28},
		`{"model_type": 3, "num_hidden_layers": "many", "num_attention_heads": -1, "n_head": 1e300, "text_config": []}`:                                                                                                   {},
		`{"num_hidden_layers": null}`: {},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o666); err != nil {
			t.Fatal(err)
		}
		if got := checkpoint.ReadConfig(dir).Model; got != want {
			t.Errorf("%s: %+v, want %+v", config, got, want)
		}
	}
}

// TestFileRecipeParts: parts of a plan, which know few of the tensors, have the rows of all of
// it, and what config.json says goes with the plan. With eight experts all values have one type,
// so that those of layer 2 are the same as those of layer 0.
func TestFileRecipeParts(t *testing.T) {
	t.Run("eight experts", func(t *testing.T) { testParts(t, `{"model_type": "mixtral", "num_local_experts": 8}`, 8) })
	t.Run("dense", func(t *testing.T) { testParts(t, `{"model_type": "llama"}`, 0) })
}

func testParts(t *testing.T, config string, experts int) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o666); err != nil {
		t.Fatal(err)
	}
	m, types := recipeModel()
	if experts == 0 {
		delete(m.data, "model.layers.0.mlp.gate.weight") // a router
		m.tensors = m.tensors[:len(m.tensors)-1]
	}
	src := shaped{m, dir}
	opts := engine.DefaultOptions()
	opts.Levels, _ = quant.ParseList("q8_0,gguf:q4_k_m") // in the order of tables
	opts.KeepEigenvalues = true
	whole, err := engine.Analyze(context.Background(), src, opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(whole.Rows[1]) != len(types)-1 {
		t.Errorf("%d rows, want %d", len(whole.Rows[1]), len(types)-1) // without the router, or without a duplicate
	}
	for i, row := range whole.Rows[1] {
		if experts == 8 && strings.HasSuffix(row.Layer.Tensor, "v_proj.weight") && !slices.Equal(row.Eigenvalues, whole.Rows[0][i].Eigenvalues) {
			t.Errorf("%s is not as at q8_0", row.Layer.Tensor)
		}
	}
	plan, err := engine.Describe(src, opts)
	if err != nil {
		t.Fatal(err)
	}
	var rows engine.Memory
	for _, part := range plan.Split(4) {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		var read engine.Plan
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		if _, err := engine.Run(context.Background(), shaped{m, t.TempDir()}, &read, opts, &rows); err != nil {
			t.Fatal(err)
		}
	}
	_, tables := engine.Merge(plan, &opts, rows.Rows, rows.Records)
	if len(tables[1]) != len(whole.Rows[1]) {
		t.Fatalf("%d rows of parts, %d of all", len(tables[1]), len(whole.Rows[1]))
	}
	for i, row := range whole.Rows[1] {
		if got := tables[1][i]; got.Layer.Tensor != row.Layer.Tensor || !slices.Equal(got.Eigenvalues, row.Eigenvalues) {
			t.Errorf("%s is another row than %s", got.Layer.Tensor, row.Layer.Tensor)
		}
	}
}
