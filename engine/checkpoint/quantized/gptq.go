package quantized

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/packed"
)

// gptq reads what AutoGPTQ, GPTQModel and transformers say of GPTQ.
func gptq(c *config) ([]family, error) {
	version := text(c.says, "checkpoint_format")
	if format := text(c.says, "format"); version == "" { // of GPTQModel
		version = format
	} else if format != "" && format != version {
		return nil, checkpoint.Unsupportedf("GPTQ: the configuration says checkpoint_format %s and format %s", checkpoint.Quote(version), checkpoint.Quote(format))
	}
	if c.says["is_marlin_format"] == true || slices.Contains(kernelMethods, version) {
		if version == "" || version == "gptq" {
			version = "marlin"
		}
		return nil, kernelOrder(version)
	}
	v2 := version == "gptq_v2"
	if !v2 && version != "gptq" && version != "" {
		return nil, checkpoint.Unsupportedf("GPTQ: the configuration says checkpoint_format %s, where gptq and gptq_v2 are read", checkpoint.Quote(version))
	}
	rules, err := dynamicRules(c.says["dynamic"])
	if err != nil {
		return nil, err
	}
	return []family{{
		method: "GPTQ", codes: "qweight", parts: []string{"scales", "qzeros", "g_idx"}, needs: []string{"scales", "qzeros"},
		forbids: []string{"perm", "workspace", "pre_quant_scale", "channel_scale"},
		layout: func(l *layer) (form, error) {
			says, err := rules.of(l.stem, c.says)
			if err != nil {
				return form{}, err
			}
			bits, ok := number(says, "bits")
			if !ok {
				return form{}, checkpoint.Unsupportedf("%s does not say the bits", c.file)
			}
			group, err := groupSize(says, "group_size")
			if err != nil {
				return form{}, err
			}
			if says["desc_act"] == true && group > 0 && !l.has("g_idx") {
				return form{}, checkpoint.Incompletef("part g_idx is missing, and the configuration says desc_act")
			}
			layout := packed.GPTQ{Bits: bits, Group: group, V2: v2}
			long := fmt.Sprintf("%s, %s", layout.Name(), groupsOf(group))
			if version == "" {
				long += ", of version 1 since the configuration names no checkpoint_format"
			}
			return form{layout: layout, short: fmt.Sprintf("GPTQ %s", bitsOf(bits)), long: long, uneven: !v2 && says["sym"] != true}, nil
		},
	}}, nil
}

// A dynamicRule is an entry of dynamic, GPTQModel's settings of single layers.
type dynamicRule struct {
	pattern *regexp.Regexp
	text    string
	says    object
}

type rules []dynamicRule

// dynamicRules reads the settings of single layers. Those of layers that are not quantized do
// not matter: their tensors say so.
func dynamicRules(v any) (rules, error) {
	if v == nil {
		return nil, nil
	}
	all, ok := v.(object)
	if !ok {
		return nil, checkpoint.Unsupportedf("GPTQ: the configuration has a list dynamic that is not read")
	}
	var r rules
	for text, v := range all {
		if strings.HasPrefix(text, "-:") {
			continue
		}
		says, ok := v.(object)
		pattern, err := startsWith(strings.TrimPrefix(text, "+:"))
		if !ok || err != nil {
			return nil, checkpoint.Unsupportedf("GPTQ: the rule %s of dynamic is not understood", checkpoint.Quote(text))
		}
		r = append(r, dynamicRule{pattern, text, says})
	}
	slices.SortFunc(r, func(a, b dynamicRule) int { return strings.Compare(a.text, b.text) })
	return r, nil
}

// startsWith returns a pattern of Python that is to match the beginning of a name.
func startsWith(pattern string) (*regexp.Regexp, error) {
	if len(pattern) > maxPattern {
		return nil, checkpoint.Unsupportedf("a pattern of %d bytes", len(pattern))
	}
	return regexp.Compile(`\A(?:` + pattern + `)`)
}

// maxPattern bounds a pattern of a configuration.
const maxPattern = 4096

// of returns what a configuration says of a layer. GPTQModel takes the first rule that matches, in
// an order that is not known here: rules that say different things are an error.
func (r rules) of(layer string, says object) (object, error) {
	merged := object{}
	for _, key := range []string{"bits", "group_size", "sym", "desc_act"} {
		if v, ok := says[key]; ok {
			merged[key] = v
		}
	}
	by := map[string]dynamicRule{}
	for _, rule := range r {
		if !rule.pattern.MatchString(layer) {
			continue
		}
		for key := range rule.says {
			if key == "format" || key == "checkpoint_format" || key == "method" || key == "quant_method" {
				return nil, checkpoint.Unsupportedf("the rule %s of dynamic changes %s, which is not read", checkpoint.Quote(rule.text), key)
			}
		}
		for key := range merged {
			v := rule.says[key]
			if v == nil {
				v = says[key]
			}
			if other, ok := by[key]; ok && !reflect.DeepEqual(v, merged[key]) {
				return nil, checkpoint.Unsupportedf("the rules %s and %s of dynamic say different things of %s", checkpoint.Quote(other.text), checkpoint.Quote(rule.text), key)
			}
			merged[key], by[key] = v, rule
		}
	}
	return merged, nil
}

// awq reads what AutoAWQ and transformers say of AWQ.
func awq(c *config) ([]family, error) {
	version := text(c.says, "version")
	if version == "" {
		version = text(c.says, "format") // of GPTQModel
	}
	switch {
	case slices.Contains(kernelMethods, version):
		return nil, kernelOrder(version)
	case version != "gemm" && version != "gemv":
		return nil, checkpoint.Unsupportedf("AWQ: the configuration says version %s, where gemm and gemv are read", checkpoint.Quote(version))
	case c.says["zero_point"] != true:
		return nil, checkpoint.Unsupportedf("AWQ: the configuration does not say that there are zero points, without which it is not read")
	}
	if backend := text(c.says, "backend"); backend != "" && backend != "autoawq" && backend != "auto" {
		return nil, checkpoint.Unsupportedf("AWQ: the configuration says backend %s, where autoawq is read", checkpoint.Quote(backend))
	}
	if bits, ok := number(c.says, "bits", "w_bit"); !ok || bits != 4 {
		return nil, checkpoint.Unsupportedf("AWQ: the configuration does not say 4 bits, which are read")
	}
	key := "group_size"
	if _, ok := c.says[key]; !ok {
		key = "q_group_size"
	}
	group, err := groupSize(c.says, key)
	if err != nil {
		return nil, err
	}
	f := form{
		layout: packed.AWQ{Group: group, GEMV: version == "gemv"}, short: "AWQ 4 bits",
		long: fmt.Sprintf("AWQ, 4 bits, %s, version %s", groupsOf(group), version),
	}
	return []family{{
		method: "AWQ", codes: "qweight", parts: []string{"scales", "qzeros"}, needs: []string{"scales", "qzeros"},
		forbids: []string{"g_idx", "workspace"},
		layout:  func(*layer) (form, error) { return f, nil },
	}}, nil
}
