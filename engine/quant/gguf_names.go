package quant

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A category is what llama-quantize takes a tensor for, by its name.
type category int

const (
	catOther category = iota
	catTokenEmbd
	catOutput
	catAttnQ
	catAttnK
	catAttnV // and what holds the values together with others: attn_qkv, attn_kv_b
	catAttnOutput
	catFFNUp
	catFFNGate
	catFFNDown
)

// parts are the parts of names in GGUF files that make a category, in the order in which
// llama-quantize looks for them.
var parts = []struct {
	part     string
	category category
}{
	{"attn_qkv.weight", catAttnV}, {"attn_kv_b.weight", catAttnV}, {"attn_v.weight", catAttnV}, {"attn_k.weight", catAttnK}, {"attn_q.weight", catAttnQ},
	{"attn_output.weight", catAttnOutput}, {"ffn_up", catFFNUp}, {"ffn_gate", catFFNGate}, {"ffn_down", catFFNDown},
}

// categoryOf returns the category of a tensor that has this name in a GGUF file.
func categoryOf(gguf string) category {
	switch gguf {
	case "output.weight":
		return catOutput
	case "token_embd.weight", "per_layer_token_embd.weight":
		return catTokenEmbd
	}
	for _, p := range parts {
		if strings.Contains(gguf, p.part) {
			return p.category
		}
	}
	return catOther
}

// layerOf returns the number of the layer in the name of a tensor in a GGUF file, -1 if it
// has none.
func layerOf(gguf string) int {
	if rest, ok := strings.CutPrefix(gguf, "blk."); ok {
		number, _, _ := strings.Cut(rest, ".")
		if n, err := strconv.Atoi(number); err == nil && n >= 0 {
			return n
		}
	}
	return -1
}

// unquantized are parts of the names of tensors that llama-quantize leaves as they are.
var unquantized = []string{
	"_norm.weight", "ffn_gate_inp.weight", "ffn_gate_tid2eid.weight", "altup", "laurel", "per_layer_model_proj", "ssm_conv1d", "shortconv.conv.weight",
	"indexer.k_proj.weight", "indexer.q_proj.weight", "time_mix_first.weight", "time_mix_w0.weight", "time_mix_w1.weight", "time_mix_w2.weight",
	"time_mix_v0.weight", "time_mix_v1.weight", "time_mix_v2.weight", "time_mix_a0.weight", "time_mix_a1.weight", "time_mix_a2.weight",
	"time_mix_g1.weight", "time_mix_g2.weight", "time_mix_decay_w1.weight", "time_mix_decay_w2.weight", "time_mix_lerp_fused.weight", "attn_rel_b.weight",
	".position_embd", "sam.pos_embd", "sam.neck.", "sam.net_", ".rel_pos", ".patch_embd", ".patch_merger", "a.rvq.codebook", "mm.a.code_embd",
}

// isQuantized reports whether llama-quantize quantizes a matrix that has this name in a GGUF
// file.
func isQuantized(gguf string) bool {
	return gguf != "position_embd.weight" && gguf != "token_types.weight" &&
		!slices.ContainsFunc(unquantized, func(part string) bool { return strings.Contains(gguf, part) })
}

// isStack reports whether a tensor with this name in a GGUF file has three dimensions: the
// matrices of all experts, or those of all heads.
func isStack(gguf string) bool {
	return strings.Contains(gguf, "_exps.") || strings.HasSuffix(gguf, "attn_k_b.weight") || strings.HasSuffix(gguf, "attn_v_b.weight")
}

// layerLists are what lists of layers are called.
var layerLists = []string{"layers", "layer", "h", "blocks", "block"}

// elsewhere are the modules of models that see or hear, whose tensors are not in the file of
// the language model.
var elsewhere = []string{
	"vision_tower", "vision_model", "visual", "vision", "vision_encoder", "vision_embed_tokens", "audio_tower", "audio_model", "audio_encoder", "audio",
	"multi_modal_projector", "mm_projector", "embed_vision", "embed_audio",
}

