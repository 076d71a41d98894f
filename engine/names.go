package engine

import (
	"slices"
	"strings"
)

// A tensorName is the name of a tensor, taken apart. What a tensor is for, only the last
// part tells: names of modules around it may have any words.
type tensorName struct {
	module string // all but the leaf, the separator included
	leaf   string
	last   string   // the last part that says something: the leaf, or the module before "weight"
	words  []string // of last, in lower case
	// weight says that the leaf is "weight" or a word for it, so that last is a module.
	weight bool
}

// weightLeaves are what frameworks call the weight of a module.
var weightLeaves = []string{"weight", "kernel", "weights", "kernel:0", "weight:0", "embedding", "embeddings:0"}

func parseName(name string) tensorName {
	at := strings.LastIndexAny(name, "./") + 1
	n := tensorName{module: name[:at], leaf: name[at:]}
	n.last = n.leaf
	n.weight = slices.Contains(weightLeaves, n.leaf)
	if n.weight && at > 1 && n.leaf != "embedding" && n.leaf != "embeddings:0" {
		outer := name[:at-1]
		n.last = outer[strings.LastIndexAny(outer, "./")+1:]
	}
	n.words = strings.FieldsFunc(strings.ToLower(n.last), func(r rune) bool { return r == '_' || r == '-' || r == ':' })
	return n
}

// has reports whether one of the words is among those of the last part.
func (n *tensorName) has(words ...string) bool {
	return slices.ContainsFunc(n.words, func(w string) bool { return slices.Contains(words, w) })
}

// is reports whether the last part is one of the names.
func (n *tensorName) is(names ...string) bool { return slices.Contains(names, strings.ToLower(n.last)) }

// ends reports whether the last word is one of the words.
func (n *tensorName) ends(words ...string) bool {
	return len(n.words) > 0 && slices.Contains(words, n.words[len(n.words)-1])
}

// embeddingWords are the words for a table of vectors.
var embeddingWords = []string{"emb", "embs", "embd", "embed", "embeds", "embedding", "embeddings"}

// isTable reports whether the name is that of a table of vectors, from which rows are
// taken, and which no matrix product has.
func (n *tensorName) isTable() bool {
	// Linear layers and convolutions of well-known models, and what takes a table further.
	if n.is("embed_out", "class_embed", "bbox_embed", "box_embed", "patch_embed", "time_embed") ||
		n.has("proj", "project", "projection", "projector", "mapping", "transform", "transformation", "linear", "mlp", "fc", "dense") {
		return false
	}
	if n.is("wte", "wpe", "wtt", "shared", "pos", "codebook", "lookup") || n.ends(embeddingWords...) || n.ends("token", "tokens", "table", "latents") {
		return true
	}
	if (n.has("relative") || n.has("rel")) && n.has("pos", "position", "bias", "attention", "embed", "embeddings") {
		return true
	}
	// embed_positions, word_embeddings_2, pos_embed_win
	of := []string{"token", "tokens", "tok", "word", "words", "pos", "position", "positions", "type", "types", "lang", "char"}
	return n.has(embeddingWords...) && n.has(of...) || n.is("embed_in")
}

// isHead reports whether the name is that of a layer, so that a matrix with as many rows as
// there are words is no table.
func (n *tensorName) isHead() bool {
	return n.has("head", "output", "out", "decoder", "classifier", "score", "logits", "proj", "projection", "linear", "fc", "dense",
		"generator", "cls", "predictions", "lm", "mlp")
}

// isNorm reports whether the name is that of a normalization.
func (n *tensorName) isNorm() bool {
	last := strings.TrimRight(strings.ToLower(n.last), "0123456789_")
	for _, end := range []string{"norm", "layernorm", "rmsnorm", "batchnorm"} {
		if strings.HasSuffix(last, end) {
			return true
		}
	}
	return n.has("ln", "bn")
}

// isMask reports whether the name is that of a mask of attention.
func (n *tensorName) isMask() bool {
	return n.ends("mask", "masks", "tril", "triu") || n.is("masked_bias")
}

// isRotary reports whether the name is that of a table of angles for rotary embeddings.
func (n *tensorName) isRotary() bool {
	return n.ends("freq", "freqs") || n.is("freqs_cis", "freqs_cos", "freqs_sin", "cos", "sin", "cos_cached", "sin_cached", "rope_freqs") || n.is("rope_cache")
}

// isBias reports whether the leaf is that of a bias.
func (n *tensorName) isBias() bool {
	return !n.weight && n.ends("bias", "biases")
}

// isOptimizer reports whether a whole name is that of the state of an optimizer.
func isOptimizer(name string) bool {
	n := parseName(name)
	if n.is("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg", "acc_delta", "adam_m", "adam_v") {
		return true
	}
	first := name
	if at := strings.IndexAny(name, "./"); at >= 0 {
		first = name[:at]
	}
	switch strings.ToLower(first) {
	case "optimizer", "optimizers", "optimizer_state", "optimizer_states", "optimizer_state_dict", "optim", "opt_state":
		return true
	}
	return false
}

// companionLeaves are the ends of leaves that are never those of weights: what quantized
// weights are stored with.
var companionLeaves = []string{
	"weight_scale", "weight_scale_inv", "weight_scale_2", "weight_global_scale", "input_scale", "output_scale", "input_global_scale",
	"k_scale", "v_scale", "weight_zero_point", "input_zero_point", "weight_shape", "weight_g_idx",
	"qzeros", "qscales", "g_idx", "absmax", "nested_absmax", "quant_map", "nested_quant_map", "quant_state", "scb", "lut", "w_scales",
}

// isCompanion reports whether a tensor belongs to packed weights by its leaf alone.
func (n *tensorName) isCompanion() bool {
	leaf := strings.ToLower(n.leaf)
	if slices.Contains(companionLeaves, leaf) || strings.Contains(leaf, "quant_state") || strings.HasPrefix(leaf, "bitsandbytes__") {
		return true
	}
	return strings.HasSuffix(leaf, "_weight_scale") || strings.HasSuffix(leaf, "_scale_inv") || strings.HasSuffix(leaf, "_zero_point")
}

// isCompanionOfSibling reports whether a tensor belongs to packed weights if its module
// has some.
func (n *tensorName) isCompanionOfSibling() bool {
	return n.has("scale", "scales", "zero", "zeros", "biases", "min", "max", "codebooks", "codebook", "su", "sv", "meta", "offset", "offsets")
}
