package quantized

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/packed"
)

// A spec is what config_groups of compressed-tensors say of the weights of a layer.
type spec struct {
	format, kind, strategy string
	bits, group            int
	tileRows, tileCols     int
	symmetric              bool
	ordered                bool // columns are in groups that weight_g_idx says
}

// A configGroup is one of config_groups: a spec, and the layers that have it.
type configGroup struct {
	name    string
	targets []target
	spec    spec
	err     error // why the spec is not understood
}

// A target names layers of a group: by a pattern, by the name of one, or by a kind of modules.
type target struct {
	text    string
	pattern *regexp.Regexp // nil if it is none
	kind    bool
}

// newTarget reads a target.
func newTarget(v any) (target, error) {
	s, ok := v.(string)
	if !ok {
		return target{}, checkpoint.Unsupportedf("compressed-tensors: the target %s of config_groups is no text", shown(v))
	}
	t := target{text: s, kind: s != "" && s[0] >= 'A' && s[0] <= 'Z' && !strings.Contains(s, ".")}
	if pattern, ok := strings.CutPrefix(s, "re:"); ok {
		var err error
		if t.pattern, err = startsWith(pattern); err != nil {
			return target{}, checkpoint.Unsupportedf("compressed-tensors: the target %s of config_groups is not understood", checkpoint.Quote(s))
		}
	}
	return t, nil
}

// names reports whether the target is the layer, or a pattern of its name.
func (t target) names(layer string) bool {
	if t.pattern != nil {
		return t.pattern.MatchString(layer)
	}
	return t.text == layer
}

// activationParts are stored beside weights by compressed-tensors.
var activationParts = []string{"input_scale", "input_zero_point", "input_global_scale", "output_scale", "output_zero_point", "input_g_idx"}

// compressedTensors reads the configuration of compressed-tensors.
func compressedTensors(c *config) ([]family, error) {
	const method = "compressed-tensors"
	if sparse, ok := c.says["sparsity_config"].(object); ok {
		if f := text(sparse, "format"); f != "" && f != "dense" {
			return nil, checkpoint.Unsupportedf("%s: sparse weights of the format %s are not read; export them as dense", method, checkpoint.Quote(f))
		}
	}
	if transforms, ok := c.says["transform_config"].(object); ok && len(transforms) > 0 {
		return nil, checkpoint.Unsupportedf("%s: weights are transformed before they are quantized (transform_config), which is not read", method)
	}
	groups, err := configGroups(c.says)
	if err != nil {
		return nil, err
	}
	layout := func(l *layer) (form, error) {
		s, err := specOf(groups, l.stem)
		if err != nil {
			return form{}, err
		}
		return s.form(l)
	}
	beside := slices.Clone(activationParts)
	return []family{
		{
			method: method, codes: "weight_packed", needs: []string{"weight_scale"}, beside: beside, layout: layout,
			parts: []string{"weight_scale", "weight_zero_point", "weight_shape", "weight_g_idx", "weight_global_scale"}, small: []string{"weight_shape"},
			forbids: []string{"meta", "scale_packed", "weight_meta"},
		},
		{
			method: method, codes: "weight", needs: []string{"weight_scale"}, beside: beside, layout: layout,
			parts: []string{"weight_scale", "weight_zero_point"}, forbids: []string{"weight_g_idx", "weight_global_scale"},
			is: func(l *layer) bool { return l.codes.DType == checkpoint.I8 || is8(l) },
		},
	}, nil
}

// configGroups reads config_groups.
func configGroups(says object) ([]configGroup, error) {
	all, _ := says["config_groups"].(object)
	var groups []configGroup
	for name, v := range all {
		o, ok := v.(object)
		if !ok {
			return nil, checkpoint.Unsupportedf("compressed-tensors: the group %s of config_groups is no object", checkpoint.Quote(name))
		}
		weights, ok := o["weights"].(object)
		if !ok {
			continue // of activations
		}
		g := configGroup{name: name}
		targets, _ := o["targets"].([]any)
		for _, v := range targets {
			t, err := newTarget(v)
			if err != nil {
				return nil, err
			}
			g.targets = append(g.targets, t)
		}
		g.spec, g.err = newSpec(weights)
		if g.spec.format = text(o, "format"); g.spec.format == "" {
			g.spec.format = text(says, "format")
		}
		groups = append(groups, g)
	}
	if len(groups) == 0 {
		return nil, checkpoint.Unsupportedf("compressed-tensors: the configuration has no config_groups that say how weights are quantized")
	}
	slices.SortFunc(groups, func(a, b configGroup) int { return strings.Compare(a.name, b.name) })
	return groups, nil
}

// newSpec reads the settings of weights.
func newSpec(o object) (s spec, err error) {
	ok := false
	if s.bits, ok = number(o, "num_bits"); !ok || s.bits < 1 || s.bits > 8 {
		return s, checkpoint.Unsupportedf("the configuration says num_bits %s", shown(o["num_bits"]))
	}
	order := text(o, "actorder")
	s.ordered = order == "group" || order == "dynamic" || o["actorder"] == true
	s.kind, s.strategy = text(o, "type"), text(o, "strategy")
	symmetric, ok := o["symmetric"].(bool)
	if s.symmetric = symmetric || !ok; s.kind == "" {
		s.kind = "int"
	}
	if s.strategy == "" { // as compressed-tensors fills it in
		if s.strategy = "tensor"; o["group_size"] != nil {
			s.strategy = "group"
			if n, ok := number(o, "group_size"); ok && n == -1 {
				s.strategy = "channel"
			}
		}
	}
	switch s.strategy {
	case "tensor", "channel":
	case "group", "tensor_group":
		if s.group, ok = number(o, "group_size"); !ok || s.group < 1 {
			return s, checkpoint.Unsupportedf("the configuration says group_size %s for groups", shown(o["group_size"]))
		}
	case "block":
		pair, _ := o["block_structure"].([]any)
		if s.tileRows, s.tileCols, ok = sides(pair); !ok {
			return s, checkpoint.Unsupportedf("the configuration says block_structure %s", shown(o["block_structure"]))
		}
	default:
		return s, checkpoint.Unsupportedf("the configuration says strategy %s", checkpoint.Quote(s.strategy))
	}
	return s, nil
}