// tops are the names in GGUF files of tensors outside layers, by the last part of their names
// in checkpoints.
var tops = map[string]string{
	"embed_tokens": "token_embd", "wte": "token_embd", "word_embeddings": "token_embd", "embed_in": "token_embd", "tok_embeddings": "token_embd", "shared": "token_embd", "embeddings": "token_embd",
	"lm_head": "output", "embed_out": "output", "output": "output", "output_layer": "output", "head": "output",
	"wpe": "position_embd", "position_embeddings": "position_embd", "embed_positions": "position_embd", "token_type_embeddings": "token_types",
	"embed_tokens_per_layer": "per_layer_token_embd", "per_layer_model_projection": "per_layer_model_proj",
}

// irregular are the names in GGUF files of tensors in layers whose names in checkpoints follow no
// rule.
var irregular = map[string]string{
	"attention.output.dense": "attn_output", "intermediate.dense": "ffn_up", "output.dense": "ffn_down", // BERT
	"mixer.Wqkv": "attn_qkv", "linear_attn.in_proj_qkv": "attn_qkv", "att_proj": "attn_qkv", "attn_out": "attn_output", "ff_proj": "ffn_up", "ff_out": "ffn_down",
	"mlp.w1": "ffn_up", "mlp.w2": "ffn_gate", // Qwen
	"fc1": "ffn_up", "fc2": "ffn_down",
	"mlp.gate": "ffn_gate_inp", "mlp.router": "ffn_gate_inp", "mlp.gate.wg": "ffn_gate_inp", "block_sparse_moe.gate": "ffn_gate_inp", "block_sparse_moe.router.layer": "ffn_gate_inp",
	"feed_forward.router": "ffn_gate_inp", "ffn.router.layer": "ffn_gate_inp", "mlp.shared_expert_gate": "ffn_gate_inp_shexp",
	"linear_attn.conv1d": "ssm_conv1d", "mixer.conv1d": "ssm_conv1d", "mamba.conv1d": "ssm_conv1d", "conv.conv": "shortconv.conv",
	"layer.1.EncDecAttention.q": "cross_attn_q", "layer.1.EncDecAttention.k": "cross_attn_k", "layer.1.EncDecAttention.v": "cross_attn_v", "layer.1.EncDecAttention.o": "cross_attn_o",
}

// attention are the modules of attention in checkpoints, and attentionLeaves what is in them.
var attention = []string{
	"self_attn", "self_attention", "attention", "attn", "attention.self", "attn.attention", "norm_attn_norm.attn", "mixer", "layer.0.SelfAttention",
}

var attentionLeaves = map[string]string{
	"v_proj": "attn_v", "wv": "attn_v", "value": "attn_v", "v": "attn_v", "kv_b_proj": "attn_kv_b",
	"q_proj": "attn_q", "wq": "attn_q", "query": "attn_q", "q": "attn_q", "k_proj": "attn_k", "wk": "attn_k", "key": "attn_k", "k": "attn_k",
	"qkv_proj": "attn_qkv", "query_key_value": "attn_qkv", "c_attn": "attn_qkv", "Wqkv": "attn_qkv", "wqkv": "attn_qkv", "qkv": "attn_qkv", "W_pack": "attn_qkv",
	"o_proj": "attn_output", "out_proj": "attn_output", "dense": "attn_output", "c_proj": "attn_output", "wo": "attn_output", "o": "attn_output",
}

// feedForward are the modules between attention in checkpoints, and feedForwardLeaves what is
// in them and in experts.
var feedForward = []string{"mlp", "feed_forward", "ffn", "mixer", "residual_mlp", "layer.1.DenseReluDense", "layer.2.DenseReluDense"}

var feedForwardLeaves = map[string]string{
	"down_proj": "ffn_down", "w2": "ffn_down", "dense_4h_to_h": "ffn_down", "c_proj": "ffn_down", "fc2": "ffn_down", "fc_out": "ffn_down", "wo": "ffn_down", "output_linear": "ffn_down",
	"gate_proj": "ffn_gate", "w1": "ffn_gate", "wi_0": "ffn_gate",
	"c_fc_0": "ffn_gate", "up_proj": "ffn_up", "c_fc_1": "ffn_up", "proj_1": "ffn_up", "proj_2": "ffn_down", "w3": "ffn_up", "v1": "ffn_up", "dense_h_to_4h": "ffn_up", "c_fc": "ffn_up", "fc1": "ffn_up", "fc_in": "ffn_up", "wi": "ffn_up", "wi_1": "ffn_up",
	"gate_up_proj": "ffn_up", "input_linear": "ffn_up",
}

