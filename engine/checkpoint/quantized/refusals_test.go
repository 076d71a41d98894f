package quantized

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/packed"
)

// says returns a config.json of a method.
func says(text string) string { return `{"quantization_config": {` + text + `}}` }

// TestRefusedMethods: methods that are not read, or known in part, are named, and nothing of them is
// weights.
func TestRefusedMethods(t *testing.T) {
	ct := func(format, weights, more string) string {
		return says(`"quant_method": "compressed-tensors", "format": "` + format + `", "config_groups": {"g": {"targets": ["Linear"], "weights": {` + weights + `}}}` + more)
	}
	four := `"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32`
	for name, tc := range map[string]struct{ config, want string }{
		"AQLM":                   {says(`"quant_method": "aqlm"`), "AQLM is a method whose weights are not read; name the checkpoint"},
		"VPTQ":                   {says(`"quant_method": "vptq"`), "VPTQ is a method"},
		"QuIP#":                  {says(`"quant_method": "quip"`), "QuIP# is a method"},
		"SpQR":                   {says(`"quant_method": "spqr"`), "SpQR is a method"},
		"HIGGS":                  {says(`"quant_method": "higgs"`), "HIGGS is a method"},
		"EXL2":                   {says(`"quant_method": "exl2"`), "EXL2 is a method"},
		"EXL3":                   {says(`"quant_method": "EXL3"`), "EXL3 is a method"},
		"Quark":                  {says(`"quant_method": "quark"`), "Quark is a method"},
		"torchao":                {says(`"quant_method": "torchao"`), "torchao is a method"},
		"AutoRound":              {says(`"quant_method": "auto-round"`), "AutoRound is a method"},
		"EETQ":                   {says(`"quant_method": "eetq"`), "EETQ is a method"},
		"a name":                 {says(`"quant_method": "new\nthing"`), `"new\nthing" is a method`},
		"no name":                {says(`"bits": 4`), "quantization_config without a quant_method"},
		"a number as a name":     {says(`"quant_method": 5`), "quantization_config without a quant_method"},
		"Marlin":                 {says(`"quant_method": "gptq", "bits": 4, "group_size": 128, "is_marlin_format": true`), "order of a kernel, marlin,"},
		"Marlin by format":       {says(`"quant_method": "gptq", "bits": 4, "group_size": 128, "checkpoint_format": "marlin"`), "order of a kernel, marlin,"},
		"Marlin by method":       {says(`"quant_method": "marlin"`), "order of a kernel, marlin,"},
		"bitblas":                {says(`"quant_method": "gptq", "bits": 4, "group_size": 128, "checkpoint_format": "bitblas"`), "order of a kernel, bitblas,"},
		"planar GPTQ":            {says(`"quant_method": "gptq", "bits": 5, "group_size": 128, "format": "gptq_p"`), "order of a kernel, gptq_p,"},
		"GPTQ of another format": {says(`"quant_method": "gptq", "bits": 4, "group_size": 128, "checkpoint_format": "gptq_v3"`), `checkpoint_format "gptq_v3"`},
		"GPTQ of two formats":    {says(`"quant_method": "gptq", "bits": 4, "checkpoint_format": "gptq", "format": "gptq_v2"`), `checkpoint_format "gptq" and format "gptq_v2"`},
		"GPTQ without bits":      {says(`"quant_method": "gptq", "group_size": 32`), "config.json does not say the bits"},
		"GPTQ of 5 bits":         {says(`"quant_method": "gptq", "bits": 5, "group_size": 32`), "2, 3, 4 or 8 bits"},
		"GPTQ of half bits":      {says(`"quant_method": "gptq", "bits": 4.5, "group_size": 32`), "does not say the bits"},
		"GPTQ without groups":    {says(`"quant_method": "gptq", "bits": 4`), "does not say group_size"},
		"GPTQ of groups of 0":    {says(`"quant_method": "gptq", "bits": 4, "group_size": 0`), "group_size"},
		"GPTQ of other groups":   {says(`"quant_method": "gptq", "bits": 4, "group_size": 64`), "part scales has 2 groups, where 64 inputs in groups of 64 have 1"},
		"GPTQ of other bits":     {says(`"quant_method": "gptq", "bits": 8, "group_size": 32`), "part qzeros has the shape [2 8], not [2 16]"},
		"a rule":                 {says(`"quant_method": "gptq", "bits": 4, "group_size": 32, "dynamic": {"+:(?<=a)b": {"bits": 8}}`), "rule \"+:(?<=a)b\" of dynamic is not understood"},
		"a rule that is none":    {says(`"quant_method": "gptq", "bits": 4, "group_size": 32, "dynamic": {"+:a": 3}`), "of dynamic is not understood"},
		"a list of rules":        {says(`"quant_method": "gptq", "bits": 4, "group_size": 32, "dynamic": [1]`), "dynamic that is not read"},
		"two rules":              {says(`"quant_method": "gptq", "bits": 4, "group_size": 32, "dynamic": {"+:m": {"bits": 8}, "+:.*q": {"bits": 4}}`), "say different things of bits"},
		"a rule of a method":     {says(`"quant_method": "gptq", "bits": 4, "group_size": 32, "dynamic": {"+:m": {"method": "awq"}}`), "changes method"},
		"AWQ gemv_fast":          {says(`"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": true, "version": "gemv_fast"`), "order of a kernel, gemv_fast,"},
		"AWQ of another version": {says(`"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": true, "version": "x"`), `version "x"`},
		"AWQ without zeros":      {says(`"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": false, "version": "gemm"`), "zero points"},
		"AWQ of llm-awq":         {says(`"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": true, "version": "gemm", "backend": "llm-awq"`), `backend "llm-awq"`},
		"AWQ of 8 bits":          {says(`"quant_method": "awq", "bits": 8, "group_size": 32, "zero_point": true, "version": "gemm"`), "4 bits"},
		"AWQ of these parts":     {says(`"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": true, "version": "gemm"`), "part g_idx is there, which is not read"},
		"two places":             {`{"quantization_config": {"quant_method": "gptq", "bits": 4}, "text_config": {"quantization_config": {"quant_method": "awq"}}}`, "in two places"},
		"sparse":                 {ct("pack-quantized", four, `, "sparsity_config": {"format": "sparse-24-bitmask"}`), `format "sparse-24-bitmask"`},
		"transforms":             {ct("pack-quantized", four, `, "transform_config": {"config_groups": {}}`), "transform_config"},
		"no groups":              {says(`"quant_method": "compressed-tensors", "format": "pack-quantized"`), "no config_groups"},
		"a group that is none":   {says(`"quant_method": "compressed-tensors", "config_groups": {"g": 1}`), "is no object"},
		"a target":               {says(`"quant_method": "compressed-tensors", "config_groups": {"g": {"targets": ["re:(?!a)"], "weights": {` + four + `}}}`), "target \"re:(?!a)\" of config_groups is not understood"},
		"a target that is none":  {says(`"quant_method": "compressed-tensors", "config_groups": {"g": {"targets": [1], "weights": {` + four + `}}}`), "is no text"},
		"no JSON":                {`{"quantization_config": `, "config.json is no object in JSON"},
		"a list":                 {`[]`, "config.json is no object in JSON"},
		"deep":                   {strings.Repeat(`{"a":`, 20000) + "1" + strings.Repeat("}", 20000), "config.json is no object in JSON"},
		"ModelOpt's INT4":        {says(`"quant_method": "modelopt", "quant_algo": "W4A8_AWQ"`), `quant_algo "W4A8_AWQ"`},
		"BitNet of a class":      {says(`"quant_method": "bitnet", "linear_class": "x"`), `linear_class "x"`},
		"FP8 of tiles":           {says(`"quant_method": "fp8", "weight_block_size": [128]`), "weight_block_size"},
		"no config":              {"", "no config.json or quantize_config.json beside it says"},
	} {
		t.Run(name, func(t *testing.T) {
			all, _ := pack(t, "gptq-int4-g32", "m.q", 64, 64)
			all["n.weight"] = part(checkpoint.F16, 8, 8)
			src := model(t, all, tc.config)
			codes := find(t, src, "m.q.qweight")
			if !strings.HasPrefix(codes.Refusal, "quantized already") || !strings.Contains(codes.Refusal, tc.want) || codes.Encoding != nil || strings.Contains(codes.Refusal, "\n") {
				t.Errorf("refusal %q, want %q", codes.Refusal, tc.want)
			}
			if n := find(t, src, "n.weight"); n.Encoding == nil || n.Refusal != "" {
				t.Errorf("what is not quantized is refused: %q", n.Refusal)
			}
			if len(src.Tensors()) != len(all) {
				t.Errorf("%d tensors of %d", len(src.Tensors()), len(all))
			}
		})
	}
}

