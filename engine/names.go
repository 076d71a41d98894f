package engine

import (
	"slices"
	"strconv"
	"strings"
)

// A tensorName is the name of a tensor, taken apart. What a tensor is for, only the last
// part tells: names of modules around it may have any words.
type tensorName struct {
	module string // all but the leaf, the separator included
	leaf   string // in lower case, without the ":0" of TensorFlow
	last   string // the last part that says something: the leaf, or the module before "weight"
	outer  string // the part before last
	words  []string
	// weight says that the leaf is "weight" or a word for it, so that last is a module.
	weight bool
}

// weightLeaves are what frameworks call the weight of a module.
var weightLeaves = []string{"weight", "kernel", "weights"}

func parseName(name string) tensorName {
	at := strings.LastIndexAny(name, "./") + 1
	n := tensorName{module: name[:at], leaf: strings.ToLower(strings.TrimSuffix(name[at:], ":0"))}
	n.weight = slices.Contains(weightLeaves, n.leaf)
	parts := strings.FieldsFunc(strings.ToLower(n.module), func(r rune) bool { return r == '.' || r == '/' })
	n.last = n.leaf
	if n.weight && len(parts) > 0 {
		n.last, parts = parts[len(parts)-1], parts[:len(parts)-1]
	}
	if len(parts) > 0 {
		n.outer = parts[len(parts)-1]
	}
	n.words = wordsOf(n.last)
	return n
}

func wordsOf(part string) []string {
	return strings.FieldsFunc(part, func(r rune) bool { return r == '_' || r == '-' || r == ':' })
}

// has reports whether one of the words is among those of the last part.
func (n *tensorName) has(words ...string) bool {
	return slices.ContainsFunc(n.words, func(w string) bool { return slices.Contains(words, w) })
}

// is reports whether the last part is one of the names.
func (n *tensorName) is(names ...string) bool { return slices.Contains(names, n.last) }

// ends reports whether the last word is one of the words.
func (n *tensorName) ends(words ...string) bool {
	return len(n.words) > 0 && slices.Contains(words, n.words[len(n.words)-1])
}

// embeddingWords are the words for a table of vectors.
var embeddingWords = []string{"emb", "embs", "embd", "embed", "embeds", "embedding", "embeddings"}

// layerWords are words of layers, which are multiplied, and not looked up.
var layerWords = []string{
	"proj", "project", "projection", "projector", "mapping", "transform", "transformation", "linear", "mlp", "fc", "dense", "out",
	"patch", "patches", "to", "conv", "mixer", "mixing", "head", "norm", "hidden",
}

// isTable reports whether the name is that of a table of vectors, from which rows are
// taken, and which no matrix product has.
func (n *tensorName) isTable() bool {
	if _, err := strconv.Atoi(n.last); err == nil {
		// One of a list of tables. Lists that begin with a linear layer have such names, too.
		list := tensorName{last: n.outer, words: wordsOf(n.outer)}
		return list.is("input_embeds_layers", "embed_tokens") || list.ends(embeddingWords...) && list.isTable() &&
			!list.has("time", "timestep", "label", "class", "bbox", "box", "text", "context", "cond", "image") && len(n.outer) > 0 && !n.sequential()
	}
	// Linear layers of well-known models.
	if n.is("class_embed", "bbox_embed", "box_embed", "time_embed") || n.has(layerWords...) {
		return false
	}
	switch {
	case n.is("wte", "wpe", "wtt", "shared", "codebook", "codebooks", "codevectors", "lookup", "lut", "w_e", "w_pos", "token_types", "attn_rel_b",
		"query_feat", "queries_features", "static_query", "pos", "position", "positions", "pos_table"):
		return true
	case !n.weight && n.is("query", "queries", "latents"), n.ends("embedder") && n.has("char", "token", "query", "queries"):
		return true
	case n.is("embed_avg"): // a running mean
		return false
	case n.ends(embeddingWords...), n.ends("token", "tokens", "table", "latents", "lookup"):
		return true
	case (n.has("relative") || n.has("rel")) && n.has("pos", "position", "bias", "attention", "embed", "embeddings"):
		return true
	}
	// embed_positions, emb_g, embedding_sum; word_embeddings_2, pos_embed_win, label_embeddings_concat
	return len(n.words) > 1 && (slices.Contains(embeddingWords, n.words[0]) ||
		n.has(embeddingWords...) && n.has("token", "tokens", "tok", "word", "words", "pos", "position", "positions", "type", "types", "lang", "char", "label"))
}

