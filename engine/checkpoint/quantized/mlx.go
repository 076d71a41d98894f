package quantized

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/packed"
)

// mlxModes are the modes of MLX.
var mlxModes = map[string]packed.MLXMode{
	"": packed.Affine, "affine": packed.Affine, "mxfp4": packed.MLXMXFP4, "mxfp8": packed.MLXMXFP8, "nvfp4": packed.MLXNVFP4,
}

// mlx reads what mlx-lm says: bits, size of groups and mode, and those of single layers by their
// names.
func mlx(c *config) ([]family, error) {
	return []family{{
		method: "MLX", codes: "weight", parts: []string{"scales", "biases"}, needs: []string{"scales"}, stacks: true,
		is: func(l *layer) bool { return l.codes.DType == checkpoint.U32 },
		layout: func(l *layer) (form, error) {
			says, ok := c.says[l.stem].(object)
			if v := c.says[l.stem]; v != nil && v != true && !ok {
				return form{}, checkpoint.Unsupportedf("the configuration says %s of the layer", shown(v))
			}
			if !ok {
				says = c.says
			}
			mode, known := mlxModes[text(says, "mode")]
			if !known {
				return form{}, checkpoint.Unsupportedf("the configuration says mode %s", shown(says["mode"]))
			}
			bits, ok := number(says, "bits")
			group, also := number(says, "group_size")
			if !ok || !also || group < 1 {
				return form{}, checkpoint.Unsupportedf("the configuration does not say bits and group_size")
			}
			layout := packed.MLX{Mode: mode, Bits: bits, Group: group}
			if mode != packed.Affine {
				if l.has("biases") {
					return form{}, checkpoint.Unsupportedf("part biases is there, which the mode %s does not have", text(says, "mode"))
				}
				return form{layout: layout, short: "MLX " + text(says, "mode"), long: layout.Name()}, nil
			}
			return form{layout: layout, short: fmt.Sprintf("MLX %s", bitsOf(bits)), long: layout.Name()}, nil
		},
	}}, nil
}

// quanto reads checkpoints of optimum-quanto, whose tensors say the method of each layer.
func quanto(c *config) ([]family, error) {
	beside := []string{"input_scale", "output_scale"}
	return []family{
		{
			method: "quanto", codes: "weight._data._data", parts: []string{"weight._scale", "weight._shift"}, near: []string{"bias"}, beside: beside,
			needs: []string{"weight._scale", "weight._shift"}, layout: c.quantoBits,
		},
		{
			method: "quanto", codes: "weight._data", parts: []string{"weight._scale"}, needs: []string{"weight._scale"}, beside: beside,
			is: func(l *layer) bool { return l.codes.DType == checkpoint.I8 || is8(l) },
			layout: func(l *layer) (form, error) {
				layout := packed.Elements{Weight: "weight._data", Scale: "weight._scale"}
				if s := l.part("weight._scale"); s.Elements() != 1 {
					layout.Rows = 1
				}
				short := "quanto int8"
				if is8(l) {
					short = "quanto float8"
				}
				return form{layout: layout, short: short, long: short + ", one scale a row"}, nil
			},
		},
	}, nil
}

// quantoBits is the layout of qint4 and qint2 of a layer.
func (c *config) quantoBits(l *layer) (form, error) {
	kind := ""
	if o, ok := c.says[l.stem].(object); ok { // quanto_qmap.json
		kind = text(o, "weights")
	} else if w, ok := c.says["weights"].(string); ok { // of transformers
		kind = "q" + strings.TrimPrefix(strings.ToLower(w), "q")
	}
	bits, ok := map[string]int{"qint4": 4, "qint2": 2}[kind]
	if !ok {
		return form{}, checkpoint.Unsupportedf("the configuration does not say that the layer is qint4 or qint2")
	}
	s, w := l.part("weight._scale"), l.codes
	if len(s.Shape) != 2 || len(w.Shape) != 2 {
		return form{}, checkpoint.Corruptf("parts weight._data._data and weight._scale have the shapes %v and %v", w.Shape, s.Shape)
	}
	inputs := c.inputs(l, int64(s.Shape[0])*int64(w.Shape[1]))
	if inputs == 0 {
		return form{}, checkpoint.Unsupportedf("quanto does not store how many inputs a layer has, and neither a bias nor config.json says it")
	}
	f := form{layout: packed.Quanto{Bits: bits, Inputs: inputs}, short: "quanto " + kind, long: fmt.Sprintf("quanto, %s, %s", kind, groupsOf(w.Shape[1]))}
	return f, nil
}

// inputs returns the number of inputs of a layer of so many weights: by the outputs that its bias
// has, or by what config.json of a plain language model says; 0 if it is not known.
func (c *config) inputs(l *layer, weights int64) int {
	divided := func(outputs int) int {
		if outputs > 0 && weights%int64(outputs) == 0 {
			return int(weights / int64(outputs))
		}
		return 0
	}
	if b := l.near["bias"]; b != nil && len(b.Shape) == 1 {
		return divided(b.Shape[0])
	}
	hidden, ok := number(c.model, "hidden_size")
	if !ok || !slices.Contains([]string{"llama", "mistral", "mixtral", "qwen2", "qwen3", "gemma", "gemma2", "phi3"}, text(c.model, "model_type")) {
		return 0
	}
	switch l.stem[strings.LastIndex(l.stem, ".")+1:] {
	case "q_proj", "k_proj", "v_proj", "qkv_proj", "gate_proj", "up_proj", "gate_up_proj", "lm_head":
		if hidden > 0 && weights%int64(hidden) == 0 {
			return hidden
		}
	case "o_proj", "down_proj":
		return divided(hidden)
	}
	return 0
}
