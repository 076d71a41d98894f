package engine_test

import (
	"context"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/testsource"
	"github.com/wwq-fast/wwq-fast/engine/packed"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// packedBy returns the parts of a layer in the layout of a scheme, and its true weights.
func packedBy(t *testing.T, scheme string, w []float32, rows, cols int) (packed.Parts, []float32) {
	t.Helper()
	recipe, err := quant.Parse(scheme)
	if err != nil {
		t.Fatal(err)
	}
	d := checkpoint.F32
	if strings.HasSuffix(scheme, "@f16") {
		d = checkpoint.F16
	}
	dense := quant.Dense{Rows: rows, Cols: cols, W: slices.Clone(w)}
	d.Round(dense.W)
	target := quant.Target{Name: "a.weight", Rows: rows, Cols: cols, DType: d}
	s := recipe.For(target)
	l, err := packed.For(s, target)
	if err != nil {
		t.Fatal(err)
	}
	q, err := s.Fit(dense, checkpoint.F32)
	if err != nil {
		t.Fatal(err)
	}
	p, err := l.Pack(dense, q)
	if err != nil {
		t.Fatal(err)
	}
	switch o := l.(type) { // as it is read
	case packed.Quanto:
		o.Inputs, o.Compute = cols, checkpoint.InvalidDType
		l = o
	case packed.HQQ:
		o.Compute = checkpoint.InvalidDType
		l = o
	}
	m, err := l.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, rows*cols)
	for i := range rows {
		m.Decode(x[i*cols:][:cols], i, 0)
	}
	return p, x
}

// tensorsOf returns the parts of a layer as tensors, in the order of their names.
func tensorsOf(layer string, p packed.Parts) []testsource.Tensor {
	var all []testsource.Tensor
	for _, name := range slices.Sorted(maps.Keys(p)) {
		all = append(all, testsource.Tensor{Name: layer + name, DType: p[name].DType, Shape: append([]int{}, p[name].Shape...), Data: p[name].Data})
	}
	return all
}