// ggufName returns the name that a tensor of a checkpoint has in the GGUF file that
// llama.cpp's converter makes of it, as far as types depend on it: names that stand for
// nothing special keep what is behind their layer. All experts of a layer share one name,
// which is that of their stack, and expert is the number in the name of one of them, -1 in
// others. Names of GGUF files stay as they are.
func ggufName(name string) (gguf string, expert int) {
	expert = -1
	path := strings.Split(name, ".")
	if strings.Contains(name, "blk.") || slices.ContainsFunc(path, func(c string) bool { return slices.Contains(elsewhere, c) }) {
		return name, expert
	}
	leaf := ""
	if last := path[len(path)-1]; last == "weight" || last == "bias" {
		path, leaf = path[:len(path)-1], "."+last
	}
	before, number, path := numberIn(path, layerLists...)
	if number < 0 {
		if n := len(before); n > 1 && before[n-1] == "linear" {
			before = before[:n-1]
		}
		if len(before) > 0 {
			if to := tops[before[len(before)-1]]; to != "" {
				return to + cmp.Or(leaf, ".weight"), expert
			}
		}
		return name, expert
	}
	if experts, n, within := numberIn(path, "experts"); n >= 0 {
		expert, path = n, slices.Concat(experts, within)
	}
	module := strings.Join(path, ".")
	list := "blk"
	if len(before) == 2 && before[1] == "block" && (before[0] == "encoder" || before[0] == "decoder") {
		list = before[0][:3] + ".blk" // the encoder and the decoder of T5
	}
	to := inModule(module, before[0])
	if to == "" {
		to = module
	} else {
		leaf = cmp.Or(leaf, ".weight")
	}
	return fmt.Sprintf("%s.%d.%s%s", list, number, to, leaf), expert
}

// numberIn returns the number behind the first of the lists in a path, what is before it,
// the list included, and what is behind it. The number is -1 if there is none, and all of the
// path before it.
func numberIn(path []string, lists ...string) (before []string, number int, behind []string) {
	for i := 0; i+2 < len(path); i++ {
		if n, err := strconv.Atoi(path[i+1]); err == nil && n >= 0 && slices.Contains(lists, path[i]) {
			return path[:i+1], n, path[i+2:]
		}
	}
	return path, -1, nil
}

// inModule returns the name in GGUF files of what a layer of a checkpoint has at a place, empty
// if it is not known. root is the first part of the name of the tensor.
func inModule(module, root string) string {
	if root == "rwkv" {
		return "" // there is no attention, whatever modules are called
	}
	if to, ok := irregular[module]; ok {
		return to
	}
	container, leaf := "", module
	if at := strings.LastIndex(module, "."); at >= 0 {
		container, leaf = module[:at], module[at+1:]
	}
	within := strings.TrimSuffix(container, ".mlp")
	switch to := feedForwardLeaves[leaf]; within[strings.LastIndex(within, ".")+1:] {
	case "shared_expert", "shared_experts", "shared_mlp":
		return suffixed(to, "_shexp")
	case "experts", "block_sparse_moe":
		return suffixed(to, "_exps")
	case "mixer":
		if root == "backbone" && leaf == "out_proj" {
			return "ssm_out" // of Mamba; Phi has one behind attention
		}
	}
	if to := attentionLeaves[leaf]; to != "" && slices.Contains(attention, container) {
		return to
	}
	if slices.Contains(feedForward, container) {
		return feedForwardLeaves[leaf]
	}
	return ""
}

// suffixed returns a name with a suffix, and nothing for none.
func suffixed(name, suffix string) string {
	if name == "" {
		return ""
	}
	return name + suffix
}
