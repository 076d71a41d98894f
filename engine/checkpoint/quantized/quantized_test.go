package quantized

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/safetensors"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/testsource"
	"github.com/wwq-fast/wwq-fast/engine/packed"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// A tensors is the stored tensors of a checkpoint, by their names.
type tensors map[string]packed.Part

// write writes tensors and other files to a folder, the tensors into shards by shard.
func write(tb testing.TB, all tensors, files map[string]string, shards int, shard func(name string) int) string {
	tb.Helper()
	dir := tb.TempDir()
	for i := range shards {
		var in []testsource.Tensor
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if shard == nil || shard(name) == i {
				p := all[name]
				in = append(in, testsource.Tensor{Name: name, DType: p.DType, Shape: append([]int{}, p.Shape...), Data: p.Data})
			}
		}
		name := "model.safetensors"
		if shards > 1 {
			name = fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, shards)
		}
		if err := os.WriteFile(filepath.Join(dir, name), testsource.Safetensors(in, nil), 0o666); err != nil {
			tb.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// open opens a folder.
func open(tb testing.TB, dir string) checkpoint.Source {
	tb.Helper()
	src, err := safetensors.Open(dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { src.Close() })
	return New(src)
}

// model opens tensors with a config.json, which is not written if it is empty.
func model(tb testing.TB, all tensors, config string) checkpoint.Source {
	tb.Helper()
	files := map[string]string{"config.json": config}
	if config == "" {
		files = nil
	}
	return open(tb, write(tb, all, files, 1, nil))
}

// part returns a part with noise in it.
func part(d checkpoint.DType, shape ...int) packed.Part {
	n := d.Bits()
	for _, s := range shape {
		n *= s
	}
	data := make([]byte, n/8)
	for i := range data {
		data[i] = byte(i*37 + 11)
	}
	return packed.Part{DType: d, Shape: shape, Data: data}
}

// find returns the tensor of a name.
func find(tb testing.TB, src checkpoint.Source, name string) checkpoint.Tensor {
	tb.Helper()
	i := slices.IndexFunc(src.Tensors(), func(t checkpoint.Tensor) bool { return t.Name == name })
	if i < 0 {
		var names []string
		for _, t := range src.Tensors() {
			names = append(names, t.Name+": "+t.Refusal)
		}
		tb.Fatalf("no tensor %s in %q", name, names)
	}
	return src.Tensors()[i]
}

// weights reads the weights of a tensor.
func weights(tb testing.TB, src checkpoint.Source, name string) []float32 {
	tb.Helper()
	t := find(tb, src, name)
	data := make([]byte, t.Size)
	if err := src.ReadTensor(data, &t); err != nil {
		tb.Fatal(err)
	}
	e, ok := t.Encoding.(checkpoint.PlacedEncoding)
	if !ok {
		tb.Fatalf("%s has the encoding %T: %s", name, t.Encoding, t.Refusal)
	}
	b, err := e.Open(data)
	if err != nil {
		tb.Fatal(err)
	}
	x := make([]float32, t.Elements())
	for at := 0; at < len(x); at += 77 { // across rows
		b.DecodeAt(x[at:min(at+77, len(x))], at)
	}
	return x
}

// decoded returns the weights of parts in a layout.
func decoded(tb testing.TB, l packed.Layout, p packed.Parts) []float32 {
	tb.Helper()
	m, err := l.Open(p)
	if err != nil {
		tb.Fatal(err)
	}
	rows, cols := m.Dims()
	x := make([]float32, rows*cols)
	for i := range rows {
		m.Decode(x[i*cols:][:cols], i, 0)
	}
	return x
}

// pack returns the parts of Gaussian-like weights by a scheme, below the name of a layer.
func pack(tb testing.TB, scheme, layer string, rows, cols int) (tensors, packed.Parts) {
	tb.Helper()
	r, err := quant.Parse(scheme)
	if err != nil {
		tb.Fatal(err)
	}
	w := quant.Dense{Rows: rows, Cols: cols, W: make([]float32, rows*cols)}
	for i := range w.W {
		w.W[i] = float32((i*7919+len(layer)*31)%1009-504) / 512
	}
	target := quant.Target{Rows: rows, Cols: cols, DType: checkpoint.F32}
	l, err := packed.For(r.For(target), target)
	if err != nil {
		tb.Fatal(err)
	}
	q, err := r.For(target).Fit(w, checkpoint.F32)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := l.Pack(w, q)
	if err != nil {
		tb.Fatal(err)
	}
	all := tensors{}
	for name, part := range p {
		all[layer+"."+name] = part
	}
	return all, p
}

func merged(all ...tensors) tensors {
	m := tensors{}
	for _, t := range all {
		maps.Copy(m, t)
	}
	return m
}

const gptq4 = `{"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 32, "checkpoint_format": "gptq", "sym": true}}`

// TestShards: the parts of a layer lie in several files; errors and bytes are those of each.
func TestShards(t *testing.T) {
	all, p := pack(t, "gptq-int4-g32", "a.b", 64, 64)
	all["a.b.bias"] = part(checkpoint.F16, 64)
	dir := write(t, all, map[string]string{"config.json": gptq4}, 3, func(name string) int { return len(name) % 3 })
	src := open(t, dir)
	if len(src.Tensors()) != 2 || len(src.Files()) != 3 {
		t.Fatalf("%d tensors, %d files", len(src.Tensors()), len(src.Files()))
	}
	w := find(t, src, "a.b.weight")
	size := 0
	for _, part := range p {
		size += len(part.Data)
	}
	if int(w.Size) != size || !slices.Equal(w.Shape, []int{64, 64}) || w.TypeName != "GPTQ 4 bits" || w.DType != checkpoint.InvalidDType {
		t.Errorf("%+v; the parts have %d bytes", w, size)
	}
	if got, want := weights(t, src, "a.b.weight"), decoded(t, packed.GPTQ{Bits: 4, Group: 32}, p); !slices.Equal(got, want) {
		t.Error("other weights")
	}
	w.Size++
	if src.ReadTensor(make([]byte, w.Size), &w) == nil {
		t.Error("a tensor of another size was read")
	}
	w.Size--
	if src.ReadTensor(make([]byte, w.Size-1), &w) == nil {
		t.Error("a short buffer was filled")
	}
	notes := src.(checkpoint.Noted).Notes()
	if len(notes) == 0 || !strings.Contains(notes[len(notes)-1], "1 layer is quantized already, GPTQ, 4 bits, groups of 32: ") {
		t.Errorf("notes %q", notes)
	}
}

// TestConformance: what is not quantized is as the reader has it.
func TestConformance(t *testing.T) {
	testsource.Test(t, testsource.Format{
		Name: "safetensors", DTypes: []checkpoint.DType{checkpoint.F32, checkpoint.F16, checkpoint.I32},
		Write: func(tb testing.TB, dir string, all []testsource.Tensor) string {
			path := filepath.Join(dir, "m.safetensors")
			if err := os.WriteFile(path, testsource.Safetensors(all, nil), 0o666); err != nil {
				tb.Fatal(err)
			}
			return path
		},
		Open: func(path string) (checkpoint.Source, error) {
			src, err := safetensors.Open(path)
			if err != nil {
				return nil, err
			}
			return New(src), nil
		},
	})
}

// TestOverrides: layers with bits and groups of their own.
func TestOverrides(t *testing.T) {
	four, p4 := pack(t, "gptq-int4-g32", "m.q", 64, 64)
	eight, p8 := pack(t, "gptq-int8-g64-asym", "m.k", 64, 64)
	src := model(t, merged(four, eight), `{"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 32, "checkpoint_format": "gptq",
		"dynamic": {"+:.*\\.k": {"bits": 8, "group_size": 64}, "-:.*lm_head": {}}}}`)
	if !slices.Equal(weights(t, src, "m.q.weight"), decoded(t, packed.GPTQ{Bits: 4, Group: 32}, p4)) ||
		!slices.Equal(weights(t, src, "m.k.weight"), decoded(t, packed.GPTQ{Bits: 8, Group: 64}, p8)) {
		t.Error("GPTQ: other weights")
	}

	four, p4 = pack(t, "mlx-4bit-g32", "m.q", 64, 64)
	eight, p8 = pack(t, "mlx-8bit-g32", "m.k", 64, 64)
	src = model(t, merged(four, eight), `{"quantization": {"bits": 4, "group_size": 32, "m.k": {"bits": 8, "group_size": 32}}}`)
	if !slices.Equal(weights(t, src, "m.q.weight"), decoded(t, packed.MLX{Bits: 4, Group: 32}, p4)) ||
		!slices.Equal(weights(t, src, "m.k.weight"), decoded(t, packed.MLX{Bits: 8, Group: 32}, p8)) {
		t.Error("MLX: other weights")
	}

	four, p4 = pack(t, "ct-w4a16", "m.q", 64, 128)
	eight, p8 = pack(t, "ct-w8a8", "m.k", 64, 128)
	src = model(t, merged(four, eight), `{"quantization_config": {"quant_method": "compressed-tensors", "format": "mixed-precision", "config_groups": {
		"a": {"targets": ["Linear"], "format": "pack-quantized", "weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}},
		"b": {"targets": ["re:.*k$"], "format": "int-quantized", "weights": {"num_bits": 8, "type": "int", "strategy": "channel"}},
		"c": {"targets": ["Attention"], "weights": null}}}}`)
	if !slices.Equal(weights(t, src, "m.q.weight"), decoded(t, packed.Packed{Bits: 4, Group: 128}, p4)) ||
		!slices.Equal(weights(t, src, "m.k.weight"), decoded(t, packed.Elements{Rows: 1}, p8)) {
		t.Error("compressed-tensors: other weights")
	}
}

// TestStacks: experts that stand in one tensor.
func TestStacks(t *testing.T) {
	_, p := pack(t, "mlx-4bit-g32", "x", 96, 64)
	all := tensors{}
	for name, part := range p {
		part.Shape = []int{3, 32, part.Shape[1]}
		all["m.switch.up_proj."+name] = part
	}
	src := model(t, all, `{"quantization": {"bits": 4, "group_size": 32}}`)
	if s := find(t, src, "m.switch.up_proj.weight").Shape; !slices.Equal(s, []int{3, 32, 64}) {
		t.Errorf("shape %v", s)
	}
	if want := decoded(t, packed.MLX{Bits: 4, Group: 32}, p); !slices.Equal(weights(t, src, "m.switch.up_proj.weight"), want) {
		t.Error("other weights")
	}

	all = tensors{"m.experts.down_proj_blocks": part(checkpoint.U8, 1, 8, 2, 16), "m.experts.down_proj_scales": part(checkpoint.U8, 1, 8, 2)}
	src = model(t, all, "")
	if s := find(t, src, "m.experts.down_proj").Shape; !slices.Equal(s, []int{1, 8, 64}) {
		t.Errorf("one expert: shape %v", s)
	}

	src = model(t, tensors{"conv.weight": part(checkpoint.F8E4M3, 4, 3, 2, 2), "conv.bias": part(checkpoint.F8E4M3, 4)}, "")
	if s := find(t, src, "conv.weight").Shape; !slices.Equal(s, []int{4, 3, 2, 2}) {
		t.Errorf("convolution: shape %v", s)
	}
	want := make([]float32, 48)
	e, p8 := packed.Elements{Unscaled: true}, part(checkpoint.F8E4M3, 4, 12)
	copy(want, decoded(t, e, packed.Parts{"weight": p8}))
	if got := weights(t, src, "conv.weight"); !slices.Equal(got, want) {
		t.Errorf("convolution: %v, not %v", got, want)
	}
}

// TestDoubts: zero points that programs read in different ways are named.
func TestDoubts(t *testing.T) {
	all, p := pack(t, "gptq-int4-g32", "m.q", 64, 64)
	p["qzeros"].Data[0] |= 0xf
	src := model(t, all, strings.Replace(gptq4, `"sym": true`, `"sym": false`, 1))
	notes := src.(checkpoint.Noted).Notes()
	if len(notes) != 2 || !strings.Contains(notes[1], "m.q.weight: 1 zero points are stored as 15") {
		t.Errorf("notes %q", notes)
	}
}

// TestRewriteRefuses: a copy of which some layers would stay in codes is not written.
func TestRewriteRefuses(t *testing.T) {
	all, _ := pack(t, "gptq-int4-g32", "m.q", 64, 64)
	broken, _ := pack(t, "gptq-int4-g32", "m.k", 64, 64)
	delete(broken, "m.k.scales")
	src := model(t, merged(all, broken), gptq4)
	out := filepath.Join(t.TempDir(), "out")
	_, err := src.(checkpoint.Rewriter).Rewrite(t.Context(), out, checkpoint.RewriteOptions{})
	if !errors.Is(err, checkpoint.ErrUnsupported) || !strings.Contains(err.Error(), `1 tensor of codes cannot be read, such as "m.k.qweight"`) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("something was written")
	}
}