// sequential reports whether the part in front of a number is itself in a numbered list of
// blocks, so that it is a sequence of layers.
func (n *tensorName) sequential() bool {
	parts := strings.FieldsFunc(n.module, func(r rune) bool { return r == '.' || r == '/' })
	if len(parts) < 3 {
		return false
	}
	_, err := strconv.Atoi(parts[len(parts)-3])
	return err == nil
}

// mayBeTable reports whether the name is that of a table if its size says so, too.
func (n *tensorName) mayBeTable() bool {
	return n.has("tok", "token", "tokens", "word", "words", "vocab", "char", "chars", "input", "inputs") && !n.has(layerWords...)
}

// isNorm reports whether the name is that of a normalization, whose scale is a vector, or
// of a scale for each head.
func (n *tensorName) isNorm(matrix bool) bool {
	if n.weight && matrix {
		return n.is("q_norm", "k_norm", "query_norm", "key_norm", "q_layernorm", "k_layernorm")
	}
	last := strings.TrimRight(n.last, "0123456789_")
	for _, end := range []string{"norm", "layernorm", "rmsnorm", "batchnorm", "grn"} {
		if strings.HasSuffix(last, end) {
			return true
		}
	}
	return n.has("ln", "bn") || n.leaf == "gamma" || n.leaf == "beta"
}

// isParameter reports whether the name is that of parameters that scale, shift or decay,
// and are no matrix, whatever their shape.
func (n *tensorName) isParameter() bool {
	return !n.weight && (n.is("a_log", "ssm_a", "ssm_d", "dt_bias", "time_decay", "time_first", "time_faaaa", "r_k", "k_k", "k_a", "pos_bias_u", "pos_bias_v",
		"logit_scale", "modulation", "scale_shift_table", "alpha", "lambda", "gru_rel_pos_const", "sinks", "layer_scale", "ls1", "ls2") ||
		strings.HasPrefix(n.last, "time_mix") || strings.HasSuffix(n.leaf, "weight_g") || strings.HasSuffix(n.leaf, "_bias_u"))
}

// isBuffer reports whether the leaf is that of a mask, of a table of angles, positions or
// filters, or of a running statistic: of nothing that was trained.
func (n *tensorName) isBuffer() bool {
	switch {
	case n.weight:
		return false
	case n.ends("mask", "masks", "tril", "triu", "ids", "idx", "index", "indices", "buffer", "cache", "freq", "freqs", "periods", "window", "anchors", "anchor", "grid"):
		return true
	case n.has("cos", "sin", "freqs", "sinusoidal", "gaussian", "cached", "alibi", "slopes", "anchors"), n.is("masked_bias", "pe", "mel_basis", "mel_filters", "fb", "filterbank",
		"embed_avg", "cluster_size", "running_mean", "running_var", "rope_freqs", "maskmem_tpos_enc", "pos_table"):
		return true
	}
	_, err := strconv.Atoi(n.last)
	return err == nil && wordsOf(n.outer) != nil && slices.Contains(wordsOf(n.outer), "anchors")
}

// isBias reports whether the leaf is that of a bias.
func (n *tensorName) isBias() bool {
	return !n.weight && (n.ends("bias", "biases") || len(n.words) == 2 && n.words[0] == "b")
}

// optimizerLeaves are what frameworks call the state that an optimizer keeps of a tensor.
var optimizerLeaves = []string{
	"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg", "acc_delta", "adam_m", "adam_v", "adam", "adam_1", "momentum",
	"rmsprop", "rmsprop_1", "adagrad", "v_row", "v_col",
}

// optimizerRoots are what the state of an optimizer as a whole is called.
var optimizerRoots = []string{
	"optimizer", "optimizers", "optimizer_state", "optimizer_states", "optimizer_state_dict", "optim", "opt_state", "adam", "exp_avg", "exp_avg_sq",
	"momentum_buffer", "param_states",
}