// TestRefusedParts: parts that are missing or do not fit are named.
func TestRefusedParts(t *testing.T) {
	const bnb = `"quant_method": "bitsandbytes", "load_in_4bit": true`
	group := func(format, weights string) string {
		return says(`"quant_method": "compressed-tensors", "format": "` + format + `", "config_groups": {"g": {"targets": ["Linear"], "weights": {` + weights + `}}}`)
	}
	four := `"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128`
	for name, tc := range map[string]struct {
		scheme, config string
		change         func(all tensors)
		codes, want    string
	}{
		"GPTQ without scales": {"gptq-int4-g32", gptq4, func(all tensors) { delete(all, "m.q.scales") }, "qweight", "part scales is missing"},
		"GPTQ without zeros":  {"gptq-int4-g32", gptq4, func(all tensors) { delete(all, "m.q.qzeros") }, "qweight", "part qzeros is missing"},
		"GPTQ without order": {"gptq-int4-g32", strings.Replace(gptq4, `"sym"`, `"desc_act": true, "sym"`, 1),
			func(all tensors) { delete(all, "m.q.g_idx") }, "qweight", "part g_idx is missing"},
		"GPTQ with an index that is short": {"gptq-int4-g32", gptq4, func(all tensors) { all["m.q.g_idx"] = part(checkpoint.I32, 63) }, "qweight", "part g_idx has the shape [63]"},
		"GPTQ with codes of a type":        {"gptq-int4-g32", gptq4, func(all tensors) { all["m.q.qweight"] = part(checkpoint.I16, 8, 64) }, "qweight", "part qweight is I16"},
		"GPTQ with weights":                {"gptq-int4-g32", gptq4, func(all tensors) { all["m.q.weight"] = part(checkpoint.F16, 64, 64) }, "qweight", `tensor "m.q.weight" is there beside its codes`},
		"a state that is missing": {"bnb-nf4", says(bnb), func(all tensors) { delete(all, "m.q.weight.quant_state.bitsandbytes__nf4") },
			"weight", "part weight.quant_state.bitsandbytes__nf4 or fp4 is missing"},
		"absmax that is missing": {"bnb-nf4", says(bnb), func(all tensors) { delete(all, "m.q.weight.absmax") }, "weight", "part weight.absmax is missing"},
		"all that is missing": {"bnb-nf4", says(bnb), func(all tensors) {
			w := all["m.q.weight"]
			clear(all)
			all["m.q.weight"] = w
		}, "weight", "is missing"},
		"codes in floats": {"bnb-nf4", says(bnb), func(all tensors) {
			w := all["m.q.weight"]
			w.DType, w.Shape = checkpoint.BF16, []int{len(w.Data) / 2, 1}
			all["m.q.weight"] = w
			delete(all, "m.q.weight.absmax")
		}, "weight", "part weight.absmax is missing"},
		"a state that is long": {"bnb-nf4", says(bnb), func(all tensors) { all["m.q.weight.quant_state.bitsandbytes__nf4"] = part(checkpoint.U8, 5000) },
			"weight", "bytes, which are too many"},
		"SCB that is missing": {"bnb-int8", says(bnb), func(all tensors) { delete(all, "m.q.SCB") }, "weight", "part SCB is missing"},
		"another order":       {"bnb-int8", says(bnb), func(all tensors) { all["m.q.weight_format"] = packed.Part{DType: checkpoint.U8, Data: []byte{2}} }, "weight", "part weight_format is 2"},
		"a scale that is missing": {"ct-w4a16", group("pack-quantized", four), func(all tensors) { delete(all, "m.q.weight_scale") },
			"weight_packed", "part weight_scale is missing"},
		"a shape that is missing": {"ct-w4a16", group("pack-quantized", four), func(all tensors) { delete(all, "m.q.weight_shape") },
			"weight_packed", "part weight_shape is missing"},
		"zero points that are missing": {"ct-w4a16-asym", group("pack-quantized", four+`, "symmetric": false`), func(all tensors) { delete(all, "m.q.weight_zero_point") },
			"weight_packed", "part weight_zero_point is missing"},
		"an order that is missing": {"ct-w4a16", group("pack-quantized", four+`, "actorder": "group"`), func(tensors) {}, "weight_packed", "part weight_g_idx is missing"},
		"another type":             {"ct-w4a16", group("pack-quantized", strings.Replace(four, "int", "float", 1)), func(tensors) {}, "weight_packed", "type float"},
		"another strategy":         {"ct-w4a16", group("pack-quantized", strings.Replace(four, `"group"`, `"token"`, 1)), func(tensors) {}, "weight_packed", `strategy "token"`},
		"another format":           {"ct-w4a16", group("marlin-24", four), func(tensors) {}, "weight_packed", `format "marlin-24" is not read`},
		"no format":                {"ct-w4a16", group("", four), func(tensors) {}, "weight_packed", "does not say the format"},
		"another group":            {"ct-w4a16", group("pack-quantized", strings.Replace(four, "128", "64", 1)), func(tensors) {}, "weight_packed", "part weight_scale has 1 groups"},
		"an order in bytes": {"ct-w8a8", group("int-quantized", `"num_bits": 8, "type": "int", "strategy": "channel"`),
			func(all tensors) { all["m.q.weight_g_idx"] = part(checkpoint.I32, 128) }, "weight", "part weight_g_idx is there"},
		"a scale of all":          {"ct-nvfp4", group("nvfp4-pack-quantized", `"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16`), func(all tensors) { delete(all, "m.q.weight_global_scale") }, "weight_packed", "part weight_global_scale is missing"},
		"groups of NVFP4":         {"ct-nvfp4", group("nvfp4-pack-quantized", `"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 32`), func(tensors) {}, "weight_packed", "groups of 32"},
		"FP8 without scale":       {"fp8-e4m3-tensor", says(`"quant_method": "fp8"`), func(all tensors) { delete(all, "m.q.weight_scale") }, "weight", "part weight_scale_inv is missing"},
		"FP8 with two":            {"fp8-e4m3-tensor", says(`"quant_method": "fp8"`), func(all tensors) { all["m.q.weight_scale_inv"] = all["m.q.weight_scale"] }, "weight", "are both there"},
		"FP8 with other tiles":    {"fp8-e4m3-b128", says(`"quant_method": "fp8", "weight_block_size": [32, 32]`), func(tensors) {}, "weight", "part weight_scale_inv has the shape [1 1], not [2 4]"},
		"FP8 of another kind":     {"fp8-e4m3-tensor", says(`"quant_method": "fp8"`), func(all tensors) { all["m.q.weight"] = part(checkpoint.F8E4M3FNUZ, 64, 128) }, "weight", "part weight is F8_E4M3FNUZ"},
		"FP8 of experts":          {"fp8-e4m3-tensor", says(`"quant_method": "fp8"`), func(all tensors) { all["m.q.weight"] = part(checkpoint.F8E4M3, 2, 64, 64) }, "weight", "2 dimensions"},
		"FP8 with scales alone":   {"fp8-e4m3-b128", "", func(tensors) {}, "weight", "stored as F8_E4M3, and no config.json"},
		"FP8 with another name":   {"fp8-e4m3-direct", "", func(all tensors) { all["x.scale_weight"] = part(checkpoint.F32) }, "weight", "says what x.scale_weight is to it"},
		"FP8 with scale":          {"fp8-e4m3-direct", "", func(all tensors) { all["m.q.scale"] = part(checkpoint.F32) }, "weight", "says what m.q.scale is to it"},
		"FP8 with scale below":    {"fp8-e4m3-direct", "", func(all tensors) { all["m.q.weight.scale"] = part(checkpoint.F32) }, "weight", "says what m.q.weight.scale is to it"},
		"FP8 with scale beside":   {"fp8-e4m3-direct", "", func(all tensors) { all["m.q_scale"] = part(checkpoint.F32) }, "weight", "says what m.q_scale is to it"},
		"ModelOpt without scale":  {"nvfp4:modelopt", says(`"quant_method": "modelopt", "quant_algo": "NVFP4"`), func(all tensors) { delete(all, "m.q.weight_scale_2") }, "weight", "part weight_scale_2 is missing"},
		"ModelOpt of TensorRT":    {"nvfp4:modelopt", says(`"quant_method": "modelopt", "quant_algo": "NVFP4"`), func(all tensors) { all["m.q.weight_scale"] = part(checkpoint.U8, 512) }, "weight", "order of a kernel of TensorRT-LLM"},
		"ModelOpt's smoothing":    {"nvfp4:modelopt", says(`"quant_method": "modelopt", "quant_algo": "NVFP4"`), func(all tensors) { all["m.q.pre_quant_scale"] = part(checkpoint.F32, 128) }, "weight", "part pre_quant_scale is there"},
		"MLX without biases":      {"mlx-4bit-g32", `{"quantization": {"bits": 4, "group_size": 32}}`, func(all tensors) { delete(all, "m.q.biases") }, "weight", "part biases is missing"},
		"MLX of other bits":       {"mlx-4bit-g32", `{"quantization": {"bits": 8, "group_size": 32}}`, func(tensors) {}, "weight", "part scales has the shape [64 4], not [64 2]"},
		"MLX of a mode":           {"mlx-4bit-g32", `{"quantization": {"bits": 4, "group_size": 32, "mode": "x"}}`, func(tensors) {}, "weight", `mode "x"`},
		"MLX of a mode of others": {"mlx-4bit-g32", `{"quantization": {"bits": 4, "group_size": 32, "mode": "mxfp4"}}`, func(tensors) {}, "weight", "part biases is there"},
		"MLX that is not":         {"mlx-4bit-g32", `{"quantization": {"bits": 4, "group_size": 32, "m.q": false}}`, func(tensors) {}, "weight", `says "false" of the layer`},
		"HQQ without zeros":       {"hqq-int4-g64", says(`"quant_method": "hqq"`), func(all tensors) { delete(all, "m.q.zero") }, "W_q", "part zero is missing"},
		"HQQ without bits":        {"hqq-int4-g64", says(`"quant_method": "hqq"`), func(all tensors) { delete(all, "m.q.nbits") }, "W_q", "part nbits is missing"},
		"HQQ of quantized scales": {"hqq-int4-g64", says(`"quant_method": "hqq"`), func(all tensors) { all["m.q.scale_q"] = part(checkpoint.U8, 4) }, "W_q", "part scale_q is there"},
		"quanto without inputs":   {"quanto-qint4", says(`"quant_method": "quanto", "weights": "int4"`), func(tensors) {}, "weight._data._data", "how many inputs"},
		"quanto without shift":    {"quanto-qint4", says(`"quant_method": "quanto", "weights": "int4"`), func(all tensors) { delete(all, "m.q.weight._shift") }, "weight._data._data", "part weight._shift is missing"},
		"quanto of a kind":        {"quanto-qint4", says(`"quant_method": "quanto", "weights": "int8"`), func(tensors) {}, "weight._data._data", "does not say that the layer is qint4"},
		"BitNet without scale":    {"bitnet", says(`"quant_method": "bitnet"`), func(all tensors) { delete(all, "m.q.weight_scale") }, "weight", "part weight_scale is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			all, _ := pack(t, tc.scheme, "m.q", 64, 128)
			tc.change(all)
			src := model(t, all, tc.config)
			codes := find(t, src, "m.q."+tc.codes)
			if !strings.HasPrefix(codes.Refusal, "quantized already") || !strings.Contains(codes.Refusal, tc.want) || codes.Encoding != nil {
				t.Errorf("refusal %q, want %q", codes.Refusal, tc.want)
			}
		})
	}
}