// TestRewriteOrders: models whose layers lie in another way where they are not quantized.
func TestRewriteOrders(t *testing.T) {
	all, _ := pack(t, "gptq-int4-g32", "m.c_fc", 64, 64)
	for name, src := range map[string]checkpoint.Source{
		"models of the type gpt2": model(t, all, strings.Replace(gptq4, "{", `{"model_type": "gpt2", `, 1)),
		"experts such as":         model(t, tensors{"m.e_blocks": part(checkpoint.U8, 2, 8, 2, 16), "m.e_scales": part(checkpoint.U8, 2, 8, 2)}, ""),
		"may hold codes":          model(t, merged(all, tensors{"m.experts.up": part(checkpoint.F8E4M3, 2, 8, 8)}), gptq4),
		"activations are divided": model(t, merged(all, tensors{"m.act.scales": part(checkpoint.F16, 64)}), gptq4),
	} {
		_, err := src.(checkpoint.Rewriter).Rewrite(t.Context(), filepath.Join(t.TempDir(), "out"), checkpoint.RewriteOptions{})
		if !errors.Is(err, checkpoint.ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestRewriteShards: a copy of shards has an index without the parts, and a configuration without
// the quantization.
func TestRewriteShards(t *testing.T) {
	all, p := pack(t, "gptq-int4-g32", "m.q", 64, 64)
	all["n.weight"] = part(checkpoint.F16, 8)
	shard := func(name string) int { return len(name) % 2 }
	var places []string
	for name := range all {
		places = append(places, fmt.Sprintf(`%q: "model-%05d-of-00002.safetensors"`, name, shard(name)+1))
	}
	index := `{"metadata": {"total_size": 7, "by": "x"}, "weight_map": {` + strings.Join(places, ", ") + `}}`
	dir := write(t, all, map[string]string{
		"config.json":          `{"a": 1.50, "text_config": {"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": true}, "b": "<&>"}}`,
		"quantize_config.json": `{"bits": 4, "group_size": 32}`, "model.safetensors.index.json": index,
	}, 2, shard)
	src := open(t, dir)
	out := filepath.Join(t.TempDir(), "out")
	if _, err := src.(checkpoint.Rewriter).Rewrite(t.Context(), out, checkpoint.RewriteOptions{Companions: true, SourceHash: "hash"}); err != nil {
		t.Fatal(err)
	}
	copied := open(t, out)
	if notes := copied.(checkpoint.Noted).Notes(); len(notes) > 0 || len(copied.Tensors()) != 2 || len(copied.Files()) != 2 {
		t.Errorf("%d tensors in %d files, notes %q", len(copied.Tensors()), len(copied.Files()), notes)
	}
	w := find(t, copied, "m.q.weight")
	data := make([]byte, w.Size)
	if err := copied.ReadTensor(data, &w); err != nil || w.DType != checkpoint.F32 {
		t.Fatal(w.DType, err)
	}
	got := make([]float32, len(data)/4)
	w.Encoding.Decode(got, data)
	if !slices.Equal(got, decoded(t, packed.GPTQ{Bits: 4, Group: 32}, p)) {
		t.Error("other weights")
	}
	text, err := os.ReadFile(filepath.Join(out, "config.json"))
	if want := "{\n  \"a\": 1.50,\n  \"text_config\": {\n    \"b\": \"<&>\"\n  }\n}\n"; string(text) != want || err != nil {
		t.Errorf("config.json is %s, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(out, "quantize_config.json")); err == nil {
		t.Error("quantize_config.json is there")
	}
	text, _ = os.ReadFile(filepath.Join(out, "model.safetensors.index.json"))
	if s := string(text); strings.Contains(s, "qweight") || !strings.Contains(s, `"total_size": 16400`) || !strings.Contains(s, `"by": "x"`) {
		t.Errorf("index %s", s)
	}
}
