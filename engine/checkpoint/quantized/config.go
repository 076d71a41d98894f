package quantized

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/internal/fileio"
)

// An object is one of JSON.
type object = map[string]any

// A config is what the files beside the weights say of their quantization.
type config struct {
	file   string // that says it; empty if none does
	method string // in lower case, such as "gptq"
	says   object // what the file says of the method
	model  object // config.json as a whole
	err    error  // why it is not known what they say
}

// maxConfigBytes bounds a file of configuration.
const maxConfigBytes = 16 << 20

// readJSON reads a file of the folder dir, nil if it is not there.
func readJSON(dir, name string) (object, error) {
	f, _, err := fileio.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, checkpoint.ErrUnsupported) {
		return nil, nil
	}
	if err != nil {
		return nil, checkpoint.Corruptf("%s cannot be read: %w", name, checkpoint.Cause(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return nil, checkpoint.Corruptf("%s cannot be read: %w", name, checkpoint.Cause(err))
	}
	if len(text) > maxConfigBytes {
		return nil, checkpoint.Corruptf("%s is larger than %d bytes", name, maxConfigBytes)
	}
	var o object
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &o); err != nil {
		return nil, checkpoint.Corruptf("%s is no object in JSON: %s", name, checkpoint.Printable(err.Error()))
	}
	return o, nil
}

// configKeys are what config.json calls the object on the quantization.
var configKeys = []string{"quantization_config", "compression_config", "quantization"}

// maxDepth is how deep objects of models in parts are nested in config.json.
const maxDepth = 4

// readConfig reads the files in the folder of path, or beside the file.
func readConfig(path string) config {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		path = filepath.Dir(path)
	}
	var c config
	if c.model, c.err = readJSON(path, "config.json"); c.err != nil {
		c.file = "config.json"
		return c
	}
	c.read(c.model)
	for _, other := range []struct {
		file string
		read func(c *config, o object)
	}{
		{"quantize_config.json", (*config).autoGPTQ}, {"quant_config.json", (*config).autoAWQ},
		{"hf_quant_config.json", (*config).modelOpt}, {"quanto_qmap.json", (*config).quanto},
	} {
		if c.err != nil {
			return c
		}
		o, err := readJSON(path, other.file)
		switch {
		case err != nil && c.file == "":
			c.file, c.err = other.file, err
		case err != nil || o == nil:
		case c.file == "":
			c.file = other.file
			other.read(&c, o)
		case other.file == "quantize_config.json":
			c.agrees(other.file, o)
		}
	}
	return c
}

// read takes in config.json.
func (c *config) read(root object) {
	type found struct {
		key string
		o   object
	}
	var all []found
	var visit func(o object, depth int)
	visit = func(o object, depth int) {
		for _, key := range configKeys {
			if inside, ok := o[key].(object); ok && (depth == 0 || key != "quantization") {
				all = append(all, found{key, inside})
			}
		}
		for _, key := range slices.Sorted(maps.Keys(o)) {
			if inside, ok := o[key].(object); ok && depth < maxDepth && !slices.ContainsFunc(all, func(f found) bool { return same(f.o, inside) }) {
				visit(inside, depth+1)
			}
		}
	}
	visit(root, 0)
	if len(all) == 0 {
		return
	}
	first := all[0]
	c.file, c.says = "config.json", first.o
	for _, f := range all[1:] {
		if !reflect.DeepEqual(f.o, first.o) {
			c.err = checkpoint.Unsupportedf("config.json says in two places how weights are quantized, %s and %s, and not the same", first.key, f.key)
			return
		}
		if f.key == "quantization" {
			first.key = f.key
		}
	}
	method, _ := first.o["quant_method"].(string)
	c.method = strings.ToLower(method)
	switch {
	case method != "":
	case first.key == "compression_config":
		c.method = "compressed-tensors"
	case first.key == "quantization":
		c.method = "mlx"
	case first.o["load_in_4bit"] == true || first.o["load_in_8bit"] == true:
		c.method = "bitsandbytes"
	default:
		c.err = checkpoint.Unsupportedf("config.json has a %s without a quant_method", first.key)
	}
}

// same reports whether two objects are the same in memory.
func same(a, b object) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }

// autoGPTQ takes in quantize_config.json of AutoGPTQ.
func (c *config) autoGPTQ(o object) {
	method, ok := o["quant_method"].(string)
	_, bits := o["bits"]
	if !ok && bits {
		method = "gptq"
	}
	if c.says, c.method = o, strings.ToLower(method); c.method == "" {
		c.err = checkpoint.Unsupportedf("%s does not say the method", c.file)
	}
}

// agrees checks that quantize_config.json does not say something else than config.json.
func (c *config) agrees(file string, o object) {
	for _, key := range []string{"bits", "group_size", "desc_act", "checkpoint_format", "quant_method"} {
		a, known := c.says[key]
		if b, also := o[key]; known && also && !reflect.DeepEqual(a, b) {
			c.err = checkpoint.Unsupportedf("%s and %s say different things of %s", c.file, file, key)
		}
	}
}

// autoAWQ takes in quant_config.json of AutoAWQ.
func (c *config) autoAWQ(o object) {
	c.says = object{"bits": o["w_bit"], "group_size": o["q_group_size"], "version": o["version"], "zero_point": o["zero_point"]}
	c.method = "awq"
}

// modelOpt takes in hf_quant_config.json of ModelOpt.
func (c *config) modelOpt(o object) {
	producer, _ := o["producer"].(object)
	if c.says, _ = o["quantization"].(object); c.says == nil || producer["name"] != "modelopt" {
		c.err = checkpoint.Unsupportedf("%s is not as ModelOpt writes it", c.file)
	}
	c.method = "modelopt"
}

// quanto takes in quanto_qmap.json.
func (c *config) quanto(o object) { c.says, c.method = o, "quanto" }

// number returns the integer that an object has for the first of the keys that it has, and
// whether there is one.
func number(o object, keys ...string) (int, bool) {
	for _, key := range keys {
		if v, ok := o[key].(float64); ok {
			return int(v), v == math.Trunc(v) && math.Abs(v) <= math.MaxInt32
		}
	}
	return 0, false
}

// groupSize returns the size of groups for a key: 0 stands for rows, which -1 and null say.
func groupSize(o object, key string) (int, error) {
	v, there := o[key]
	if v == nil {
		if !there {
			return 0, checkpoint.Unsupportedf("the configuration does not say %s", key)
		}
		return 0, nil
	}
	n, ok := number(o, key)
	if !ok || n < -1 || n == 0 {
		return 0, checkpoint.Unsupportedf("the configuration says %s %s", key, shown(v))
	}
	return max(n, 0), nil
}

// shown is a value of JSON in a message.
func shown(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "something"
	}
	return checkpoint.Quote(strings.Trim(string(text), `"`))
}

// text returns the string that an object has for a key, in lower case.
func text(o object, key string) string {
	s, _ := o[key].(string)
	return strings.ToLower(s)
}