// isOptimizer reports whether a whole name is that of the state of an optimizer.
func (n *tensorName) isOptimizer() bool {
	if slices.Contains(optimizerLeaves, n.leaf) {
		return true
	}
	parts := strings.FieldsFunc(strings.ToLower(n.module), func(r rune) bool { return r == '.' || r == '/' })
	if len(parts) == 0 {
		return false
	}
	first := strings.TrimRight(parts[0], "0123456789_")
	if slices.Contains(optimizerRoots, parts[0]) || slices.Contains(optimizerRoots, first) || slices.Contains(parts[:min(2, len(parts))], "param_states") {
		return true
	}
	if (parts[0] == "mu" || parts[0] == "nu") && len(parts) > 1 && parts[1] == "params" {
		return true
	}
	// kernel/v and kernel/m of T5X, kernel/m:0 of Keras
	return (n.leaf == "m" || n.leaf == "v") && slices.Contains(weightLeaves, parts[len(parts)-1])
}

// companionLeaves are the ends of leaves that are never those of weights: what quantized
// weights are stored with.
var companionLeaves = []string{
	"weight_scale", "weight_scale_inv", "weight_scale_2", "weight_global_scale", "input_scale", "output_scale", "input_global_scale",
	"k_scale", "v_scale", "weight_zero_point", "input_zero_point", "weight_shape", "weight_g_idx",
	"qzeros", "qscales", "g_idx", "absmax", "nested_absmax", "quant_map", "nested_quant_map", "quant_state", "scb", "w_scales",
}

// isCompanion reports whether a tensor belongs to packed weights by its leaf alone.
func (n *tensorName) isCompanion() bool {
	if slices.Contains(companionLeaves, n.leaf) || strings.Contains(n.leaf, "quant_state") || strings.HasPrefix(n.leaf, "bitsandbytes__") {
		return true
	}
	return strings.HasSuffix(n.leaf, "_weight_scale") || strings.HasSuffix(n.leaf, "_scale_inv") || strings.HasSuffix(n.leaf, "_zero_point")
}

// isCompanionOfSibling reports whether a tensor belongs to packed weights if its module
// has some.
func (n *tensorName) isCompanionOfSibling() bool {
	return n.decodes() || n.has("biases", "min", "max", "su", "sv", "meta", "offset", "offsets", "perm") || !n.weight && n.is("s", "tables", "tables2", "forward_hadamard_matrix", "backward_hadamard_matrix")
}

// decodes reports whether the name is that of what codes are decoded with.
func (n *tensorName) decodes() bool {
	return n.has("scale", "scales", "zero", "zeros", "zp", "codebook", "codebooks", "centroid", "centroids", "lut") || n.is("lookup_table")
}

// parent returns the module of the module that n is the weight of, such as centroids.weight;
// for other names, their module.
func (n *tensorName) parent() string {
	if !n.weight || n.module == "" {
		return n.module
	}
	return n.module[:strings.LastIndexAny(n.module[:len(n.module)-1], "./")+1]
}

// isIndices reports whether the name is that of indices, of counts or of lengths, which may
// be those of the vectors of a codebook.
func (n *tensorName) isIndices() bool {
	return n.has("ids", "idx", "idxs", "index", "indices", "count", "counts", "length", "lengths")
}

// isConv1D reports whether the name is one of the layers of GPT-2 that transformers calls
// Conv1D.
func (n *tensorName) isConv1D() bool { return n.weight && n.is("c_attn", "c_proj", "c_fc", "q_attn") }

// isCodes reports whether the name is one that codes have.
func (n *tensorName) isCodes() bool {
	return n.isIndices() || n.has("code", "codes", "qidxs", "qweight", "packed")
}

// isMask reports whether the name is that of a mask.
func (n *tensorName) isMask() bool { return n.has("mask", "masks") }

// isPosition reports whether the name is that of indices of positions or tokens.
func (n *tensorName) isPosition() bool {
	return n.isIndices() && n.has("position", "positions", "pos", "relative", "rel", "token", "type")
}