// TestAmbiguous: rows of which the words do not say whether they have gaps.
func TestAmbiguous(t *testing.T) {
	all, _ := pack(t, "ct-w4a16", "m.q", 64, 128)
	shape := all["m.q.weight_shape"]
	shape.Data[8] = 30
	all["m.q.weight_packed"], all["m.q.weight_shape"], all["m.q.weight_scale"] = part(checkpoint.I32, 64, 3), shape, part(checkpoint.F16, 64, 1)
	src := model(t, all, says(`"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {"g": {"targets": ["Linear"], "weights": {"num_bits": 3, "strategy": "channel"}}}`))
	if c := find(t, src, "m.q.weight_packed"); !strings.Contains(c.Refusal, "with gaps") {
		t.Errorf("refusal %q", c.Refusal)
	}
}

// TestNothing: without codes the checkpoint is returned itself, whatever the configuration says.
func TestNothing(t *testing.T) {
	for _, config := range []string{"", says(`"quant_method": "gptq", "bits": 4`), says(`"quant_method": "x"`), `{`} {
		src := model(t, tensors{"a.weight": part(checkpoint.F32, 4, 4), "ids": part(checkpoint.I64, 4, 4)}, config)
		if _, ok := src.(*Source); ok {
			t.Errorf("%s: %q", config, src.(*Source).Notes())
		}
	}
}

