package checkpoint

import (
	"path/filepath"
	"slices"
	"strings"
)

// MaxCompanionBytes is the largest size of a file that is copied with the weights. The
// largest tokenizers take about 35 MB.
const MaxCompanionBytes = 64 << 20

var (
	// companionSuffixes are the endings of the files that make a folder of weights a
	// model that can be loaded: configuration, tokenizer, templates, code.
	companionSuffixes = []string{
		".json", ".jsonl", ".jinja", ".txt", ".model", ".spm", ".bpe", ".tiktoken", ".vocab",
		".py", ".md", ".yaml", ".yml",
	}
	// weightSuffixes are the endings of files of weights of any format.
	weightSuffixes = []string{
		".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".gguf", ".ggml", ".onnx", ".onnx_data", ".h5", ".hdf5", ".keras", ".msgpack", ".npz", ".npy",
		".tflite", ".ot", ".mlpackage", ".mlmodel", ".engine", ".nemo", ".index", ".pb",
	}
	// companionNames are beginnings of names without such an ending.
	companionNames = []string{"license", "notice", "readme", "copying", "use_policy"}
)

// IsCompanion reports whether the file called name is one that loaders want beside the
// weights: configuration, tokenizer, chat templates, code, licence. Weights of any
// format and indexes are none.
func IsCompanion(name string) bool {
	lower := strings.ToLower(name)
	if strings.HasPrefix(name, ".") || isIndexName(lower) {
		return false
	}
	for _, s := range companionSuffixes {
		if strings.HasSuffix(lower, s) {
			return true
		}
	}
	for _, s := range companionNames {
		if strings.HasPrefix(lower, s) && (filepath.Ext(lower) == "" || lower == s) {
			return true
		}
	}
	return false
}

// IsWeights reports whether a file name is that of weights of some format, or of an index
// of them.
func IsWeights(name string) bool {
	lower := strings.ToLower(name)
	return isIndexName(lower) || slices.ContainsFunc(weightSuffixes, func(s string) bool { return strings.HasSuffix(lower, s) })
}

// isIndexName reports whether a name, in small letters, is that of the index of a sharded
// checkpoint in any format: "pytorch_model.bin.index.json",
// "model.safetensors.index.fp16.json".
func isIndexName(lower string) bool {
	return strings.HasSuffix(lower, ".json") && strings.Contains(lower, ".index.")
}