// sides returns the two sides of a tile.
func sides(pair []any) (rows, cols int, ok bool) {
	if len(pair) != 2 {
		return 0, 0, false
	}
	rows, ok = number(object{"": pair[0]}, "")
	cols, also := number(object{"": pair[1]}, "")
	return rows, cols, ok && also && rows > 0 && cols > 0
}

// specOf returns the settings of a layer: those of the groups that name it or, if none does, of
// those that name kinds of modules. Groups that say different things are an error.
func specOf(groups []configGroup, layer string) (spec, error) {
	var named, kinds []configGroup
	for _, g := range groups {
		switch {
		case slices.ContainsFunc(g.targets, func(t target) bool { return t.names(layer) }):
			named = append(named, g)
		case slices.ContainsFunc(g.targets, func(t target) bool { return t.kind }):
			kinds = append(kinds, g)
		}
	}
	if len(named) == 0 {
		named = kinds
	}
	if len(named) == 0 {
		return spec{}, checkpoint.Unsupportedf("no group of config_groups has the layer")
	}
	for _, g := range named[1:] {
		if g.spec != named[0].spec {
			return spec{}, checkpoint.Unsupportedf("the groups %s and %s of config_groups both may have the layer, and say different things", checkpoint.Quote(named[0].name), checkpoint.Quote(g.name))
		}
	}
	return named[0].spec, named[0].err
}

// form returns how the weights of a layer are stored.
func (s spec) form(l *layer) (form, error) {
	if !s.symmetric && !l.has("weight_zero_point") {
		return form{}, checkpoint.Incompletef("part weight_zero_point is missing, and the configuration says that weights are not symmetric")
	}
	if s.ordered && !l.has("weight_g_idx") {
		return form{}, checkpoint.Incompletef("part weight_g_idx is missing, and the configuration says actorder")
	}
	is := func(kind string, bits int, strategies ...string) error {
		if s.kind != kind || bits != 0 && s.bits != bits || !slices.Contains(strategies, s.strategy) {
			return checkpoint.Unsupportedf("the configuration says %s of type %s and strategy %s for the format %s, which is not read", bitsOf(s.bits), s.kind, s.strategy, s.format)
		}
		return nil
	}
	isPacked := l.codes.Name == l.stem+".weight_packed"
	switch s.format {
	case "pack-quantized":
		if err := is("int", 0, "tensor", "channel", "group"); err != nil {
			return form{}, err
		}
		layout := packed.Packed{Bits: s.bits, Group: s.group}
		return form{layout: layout, short: fmt.Sprintf("CT int%d", s.bits), long: fmt.Sprintf("compressed-tensors, %s, %s", layout.Name(), s.shared())}, nil
	case "nvfp4-pack-quantized":
		f := form{layout: packed.FP4{Form: packed.NVFP4}, short: "NVFP4", long: "compressed-tensors, NVFP4"}
		if err := is("float", 4, "tensor_group"); err != nil || s.group == 16 {
			return f, err
		}
	case "mxfp4-pack-quantized":
		f := form{layout: packed.FP4{Form: packed.MXFP4}, short: "CT MXFP4", long: "compressed-tensors, MXFP4"}
		if err := is("float", 4, "group"); err != nil || s.group == 32 {
			return f, err
		}
	case "int-quantized", "naive-quantized", "float-quantized", "mxfp8-quantized":
		if isPacked {
			break
		}
		kind := "int"
		if is8(l) {
			kind = "float"
		}
		if err := is(kind, 0, "tensor", "channel", "group", "block"); err != nil {
			return form{}, err
		}
		layout := s.elements()
		short := fmt.Sprintf("CT %s%d", kind, s.bits)
		return form{layout: layout, short: short, long: fmt.Sprintf("compressed-tensors, %s, %s, %s", s.format, bitsOf(s.bits), s.shared())}, nil
	case "":
		return form{}, checkpoint.Unsupportedf("the configuration does not say the format")
	}
	return form{}, checkpoint.Unsupportedf("the format %s is not read, as %s in %s", checkpoint.Quote(s.format), strings.TrimPrefix(l.codes.Name, l.stem+"."), s.shared())
}

// elements is the layout of a code in 8 bits for each weight.
func (s spec) elements() packed.Elements {
	switch s.strategy {
	case "channel":
		return packed.Elements{Rows: 1}
	case "group":
		return packed.Elements{Rows: 1, Cols: s.group}
	case "block":
		return packed.Elements{Rows: s.tileRows, Cols: s.tileCols}
	}
	return packed.Elements{}
}

// shared says which weights share parameters.
func (s spec) shared() string {
	switch s.strategy {
	case "channel":
		return groupsOf(0)
	case "group", "tensor_group":
		return groupsOf(s.group)
	case "block":
		return fmt.Sprintf("tiles of %d×%d", s.tileRows, s.tileCols)
	}
	return "one scale a tensor"
}