// writeModel writes a folder of shards and other files.
func writeModel(t *testing.T, files map[string]string, shards ...[]testsource.Tensor) string {
	t.Helper()
	dir := t.TempDir()
	for i, tensors := range shards {
		name := "model.safetensors"
		if len(shards) > 1 {
			name = "model-0000" + string(rune('1'+i)) + "-of-0000" + string(rune('0'+len(shards))) + ".safetensors"
		}
		if err := os.WriteFile(filepath.Join(dir, name), testsource.Safetensors(tensors, nil), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// config returns a config.json with a quantization_config.
func config(says string) map[string]string {
	return map[string]string{"config.json": `{"model_type": "llama", "hidden_size": 96, "quantization_config": {` + says + `}}`}
}

const (
	ctGroups = `"quant_method": "compressed-tensors", "format": "FORMAT", "config_groups": {"group_0": {"targets": ["Linear"], "weights": {WEIGHTS}}}`
	bnb      = `"quant_method": "bitsandbytes", "load_in_4bit": true`
)

// compressed returns the configuration of compressed-tensors with one group.
func compressed(format, weights string) map[string]string {
	return config(strings.NewReplacer("FORMAT", format, "WEIGHTS", weights).Replace(ctGroups))
}

// quantizedCases are methods, with the scheme that makes the parts, and the configuration.
var quantizedCases = []struct {
	name, scheme string
	files        map[string]string
	typeName     string
	bits         float64
}{
	{"bitsandbytes NF4", "bnb-nf4", config(bnb), "NF4", 0},
	{"bitsandbytes NF4 double", "bnb-nf4-dq", config(bnb), "NF4", 0},
	{"bitsandbytes NF4 alone", "bnb-nf4-dq", nil, "NF4", 0},
	{"bitsandbytes FP4", "bnb-fp4", config(bnb), "bnb FP4", 0},
	{"bitsandbytes int8", "bnb-int8", config(`"load_in_8bit": true`), "bnb int8", 0},
	{"GPTQ", "gptq-int4-g32", config(`"quant_method": "gptq", "bits": 4, "group_size": 32, "checkpoint_format": "gptq"`), "GPTQ 4 bits", 0},
	{"GPTQ 3 bits", "gptq-int3-row-asym", config(`"quant_method": "gptq", "bits": 3, "group_size": -1`), "GPTQ 3 bits", 0},
	{"GPTQ of quantize_config.json", "gptq-int8-g32", map[string]string{"quantize_config.json": `{"bits": 8, "group_size": 32, "sym": true}`}, "GPTQ 8 bits", 0},
	{"AWQ", "awq-int4-g32@f16", config(`"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": true, "version": "gemm"`), "AWQ 4 bits", 4 + 20./32},
	{"AWQ of quant_config.json", "awq-int4-g32@f16", map[string]string{"quant_config.json": `{"zero_point": true, "q_group_size": 32, "w_bit": 4, "version": "GEMM"}`}, "AWQ 4 bits", 0},
	{"pack-quantized", "ct-w4a16", compressed("pack-quantized", `"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128, "symmetric": true`), "CT int4", 0},
	{"pack-quantized, zero points", "ct-w4a16-asym", compressed("pack-quantized", `"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128, "symmetric": false`), "CT int4", 0},
	{"int-quantized", "ct-w8a8", compressed("int-quantized", `"num_bits": 8, "type": "int", "strategy": "channel"`), "CT int8", 0},
	{"float-quantized", "ct-fp8", compressed("float-quantized", `"num_bits": 8, "type": "float", "strategy": "tensor"`), "CT float8", 0},
	{"float-quantized rows", "ct-fp8-dynamic", compressed("float-quantized", `"num_bits": 8, "type": "float", "strategy": "channel"`), "CT float8", 0},
	{"float-quantized tiles", "ct-fp8-block", compressed("float-quantized", `"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 128]`), "CT float8", 0},
	{"NVFP4", "ct-nvfp4", compressed("nvfp4-pack-quantized", `"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16`), "NVFP4", 0},
	{"MXFP4", "ct-mxfp4", compressed("mxfp4-pack-quantized", `"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32`), "CT MXFP4", 4.25},
	{"FP8 tensor", "fp8-e4m3-tensor", config(`"quant_method": "fp8"`), "FP8 E4M3", 0},
	{"FP8 rows", "fp8-e4m3-row", config(`"quant_method": "fbgemm_fp8"`), "FP8 E4M3", 8 + 32./128},
	{"FP8 tiles", "fp8-e4m3-b128", config(`"quant_method": "fp8", "weight_block_size": [128, 128]`), "FP8 E4M3", 0},
	{"FP8 alone", "fp8-e5m2-direct", nil, "FP8 E5M2", 8},
	{"ModelOpt NVFP4", "nvfp4:modelopt", config(`"quant_method": "modelopt", "quant_algo": "NVFP4"`), "NVFP4", 0},
	{"ModelOpt FP8", "fp8-e4m3-tensor", map[string]string{"hf_quant_config.json": `{"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8"}}`}, "FP8 E4M3", 0},
	{"MLX", "mlx-4bit-g32", map[string]string{"config.json": `{"quantization": {"bits": 4, "group_size": 32}, "quantization_config": {"bits": 4, "group_size": 32}}`}, "MLX 4 bits", 6},
	{"MLX mxfp4", "mlx-mxfp4", map[string]string{"config.json": `{"quantization": {"bits": 4, "group_size": 32, "mode": "mxfp4"}}`}, "MLX mxfp4", 4.25},
	{"HQQ", "hqq-int4-g64", config(`"quant_method": "hqq"`), "HQQ 4 bits", 0},
	{"HQQ alone", "hqq-int2-g16-axis0", nil, "HQQ 2 bits", 0},
	{"quanto qint4", "quanto-qint4", map[string]string{"quanto_qmap.json": `{"model.layers.0.self_attn.q_proj": {"weights": "qint4"}}`}, "quanto qint4", 0},
	{"quanto qint8", "quanto-qint8", config(`"quant_method": "quanto", "weights": "int8"`), "quanto int8", 0},
	{"BitNet", "bitnet", config(`"quant_method": "bitnet"`), "BitNet", 0},
}

// TestQuantized: a layer that a tool has packed has the spectrum, at all levels, of the same weights
// in float32, the bits that its parts take, and a copy of them.
func TestQuantized(t *testing.T) {
	const rows, cols, layer = 96, 128, "model.layers.0.self_attn.q_proj."
	w := gaussian(71, rows*cols)
	for _, tc := range quantizedCases {
		t.Run(tc.name, func(t *testing.T) {
			p, x := packedBy(t, tc.scheme, w, rows, cols)
			extra := []testsource.Tensor{stored("model.norm.weight", checkpoint.F16, w[:cols], cols)}
			if strings.HasPrefix(tc.name, "quanto qint4") {
				extra = append(extra, stored(layer+"bias", checkpoint.F16, w[:rows], rows))
			}
			dir := writeModel(t, tc.files, append(tensorsOf(layer, p), extra...))
			src := openPath(t, dir)
			got, want := analyzeAll(t, src), analyzeAll(t, openTensors(t, append([]testsource.Tensor{stored(layer+"weight", checkpoint.F32, x, rows, cols)}, extra...)...))
			if len(got.Rows) != len(want.Rows) || len(got.Rows[0]) != 1 || len(got.Warnings) > len(want.Warnings) {
				t.Fatalf("%d rows of %d levels, warnings %q", len(got.Rows[0]), len(got.Rows), got.Warnings)
			}
			size := 0
			for _, part := range p {
				size += len(part.Data)
			}
			for k := range want.Rows {
				g, e := &got.Rows[k][0], &want.Rows[k][0]
				if len(e.Eigenvalues) == 0 || len(g.Eigenvalues) != len(e.Eigenvalues) || g.Layer.LongName != e.Layer.LongName {
					t.Fatalf("%s at %v: %s, %d eigenvalues", g.Layer.LongName, g.Level, g.Reason, len(g.Eigenvalues))
				}
				for i := range e.Eigenvalues {
					if math.Abs(g.Eigenvalues[i]-e.Eigenvalues[i]) > 1e-12*e.Eigenvalues[len(e.Eigenvalues)-1] {
						t.Fatalf("eigenvalue %d at %v is %v, not %v", i, g.Level, g.Eigenvalues[i], e.Eigenvalues[i])
					}
				}
			}
			ts := got.Tensors[slices.IndexFunc(got.Tensors, func(ts engine.TensorStatus) bool { return len(ts.Layers) > 0 })]
			bits := ts.Layers[0].Bits
			if ts.TypeName != tc.typeName || tc.bits != 0 && math.Abs(bits-tc.bits) > 0.02 || bits > 8*float64(size)/(rows*cols) || bits < 2 {
				t.Errorf("%s of %v bits; the parts have %v", ts.TypeName, bits, 8*float64(size)/(rows*cols))
			}
			checkCopy(t, src, layer+"weight", x)
		})
	}
}

// analyzeAll analyses a model as it is stored and at a level.
func analyzeAll(t *testing.T, src checkpoint.Source) *engine.Result {
	t.Helper()
	opts := engine.DefaultOptions()
	opts.Levels, _ = quant.ParseList("stored,4,nf4")
	opts.KeepEigenvalues = true
	res, err := engine.Analyze(context.Background(), src, opts)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// checkCopy writes a copy at a level that keeps weights, and checks that it holds x and nothing
// of the quantization.
func checkCopy(t *testing.T, src checkpoint.Source, name string, x []float32) {
	t.Helper()
	opts := engine.DefaultOptions()
	opts.Layers = []string{"none"} // every tensor is copied
	out := filepath.Join(t.TempDir(), "copy")
	level, _ := quant.Parse("8")
	if _, err := engine.Quantize(context.Background(), src, out, level, opts, false); err != nil {
		t.Fatal(err)
	}
	copied := openPath(t, out)
	for _, ts := range copied.Tensors() {
		if ts.Encoding == nil || ts.DType == checkpoint.InvalidDType {
			t.Errorf("%s is %s in the copy", ts.Name, ts.StoredType())
		}
		if ts.Name != name {
			continue
		}
		data := make([]byte, ts.Size)
		if err := copied.ReadTensor(data, &ts); err != nil || ts.DType != checkpoint.F32 {
			t.Fatal(ts.DType, err)
		}
		got := make([]float32, len(data)/4)
		ts.Encoding.Decode(got, data)
		if !slices.Equal(got, x) {
			t.Errorf("%s has other weights in the copy", name)
		}
		return
	}
	t.Errorf("%s is not in the copy", name)
}
