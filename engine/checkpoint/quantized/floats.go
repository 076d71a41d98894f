package quantized

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/packed"
)

// fp8 reads what DeepSeek's checkpoints, vLLM and transformers say of FP8.
func fp8(c *config) ([]family, error) {
	tileRows, tileCols := 0, 0
	if v := c.says["weight_block_size"]; v != nil {
		pair, _ := v.([]any)
		var ok bool
		if tileRows, tileCols, ok = sides(pair); !ok {
			return nil, checkpoint.Unsupportedf("FP8: the configuration says weight_block_size %s", shown(v))
		}
	}
	return []family{{
		method: "FP8", codes: "weight", parts: []string{"weight_scale", "weight_scale_inv"}, is: is8,
		beside: []string{"input_scale", "output_scale", "input_scale_ub", "activation_scale"},
		layout: func(l *layer) (form, error) {
			name := "weight_scale_inv"
			switch old := l.has("weight_scale"); {
			case old && l.has(name):
				return form{}, checkpoint.Unsupportedf("parts weight_scale and weight_scale_inv are both there")
			case old:
				name = "weight_scale"
			}
			layout := packed.Elements{Scale: name, Rows: tileRows, Cols: tileCols}
			shared := fmt.Sprintf("tiles of %d×%d", tileRows, tileCols)
			if tileRows == 0 {
				layout, shared = rowsOrTensor(l, name)
			}
			return fp8Form(l, "FP8", layout, shared), nil
		},
	}}, nil
}

// fp8Form is the form of FP8 weights.
func fp8Form(l *layer, method string, layout packed.Elements, shared string) form {
	kind := strings.TrimPrefix(l.codes.DType.String(), "F8_")
	return form{layout: layout, short: "FP8 " + kind, long: fmt.Sprintf("%s %s, %s", method, kind, shared)}
}

// rowsOrTensor returns the layout of FP8 weights whose part of scales has one for each row, or
// one for the tensor.
func rowsOrTensor(l *layer, name string) (layout packed.Elements, shared string) {
	layout.Scale = name
	s := l.part(name)
	if s == nil || s.Elements() == 1 || len(l.codes.Shape) != 2 {
		return layout, "one scale a tensor"
	}
	layout.Rows = 1
	return layout, groupsOf(0)
}

// modelOptAlgorithms are those of ModelOpt that are read; a checkpoint of mixed precision may have
// layers of each.
var modelOptAlgorithms = []string{"nvfp4", "fp8", "mixed_precision"}

// modelOpt reads what ModelOpt says.
func modelOpt(c *config) ([]family, error) {
	algorithm := text(c.says, "quant_algo")
	if algorithm == "" {
		if inside, ok := c.says["quantization"].(object); ok {
			algorithm = text(inside, "quant_algo")
		}
	}
	if !slices.Contains(modelOptAlgorithms, algorithm) {
		return nil, checkpoint.Unsupportedf("ModelOpt: the configuration says quant_algo %s, where NVFP4 and FP8 are read", checkpoint.Quote(strings.ToUpper(algorithm)))
	}
	forbids := []string{"pre_quant_scale", "weight_zero_point"}
	beside := []string{"input_scale", "k_scale", "v_scale", "output_scale"}
	return []family{
		{
			method: "ModelOpt", codes: "weight", parts: []string{"weight_scale", "weight_scale_2"}, needs: []string{"weight_scale", "weight_scale_2"},
			beside: beside, forbids: forbids,
			is: func(l *layer) bool { return l.codes.DType == checkpoint.U8 },
			layout: func(*layer) (form, error) {
				return form{layout: packed.FP4{Form: packed.ModelOpt}, short: "NVFP4", long: "NVFP4 of ModelOpt"}, nil
			},
		},
		{
			method: "ModelOpt", codes: "weight", parts: []string{"weight_scale"}, needs: []string{"weight_scale"}, beside: beside,
			forbids: append([]string{"weight_scale_2"}, forbids...), is: is8,
			layout: func(l *layer) (form, error) {
				return fp8Form(l, "ModelOpt, FP8", packed.Elements{}, "one scale a tensor"), nil
			},
		},
	}, nil
}

// scaleWords are parts of the names of scales of FP8 weights, as programs call them.
var scaleWords = []string{
	"weight_scale", "scale_weight", "scaled_fp8", "scale_inv", "scale_input", "input_scale", "scaling_factor", "comfy_quant", "w_scale", "absmax", "qscale", "extra_state", "amax",
}

// plainFP8 takes FP8 tensors without any scales as numbers, where nothing in the checkpoint says
// that there is more to them.
func (f *finder) plainFP8() {
	for i := range f.tensors {
		t := &f.tensors[i]
		l := &layer{family: &family{method: "FP8", flat: true}, stem: t.Name, name: t.Name, codes: t, parts: []*checkpoint.Tensor{t}, names: []string{"weight"}}
		if f.taken[t.Name] || !is8(l) || len(t.Shape) < 2 || t.Elements() == 0 {
			continue
		}
		if l.form = plainForm(t.DType); t.DType != checkpoint.F8E4M3 && t.DType != checkpoint.F8E5M2 {
			continue
		}
		l.shape = t.Shape
		f.taken[t.Name] = true
		f.layers = append(f.layers, l)
	}
}

// scaled returns what is not known of something in the checkpoint by which FP8 weights may be
// scaled, empty if there is nothing.
func (f *finder) scaled() string {
	modules := map[string]bool{} // of FP8 weights
	for i := range f.tensors {
		if t := &f.tensors[i]; is8(&layer{codes: t}) {
			modules[t.Name[:strings.LastIndex(t.Name, ".")+1]], modules[t.Name+"."] = true, true
		}
	}
	for i := range f.tensors {
		if name := f.tensors[i].Name; f.isScale(name, modules) {
			return "what " + checkpoint.Printable(name) + " is to it"
		}
	}
	if files := f.src.Files(); len(files) == 1 && checkpoint.Part(files[0].Name) != "" {
		return "whether the other parts of the checkpoint hold scales of it"
	}
	for _, file := range f.src.Files() {
		for _, key := range slices.Sorted(maps.Keys(file.Metadata)) {
			if strings.Contains(strings.ToLower(key), "quant") {
				return "what its metadata " + checkpoint.Printable(key) + " mean"
			}
		}
	}
	return ""
}

// isScale reports whether a name is that of scales as programs call them, or of something that
// scales one of the modules, which are named with a dot behind.
func (f *finder) isScale(name string, modules map[string]bool) bool {
	at := strings.LastIndex(name, ".") + 1
	module, leaf := name[:at], strings.ToLower(name[at:])
	if slices.ContainsFunc(scaleWords, func(word string) bool { return strings.Contains(leaf, word) }) {
		return true
	}
	before, _, scale := strings.Cut(leaf, "scale")
	if modules[module] && (scale || strings.Contains(leaf, "zero")) {
		return true
	}
	// What stands before the word may be the layer: blocks.0.proj_scale of blocks.0.proj.weight.
	layer := module + strings.TrimRight(before, "_")
	return scale && (modules[layer+"."] || f.byName[layer] != nil)
}
