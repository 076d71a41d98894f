package checkpoint

import (
	"errors"
	"strings"
	"testing"
)

// TestAdapterKind has the names that the tools write: PEFT, diffusers, kohya's sd-scripts,
// LyCORIS, MLX; and those of models that only look similar.
func TestAdapterKind(t *testing.T) {
	for _, tc := range []struct {
		name    string
		tensors []string // those that end in "." are vectors
		want    string
	}{
		{"PEFT", []string{"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"}, "LoRA"},
		{"PEFT, named adapter", []string{"l.q_proj.lora_A.default.weight", "l.q_proj.lora_B.default.weight", "l.q_proj.lora_magnitude_vector.default."}, "LoRA"},
		{"PEFT with whole modules", []string{"m.q.lora_A.weight", "m.q.lora_B.weight", "m.v.lora_A.weight", "m.v.lora_B.weight", "m.o.lora_A.weight", "m.o.lora_B.weight", "lm_head.weight", "embed_tokens.weight"}, "LoRA"},
		{"embedding", []string{"m.embed_tokens.lora_embedding_A", "m.embed_tokens.lora_embedding_B"}, "LoRA"},
		{"kohya", []string{"lora_unet_mid_block_attn1_to_q.lora_down.weight", "lora_unet_mid_block_attn1_to_q.lora_up.weight", "lora_unet_mid_block_attn1_to_q.alpha."}, "LoRA"},
		{"diffusers", []string{"unet.down.attn1.processor.to_q_lora.down.weight", "unet.down.attn1.processor.to_q_lora.up.weight"}, "LoRA"},
		{"diffusers, new", []string{"unet.attn1.to_q.lora.down.weight", "unet.attn1.to_q.lora.up.weight"}, "LoRA"},
		{"diffusers, text encoder", []string{"text.q_proj.lora_linear_layer.up.weight", "text.q_proj.lora_linear_layer.down.weight"}, "LoRA"},
		{"MLX", []string{"model.layers.0.self_attn.q_proj.lora_a", "model.layers.0.self_attn.q_proj.lora_b"}, "LoRA"},
		{"LoHa", []string{"lora_te_q.hada_w1_a", "lora_te_q.hada_w1_b", "lora_te_q.hada_w2_a", "lora_te_q.hada_w2_b", "lora_te_q.alpha."}, "LoHa"},
		{"LoKr", []string{"lycoris_q.lokr_w1", "lycoris_q.lokr_w2_a", "lycoris_q.lokr_w2_b"}, "LoKr"},
		{"OFT", []string{"m.q_proj.oft_r.default", "x.oft_blocks"}, "OFT"},
		{"IA3", []string{"base_model.model.h.0.attn.c_attn.ia3_l.", "base_model.model.h.0.mlp.c_fc.ia3_l."}, "IA3"},
		{"VeRA", []string{"base_model.vera_A", "base_model.vera_B", "m.q.vera_lambda_b."}, "VeRA"},
		{"prompt", []string{"prompt_embeddings"}, "prompt tuning"},

		{"model", []string{"model.layers.0.self_attn.q_proj.weight", "lm_head.weight"}, ""},
		{"low rank by design", []string{"l.q_a_proj.weight", "l.q_b_proj.weight", "attn.w_lora.lora.0.weight", "attn.w_lora.lora.2.weight"}, ""},
		{"not merged", []string{"l.q.base_layer.weight", "l.q.lora_A.speech.weight", "l.q.lora_B.speech.weight", "l.q.lora_A.vision.weight", "l.q.lora_B.vision.weight"}, ""},
		{"adapters of a model with other names", []string{"l.Wqkv.parametrizations.weight.original", "l.Wqkv.parametrizations.weight.0.lora_A", "l.Wqkv.parametrizations.weight.0.lora_B"}, ""},
		{"a small part", []string{"a.weight", "b.weight", "c.weight", "d.weight", "x.lora_A.weight", "x.lora_B.weight"}, ""},
		{"no tensors", nil, ""},
		{"words inside names", []string{"flora_B.weight", "explora_up.x", "m.lora_Always.weight"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var tensors []Tensor
			for _, name := range tc.tensors {
				shape := []int{4, 4}
				if strings.HasSuffix(name, ".") {
					name, shape = strings.TrimSuffix(name, "."), []int{4}
				}
				tensors = append(tensors, Tensor{Name: name, Shape: shape})
			}
			if got := AdapterKind(tensors); got != tc.want {
				t.Errorf("AdapterKind = %q, want %q", got, tc.want)
			}
		})
	}
	err := Adapterf("LoRA", "org/base\n")
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), `(LoRA)`) || !strings.Contains(err.Error(), `"org/base\n"`) || !strings.Contains(err.Error(), "merge_and_unload") {
		t.Errorf("error %v", err)
	}
}

func TestIsCompanion(t *testing.T) {
	for name, want := range map[string]bool{
		"config.json": true, "generation_config.json": true, "tokenizer.json": true, "tokenizer.model": true,
		"vocab.json": true, "merges.txt": true, "vocab.txt": true, "chat_template.jinja": true, "preprocessor_config.json": true,
		"spiece.model": true, "sentencepiece.bpe.model": true, "modeling_x.py": true, "LICENSE": true, "LICENSE.txt": true, "README.md": true,
		"qwen.tiktoken": true, "model_index.json": true, "adapter_config.json": true,

		"model.safetensors": false, "pytorch_model.bin": false, "x.pt": false, "x.pth": false, "tf_model.h5": false, "flax_model.msgpack": false,
		"model.onnx": false, "model.gguf": false, "x.ckpt": false, "rust_model.ot": false, "training_args.bin": false,
		"model.safetensors.index.json": false, "pytorch_model.bin.index.json": false, "model.safetensors.index.fp16.json": false, "Model.Safetensors.Index.JSON": false,
		".gitattributes": false, ".hidden.json": false, "events.out.tfevents": false, "license.bin": false, "": false,
	} {
		if got := IsCompanion(name); got != want {
			t.Errorf("IsCompanion(%q) = %t", name, got)
		}
	}
}
