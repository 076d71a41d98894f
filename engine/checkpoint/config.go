package checkpoint

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// A Config is what config.json, which lies beside the weights of most models, says of the
// shapes of tensors and of their quantization. Models made of several have one object for
// each inside; lists hold the numbers of all.
type Config struct {
	// Vocabularies are the sizes of vocabularies.
	Vocabularies []int
	// Experts are the numbers of experts of a layer.
	Experts []int
	// QuantMethod is how the weights were quantized when they were written, such as gptq;
	// empty if config.json does not say that they were. QuantBits is 0 if it is not known.
	QuantMethod string
	QuantBits   int
	// Model is the shape of the language model.
	Model LanguageModel
}

// A LanguageModel is what config.json says of the shape of a language model, or of that part
// of a model. What it does not say is 0 or empty.
type LanguageModel struct {
	Type           string // model_type
	Layers         int
	Heads, KVHeads int // of attention, in each layer: that ask, and that are asked
	Experts        int // of a layer, shared ones apart
}

// maxConfigBytes bounds the config.json that is read. Published ones have up to 200 kB,
// with long lists of labels.
const maxConfigBytes = 16 << 20

// ReadConfig reads the config.json in the folder path, or beside the file path. It is the
// zero value if there is none that can be read as JSON: what it says is a hint.
func ReadConfig(path string) Config {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		path = filepath.Dir(path)
	}
	name := filepath.Join(path, "config.json")
	if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
		return Config{}
	}
	f, err := os.Open(name)
	if err != nil {
		return Config{}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigBytes))
	var root map[string]any
	if err != nil || json.Unmarshal(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), &root) != nil {
		return Config{}
	}
	var c Config
	c.add(root, 0)
	c.Model.add(root, 0)
	return c
}

// languageParts are the objects for the language model in the configuration of models made of
// several.
var languageParts = []string{"thinker_config", "text_config", "llm_config", "language_config", "text_model_config"}

// add takes in an object of the configuration, and that for the language model inside, which
// says more.
func (m *LanguageModel) add(object map[string]any, depth int) {
	numbers := []struct {
		to   *int
		keys []string
	}{
		{&m.Layers, []string{"num_hidden_layers", "n_layer", "n_layers", "num_layers"}},
		{&m.Heads, []string{"num_attention_heads", "n_head", "n_heads"}},
		{&m.KVHeads, []string{"num_key_value_heads", "n_head_kv", "num_kv_heads", "n_kv_heads", "multi_query_group_num"}},
		{&m.Experts, expertKeys},
	}
	for _, n := range numbers {
		for _, key := range n.keys {
			if v, ok := object[key].(float64); ok && v >= 1 && v <= math.MaxInt32 {
				*n.to = int(v)
				break
			}
		}
	}
	if name, ok := object["model_type"].(string); ok {
		m.Type = name
	}
	for _, key := range languageParts {
		if part, ok := object[key].(map[string]any); ok && depth < maxConfigDepth {
			m.add(part, depth+1)
			return
		}
	}
}

// expertKeys are what the number of experts of a layer is called.
var expertKeys = []string{"num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"}

// maxConfigDepth is how deep objects of models in parts are nested.
const maxConfigDepth = 4

// add takes in an object of the configuration, and those inside.
func (c *Config) add(object map[string]any, depth int) {
	for key, value := range object {
		switch v := value.(type) {
		case float64:
			n := int(v)
			if n < 1 || float64(n) != v {
				continue
			}
			switch {
			case key == "vocab_size", key == "n_vocab", key == "padded_vocab_size":
				c.Vocabularies = append(c.Vocabularies, n)
			case slices.Contains(expertKeys, key):
				c.Experts = append(c.Experts, n)
			}
		case map[string]any:
			switch {
			case key == "quantization_config" || key == "compression_config" || key == "quantization":
				c.quantization(key, v)
			case depth < maxConfigDepth:
				c.add(v, depth+1)
			}
		}
	}
}

// quantization takes in the object that says how weights were quantized.
func (c *Config) quantization(key string, object map[string]any) {
	method, _ := object["quant_method"].(string)
	if bits, ok := object["bits"].(float64); ok {
		c.QuantBits = int(bits)
	}
	switch {
	case method == "bitsandbytes" || method == "":
		if kind, ok := object["bnb_4bit_quant_type"].(string); ok && object["load_in_4bit"] == true {
			method, c.QuantBits = "bitsandbytes "+kind, 4
		} else if object["load_in_8bit"] == true {
			method, c.QuantBits = "bitsandbytes int8", 8
		}
	case method == "mxfp4":
		c.QuantBits = 4
	}
	if method == "" && key == "quantization" && c.QuantBits > 0 {
		method = "MLX"
	}
	if method != "" {
		c.QuantMethod = method
	}
}
