package quantized

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/safetensors"
	"github.com/wwq-fast/wwq-fast/engine/packed"
)

// ctConfig returns the configuration of compressed-tensors for a format and weights.
func ctConfig(format, weights string) string {
	return says(`"quant_method": "compressed-tensors", "format": "` + format + `", "ignore": ["lm_head"], "config_groups": {"group_0": {"targets": ["Linear"], "weights": {` + weights + `}}}`)
}

// realLayers are the layers of package packed's testdata with the configuration of their models,
// and of those that are broken a part of the reason.
var realLayers = map[string]struct{ config, fails string }{
	"gptq_4bit_g32_sym":             {gptq4, ""},
	"gptq_4bit_g32_asym_actorder":   {says(`"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": true, "sym": false`), ""},
	"gptq_3bit_channel":             {says(`"quant_method": "gptq", "bits": 3, "group_size": -1, "sym": false, "checkpoint_format": "gptq"`), ""},
	"gptq_v2":                       {says(`"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": false, "checkpoint_format": "gptq_v2"`), ""},
	"gptq_zero_ambiguous":           {says(`"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": false`), ""},
	"gptq_missing_scales-q_proj":    {gptq4, "part scales is missing"},
	"gptq_missing_scales-down_proj": {gptq4, "part g_idx says group 99"},
	"awq_gemm":                      {says(`"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": true, "version": "gemm"`), ""},
	"awq_gemv":                      {says(`"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": true, "version": "gemv"`), ""},
	"bnb_nf4":                       {says(`"quant_method": "bitsandbytes", "load_in_4bit": true`), ""},
	"bnb_nf4_double":                {"", ""},
	"bnb_fp4":                       {"", ""},
	"bnb_int8":                      {"", ""},
	"bnb_broken-q_proj":             {"", "part weight.absmax has the shape [63]"},
	"bnb_broken-k_proj":             {"", "blocksize is 0"},
	"bnb_broken-v_proj":             {"", "part weight has 2048 bytes"},
	"bnb_broken-o_proj":             {"", "part weight.quant_map has the shape [5]"},
	"ct_w4a16_group_sym":            {ctConfig("pack-quantized", `"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32, "symmetric": true`), ""},
	"ct_w3_channel_asym":            {ctConfig("pack-quantized", `"num_bits": 3, "type": "int", "strategy": "channel", "symmetric": false`), ""},
	"ct_int8_channel":               {ctConfig("int-quantized", `"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": true`), ""},
	"ct_fp8_channel":                {ctConfig("float-quantized", `"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": true`), ""},
	"ct_nvfp4":                      {ctConfig("nvfp4-pack-quantized", `"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16`), ""},
	"ct_mxfp4":                      {ctConfig("mxfp4-pack-quantized", `"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32`), ""},
	"modelopt_nvfp4":                {says(`"quant_method": "modelopt", "quant_algo": "NVFP4"`), ""},
	"gptoss_mxfp4":                  {says(`"quant_method": "mxfp4"`), ""},
	"fp8_block":                     {says(`"quant_method": "fp8", "weight_block_size": [32, 32]`), ""},
	"fp8_block_broken":              {says(`"quant_method": "fp8", "weight_block_size": [32, 32]`), "part weight_scale_inv has the shape [3 3], not [3 4]"},
	"fp8_tensor":                    {says(`"quant_method": "fp8"`), ""},
	"fp8_plain":                     {"", ""},
	"hqq_4bit":                      {says(`"quant_method": "hqq"`), ""},
}

// TestReal reads layers that tools have written, in a model of that layer, at their true weights.
func TestReal(t *testing.T) {
	files, err := filepath.Glob("../../packed/testdata/*.safetensors")
	if err != nil || len(files) != len(realLayers) {
		t.Fatalf("%d files for %d layers, %v", len(files), len(realLayers), err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".safetensors")
		t.Run(name, func(t *testing.T) {
			stored, err := safetensors.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer stored.Close()
			meta := stored.Files()[0].Metadata
			all, layer, separator := tensors{}, "m.layer", "."
			weight := layer + ".weight"
			if name == "gptoss_mxfp4" {
				separator, weight = "_", layer
			}
			var expected []float32
			for _, ts := range stored.Tensors() {
				data := make([]byte, ts.Size)
				if err := stored.ReadTensor(data, &ts); err != nil {
					t.Fatal(err)
				}
				if ts.Name == "bias" {
					continue
				}
				if ts.Name == "expected" {
					expected = make([]float32, ts.Elements())
					ts.Encoding.Decode(expected, data)
					continue
				}
				all[layer+separator+ts.Name] = packed.Part{DType: ts.DType, Shape: ts.Shape, Data: data}
			}
			tc := realLayers[name]
			src := model(t, all, tc.config)
			if tc.fails != "" {
				if reason := reasonOf(t, src); !strings.Contains(reason, tc.fails) {
					t.Errorf("reason %q, want %q", reason, tc.fails)
				}
				return
			}
			if len(src.Tensors()) != 1 {
				t.Errorf("%d tensors", len(src.Tensors()))
			}
			got := weights(t, src, weight)
			sum := sha256.New()
			for i, v := range got {
				if i < len(expected) && v != expected[i] && !(name == "modelopt_nvfp4" && math.Abs(float64(v-expected[i])) <= 0x1p-23*math.Abs(float64(v))) {
					t.Fatalf("weight %d is %v, not %v", i, v, expected[i])
				}
				_ = binary.Write(sum, binary.LittleEndian, v+0)
			}
			if want := meta["sha256"]; want != "" && len(expected) < len(got) && hex.EncodeToString(sum.Sum(nil)) != want {
				t.Error("the first weights are right, but not all")
			}
		})
	}
}

// reasonOf returns why the layer of a model is not read: as it is listed, or as opening it says.
func reasonOf(t *testing.T, src checkpoint.Source) string {
	t.Helper()
	for _, ts := range src.Tensors() {
		if ts.Refusal != "" {
			return ts.Refusal
		}
		if e, ok := ts.Encoding.(checkpoint.PlacedEncoding); ok {
			data := make([]byte, ts.Size)
			if err := src.ReadTensor(data, &ts); err != nil {
				t.Fatal(err)
			}
			if _, err := e.Open(data); err != nil {
				return err.Error()
			}
		}
	}
	return ""
}
