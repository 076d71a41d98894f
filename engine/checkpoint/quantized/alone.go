package quantized

import (
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// selfExplaining returns the families of layers whose tensors say all that must be known.
func (f *finder) selfExplaining() []family {
	four, eight := bnb4, bnb8
	four.is = func(l *layer) bool {
		return l.has("weight.quant_state.bitsandbytes__nf4", "weight.quant_state.bitsandbytes__fp4")
	}
	eight.is = func(l *layer) bool { return l.codes.DType == checkpoint.I8 && l.has("SCB") }
	experts := gptOSS
	experts.is = func(l *layer) bool {
		return l.codes.DType == checkpoint.U8 && len(l.codes.Shape) == 4 && l.codes.Shape[3] == 16 && l.has("scales")
	}
	alone := hqq
	alone.is = func(l *layer) bool { return l.has("nbits") && l.has("packing") && l.has("shape") }
	return []family{four, eight, experts, alone}
}

// A mark tells packed weights by a name that a tool gives to their tensor of codes.
type mark struct {
	leaf   string // of the codes
	beside string // the leaf of a tensor that is there, too
	tool   string
}

// marks are names of codes that are not read without a configuration.
var marks = []mark{
	{"qweight", "", "GPTQ or AWQ"}, {"weight_packed", "", "compressed-tensors"}, {"W_q", "", "HQQ"}, {"q_weight", "", "EXL2"}, {"trellis", "", "EXL3"},
	{"Qidxs", "", "QuIP#"}, {"codes", "codebooks", "AQLM"}, {"indices", "centroids.weight", "VPTQ"}, {"_data", "_scale", "quanto"},
	{"weight", "weight_scale_inv", "FP8"}, {"weight", "weight_scale", "FP8, ModelOpt or compressed-tensors"}, {"weight", "scale_weight", "scaled FP8"},
	{"weight", "scales", "MLX"}, {"weight", "absmax", "bitsandbytes"}, {"weight", "SCB", "bitsandbytes"},
}

// unexplained refuses codes for which no configuration is there, and takes FP8 weights as numbers
// where nothing speaks against it.
func (f *finder) unexplained() {
	scale := f.scaled()
	if scale == "" {
		f.plainFP8()
	}
	for i := range f.tensors {
		t := &f.tensors[i]
		if f.taken[t.Name] || t.Encoding != nil || len(t.Shape) < 2 {
			continue
		}
		at := strings.LastIndex(t.Name, ".") + 1
		module, leaf := t.Name[:at], t.Name[at:]
		for _, m := range marks {
			if leaf != m.leaf || m.beside != "" && f.byName[module+m.beside] == nil && f.byName[t.Name+"."+m.beside] == nil {
				continue
			}
			f.refusals[t.Name] = "quantized already, as by " + m.tool + ": stored as " + t.StoredType() +
				", and no config.json or quantize_config.json beside it says by which method and in how many bits; put the one of the model there"
			break
		}
		if f.refusals[t.Name] == "" && scale != "" && is8(&layer{codes: t}) {
			f.refusals[t.Name] = "quantized already: stored as " + t.StoredType() + ", and no config.json beside it says " + scale
		}
	}
}
