package quant

import "testing"

// TestGGUFNames: tensors have the names that llama.cpp's converter gives them, and the
// categories that llama-quantize takes these for.
func TestGGUFNames(t *testing.T) {
	for name, want := range map[string]struct {
		gguf     string
		category category
		expert   int
	}{
		"model.embed_tokens.weight":                                 {"token_embd.weight", catTokenEmbd, -1},
		"model.language_model.embed_tokens.weight":                  {"token_embd.weight", catTokenEmbd, -1},
		"transformer.wte.weight":                                    {"token_embd.weight", catTokenEmbd, -1},
		"wte.weight":                                                {"token_embd.weight", catTokenEmbd, -1},
		"transformer.word_embeddings.weight":                        {"token_embd.weight", catTokenEmbd, -1},
		"gpt_neox.embed_in.weight":                                  {"token_embd.weight", catTokenEmbd, -1},
		"tok_embeddings.weight":                                     {"token_embd.weight", catTokenEmbd, -1},
		"bert.embeddings.word_embeddings.weight":                    {"token_embd.weight", catTokenEmbd, -1},
		"model.embed_tokens_per_layer.weight":                       {"per_layer_token_embd.weight", catTokenEmbd, -1},
		"token_embd.weight":                                         {"token_embd.weight", catTokenEmbd, -1},
		"lm_head.weight":                                            {"output.weight", catOutput, -1},
		"language_model.lm_head.weight":                             {"output.weight", catOutput, -1},
		"lm_head.linear.weight":                                     {"output.weight", catOutput, -1},
		"embed_out.weight":                                          {"output.weight", catOutput, -1},
		"transformer.output_layer.weight":                           {"output.weight", catOutput, -1},
		"output.weight":                                             {"output.weight", catOutput, -1},
		"transformer.wpe.weight":                                    {"position_embd.weight", catOther, -1},
		"bert.embeddings.token_type_embeddings.weight":              {"token_types.weight", catOther, -1},
		"model.layers.3.self_attn.v_proj.weight":                    {"blk.3.attn_v.weight", catAttnV, -1},
		"model.layers.3.self_attn.v_proj.bias":                      {"blk.3.attn_v.bias", catOther, -1},
		"model.language_model.layers.13.self_attn.q_proj.weight":    {"blk.13.attn_q.weight", catAttnQ, -1},
		"model.layers.3.self_attn.k_proj.weight":                    {"blk.3.attn_k.weight", catAttnK, -1},
		"model.layers.3.self_attn.o_proj.weight":                    {"blk.3.attn_output.weight", catAttnOutput, -1},
		"model.layers.3.self_attn.q_norm.weight":                    {"blk.3.self_attn.q_norm.weight", catOther, -1},
		"model.layers.3.mlp.gate_proj.weight":                       {"blk.3.ffn_gate.weight", catFFNGate, -1},
		"model.layers.3.mlp.up_proj.weight":                         {"blk.3.ffn_up.weight", catFFNUp, -1},
		"model.layers.3.mlp.down_proj.weight":                       {"blk.3.ffn_down.weight", catFFNDown, -1},
		"layers.3.attention.wv.weight":                              {"blk.3.attn_v.weight", catAttnV, -1},
		"layers.3.attention.wo.weight":                              {"blk.3.attn_output.weight", catAttnOutput, -1},
		"layers.3.feed_forward.w2.weight":                           {"blk.3.ffn_down.weight", catFFNDown, -1},
		"model.layers.3.block_sparse_moe.experts.7.w2.weight":       {"blk.3.ffn_down_exps.weight", catFFNDown, 7},
		"model.layers.3.block_sparse_moe.experts.0.w1.weight":       {"blk.3.ffn_gate_exps.weight", catFFNGate, 0},
		"model.layers.3.block_sparse_moe.gate.weight":               {"blk.3.ffn_gate_inp.weight", catFFNGate, -1},
		"model.layers.3.block_sparse_moe.output_linear.weight":      {"blk.3.ffn_down_exps.weight", catFFNDown, -1},
		"model.layers.3.mlp.experts.63.down_proj.weight":            {"blk.3.ffn_down_exps.weight", catFFNDown, 63},
		"model.layers.3.mlp.experts.down_proj":                      {"blk.3.ffn_down_exps.weight", catFFNDown, -1},
		"model.layers.3.mlp.experts.gate_up_proj":                   {"blk.3.ffn_up_exps.weight", catFFNUp, -1},
		"model.layers.3.mlp.shared_expert.down_proj.weight":         {"blk.3.ffn_down_shexp.weight", catFFNDown, -1},
		"model.layers.3.mlp.shared_experts.up_proj.weight":          {"blk.3.ffn_up_shexp.weight", catFFNUp, -1},
		"model.layers.3.mlp.gate.weight":                            {"blk.3.ffn_gate_inp.weight", catFFNGate, -1},
		"transformer.blocks.3.ffn.experts.mlp.w2":                   {"blk.3.ffn_down_exps.weight", catFFNDown, -1},
		"transformer.blocks.3.norm_attn_norm.attn.Wqkv.weight":      {"blk.3.attn_qkv.weight", catAttnV, -1},
		"transformer.blocks.3.ffn.down_proj.weight":                 {"blk.3.ffn_down.weight", catFFNDown, -1},
		"model.layers.3.self_attn.kv_b_proj.weight":                 {"blk.3.attn_kv_b.weight", catAttnV, -1},
		"model.layers.3.self_attn.kv_a_proj_with_mqa.weight":        {"blk.3.self_attn.kv_a_proj_with_mqa.weight", catOther, -1},
		"h.3.attn.c_attn.weight":                                    {"blk.3.attn_qkv.weight", catAttnV, -1},
		"transformer.h.3.attn.c_proj.weight":                        {"blk.3.attn_output.weight", catAttnOutput, -1},
		"transformer.h.3.mlp.c_fc.weight":                           {"blk.3.ffn_up.weight", catFFNUp, -1},
		"transformer.h.3.mlp.c_proj.weight":                         {"blk.3.ffn_down.weight", catFFNDown, -1},
		"transformer.h.3.attn.attention.out_proj.weight":            {"blk.3.attn_output.weight", catAttnOutput, -1},
		"transformer.h.3.mlp.w1.weight":                             {"blk.3.ffn_up.weight", catFFNUp, -1},
		"transformer.h.3.mlp.w2.weight":                             {"blk.3.ffn_gate.weight", catFFNGate, -1},
		"gpt_neox.layers.3.attention.query_key_value.weight":        {"blk.3.attn_qkv.weight", catAttnV, -1},
		"gpt_neox.layers.3.attention.dense.weight":                  {"blk.3.attn_output.weight", catAttnOutput, -1},
		"gpt_neox.layers.3.mlp.dense_4h_to_h.weight":                {"blk.3.ffn_down.weight", catFFNDown, -1},
		"transformer.h.3.self_attention.query_key_value.weight":     {"blk.3.attn_qkv.weight", catAttnV, -1},
		"transformer.h.3.self_attention.dense.weight":               {"blk.3.attn_output.weight", catAttnOutput, -1},
		"transformer.encoder.layers.3.mlp.dense_4h_to_h.weight":     {"blk.3.ffn_down.weight", catFFNDown, -1},
		"model.layers.3.self_attn.dense.weight":                     {"blk.3.attn_output.weight", catAttnOutput, -1},
		"model.layers.3.mlp.fc2.weight":                             {"blk.3.ffn_down.weight", catFFNDown, -1},
		"model.layers.3.self_attn.qkv_proj.weight":                  {"blk.3.attn_qkv.weight", catAttnV, -1},
		"model.layers.3.mlp.gate_up_proj.weight":                    {"blk.3.ffn_up.weight", catFFNUp, -1},
		"transformer.h.3.mixer.out_proj.weight":                     {"blk.3.attn_output.weight", catAttnOutput, -1},
		"backbone.layers.3.mixer.out_proj.weight":                   {"blk.3.ssm_out.weight", catOther, -1},
		"backbone.layers.3.mixer.v_proj.weight":                     {"blk.3.attn_v.weight", catAttnV, -1},
		"backbone.layers.3.mixer.down_proj.weight":                  {"blk.3.ffn_down.weight", catFFNDown, -1},
		"model.decoder.layers.3.fc2.weight":                         {"blk.3.ffn_down.weight", catFFNDown, -1},
		"bert.encoder.layer.3.attention.self.value.weight":          {"blk.3.attn_v.weight", catAttnV, -1},
		"bert.encoder.layer.3.attention.output.dense.weight":        {"blk.3.attn_output.weight", catAttnOutput, -1},
		"bert.encoder.layer.3.output.dense.weight":                  {"blk.3.ffn_down.weight", catFFNDown, -1},
		"encoder.block.3.layer.0.SelfAttention.v.weight":            {"enc.blk.3.attn_v.weight", catAttnV, -1},
		"decoder.block.3.layer.1.EncDecAttention.v.weight":          {"dec.blk.3.cross_attn_v.weight", catAttnV, -1},
		"decoder.block.3.layer.2.DenseReluDense.wo.weight":          {"dec.blk.3.ffn_down.weight", catFFNDown, -1},
		"model.visual.blocks.3.attn.qkv.weight":                     {"model.visual.blocks.3.attn.qkv.weight", catOther, -1},
		"vision_tower.encoder.layers.3.self_attn.v_proj.weight":     {"vision_tower.encoder.layers.3.self_attn.v_proj.weight", catOther, -1},
		"blk.3.attn_v.weight":                                       {"blk.3.attn_v.weight", catAttnV, -1},
		"blk.3.attn_qkv.weight":                                     {"blk.3.attn_qkv.weight", catAttnV, -1},
		"blk.3.ffn_down_exps.weight":                                {"blk.3.ffn_down_exps.weight", catFFNDown, -1},
		"blk.3.ffn_down_shexp.weight":                               {"blk.3.ffn_down_shexp.weight", catFFNDown, -1},
		"blk.3.attn_q_a.weight":                                     {"blk.3.attn_q_a.weight", catOther, -1},
		"a.weight":                                                  {"a.weight", catOther, -1},
		"model.layers.99999999999999999999.self_attn.v_proj.weight": {"model.layers.99999999999999999999.self_attn.v_proj.weight", catOther, -1},
		"model.layers.3":                                            {"model.layers.3", catOther, -1},
		"weight":                                                    {"weight", catOther, -1},
		"":                                                          {"", catOther, -1},
		"layers.3.layer.weight":                                     {"blk.3.layer.weight", catOther, -1},
		"h.3.layer.0.SelfAttention.v":                               {"blk.3.attn_v.weight", catAttnV, -1},
		"rwkv.blocks.3.attention.value.weight":                      {"blk.3.attention.value.weight", catOther, -1},
		"transformer.h.3.mlp.c_fc_0.weight":                         {"blk.3.ffn_gate.weight", catFFNGate, -1},
		"model.layers.layers.3.self_attn.v_proj.weight":             {"blk.3.attn_v.weight", catAttnV, -1},
		"backbone.embeddings.weight":                                {"token_embd.weight", catTokenEmbd, -1},
		"head.weight":                                               {"output.weight", catOutput, -1},
		"encoder.layer.3.attention.self.value.weight":               {"blk.3.attn_v.weight", catAttnV, -1},
	} {
		gguf, expert := ggufName(name)
		if got := categoryOf(gguf); gguf != want.gguf || got != want.category || expert != want.expert {
			t.Errorf("%s: %s, category %d, expert %d, want %v", name, gguf, got, expert, want)
		}
	}
}

// TestQuantizedNames: which matrices llama-quantize leaves as they are, and in which layer it
// takes a tensor to be.
func TestQuantizedNames(t *testing.T) {
	for name, want := range map[string]bool{
		"blk.3.attn_v.weight": true, "output.weight": true, "token_embd.weight": true, "blk.3.ffn_gate.weight": true, "blk.3.ffn_gate_inp_shexp.weight": true, "a.weight": true,
		"blk.3.attn_q_norm.weight": false, "blk.3.ffn_gate_inp.weight": false, "position_embd.weight": false, "token_types.weight": false, "blk.0.ssm_conv1d.weight": false,
		"per_layer_model_proj.weight": false, "enc.blk.0.attn_rel_b.weight": false, "blk.1.time_mix_w1.weight": false,
	} {
		if isQuantized(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	for name, want := range map[string]int{"blk.3.attn_v.weight": 3, "blk.12.x": 12, "output.weight": -1, "enc.blk.3.attn_v.weight": -1, "blk.x.y": -1, "blk.-1.y": -1, "blk.99999999999999999999.x": -1} {
		if got := layerOf(name); got != want {
			t.Errorf("%s: layer %d, want %d", name, got, want)
		}
	}
}