// TestOtherFiles: files of configuration that contradict each other, or are none.
func TestOtherFiles(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		want  string
	}{
		"two":       {map[string]string{"config.json": gptq4, "quantize_config.json": `{"bits": 3}`}, "say different things of bits"},
		"orders":    {map[string]string{"config.json": strings.Replace(gptq4, `"bits"`, `"desc_act": false, "bits"`, 1), "quantize_config.json": `{"desc_act": true}`}, "say different things of desc_act"},
		"no JSON":   {map[string]string{"quantize_config.json": `{`}, "quantize_config.json is no object in JSON"},
		"no method": {map[string]string{"quantize_config.json": `{}`}, "quantize_config.json does not say the method"},
		"ModelOpt":  {map[string]string{"hf_quant_config.json": `{"quantization": {"quant_algo": "FP8"}}`}, "is not as ModelOpt writes it"},
	} {
		all, _ := pack(t, "gptq-int4-g32", "m.q", 64, 64)
		src := open(t, write(t, all, tc.files, 1, nil))
		if c := find(t, src, "m.q.qweight"); !strings.Contains(c.Refusal, tc.want) {
			t.Errorf("%s: refusal %q", name, c.Refusal)
		}
	}
	all, _ := pack(t, "gptq-int4-g32", "m.q", 64, 64)
	dir := write(t, all, map[string]string{"config.json": gptq4, "quantize_config.json": `{`}, 1, nil)
	if w := find(t, open(t, filepath.Join(dir, "model.safetensors")), "m.q.weight"); w.Refusal != "" {
		t.Errorf("a file beside config.json: %q", w.Refusal)
	}
	if err := os.Remove(filepath.Join(dir, "quantize_config.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "config.json"), maxConfigBytes+1); err != nil {
		t.Fatal(err)
	}
	if c := find(t, open(t, dir), "m.q.qweight"); !strings.Contains(c.Refusal, "config.json is larger than") {
		t.Errorf("a large file: %q", c.Refusal)
	}
}

// FuzzConfig opens packed tensors beside an arbitrary config.json: it is read or refused, and what
// is read can be decoded.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(gptq4))
	f.Add([]byte(says(`"quant_method": "compressed-tensors", "format": "int-quantized", "config_groups": {"g": {"targets": ["re:.*"], "weights": {"num_bits": 8}}}`)))
	f.Add([]byte(`{"quantization": {"bits": 4, "group_size": 32, "m.q": {"mode": "mxfp4"}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, _ := pack(t, "gptq-int4-g32", "m.q", 64, 64)
		eight, _ := pack(t, "ct-w8a8", "m.k", 64, 64)
		src := model(t, merged(all, eight), string(text)+" ")
		for _, ts := range src.Tensors() {
			if _, ok := ts.Encoding.(checkpoint.PlacedEncoding); ok {
				weights(t, src, ts.Name)
			}
		}
	})
}
