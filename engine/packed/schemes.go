package packed

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// For returns the layout in which the tool that a scheme follows stores its results for a tensor, of
// which the scheme is that of the recipe: recipe.For(t). Scales are stored in the type in which
// the scheme computes them, but those of GPTQ in float16, rounded as GPTQ has it, and those of
// AWQ in float16, which asks for a scheme that computes in it: awq-int4-g128@f16. The error says
// which schemes have none: those that follow no tool, those of ggml, and settings that a tool
// simulates but does not store.
func For(s quant.Scheme, t quant.Target) (Layout, error) {
	name, _, _ := strings.Cut(s.Name(), "@")
	in := checkpoint.F32
	if o, ok := s.(quant.Outputting); ok {
		in = o.Output(t.DType)
	}
	c := choice{group: s.Granularity().Cols, run: s.Granularity().Run, inputs: t.Cols, in: in}
	for _, k := range known {
		if c.m = k.pattern.FindStringSubmatch(name); c.m != nil {
			return k.layout(&c), nil
		}
	}
	return nil, fmt.Errorf("%s has no layout in safetensors", s.Name())
}

// A choice is a scheme for a tensor: the parts of its name, its groups, and the type in which it
// computes.
type choice struct {
	m          []string
	group, run int
	inputs     int
	in         checkpoint.DType
}

func (c *choice) number(i int) int { n, _ := strconv.Atoi(c.m[i]); return n }

// known are the names of the schemes that have layouts.
var known = []struct {
	pattern *regexp.Regexp
	layout  func(c *choice) Layout
}{
	{whole(`bnb-(nf4|fp4)(-b\d+)?(-dq)?`), func(c *choice) Layout {
		return BNB4{FP4: c.m[1] == "fp4", Block: c.run, Double: c.m[3] != "", Output: c.in}
	}},
	{whole(`bnb-int8`), func(*choice) Layout { return BNB8{} }},
	{whole(`gptq-int([2348])-(?:g\d+|row)(?:-asym)?(?:-mse)?`), func(c *choice) Layout {
		return GPTQ{Bits: c.number(1), Group: c.group, RoundScales: true}
	}},
	{whole(`awq-int4-(?:g\d+|row)`), func(c *choice) Layout { return AWQ{Group: c.group} }},
	{whole(`ct-w(\d)a16(-asym)?`), func(c *choice) Layout {
		return Packed{Bits: c.number(1), Group: c.group, Asymmetric: c.m[2] != "", Scales: c.in}
	}},
	{whole(`ct-w8a8`), func(c *choice) Layout { return Elements{DType: checkpoint.I8, Rows: 1, Scales: c.in} }},
	{whole(`ct-fp8`), func(c *choice) Layout { return Elements{DType: checkpoint.F8E4M3, Scales: c.in} }},
	{whole(`ct-fp8-dynamic`), func(c *choice) Layout { return Elements{DType: checkpoint.F8E4M3, Rows: 1, Scales: c.in} }},
	{whole(`ct-fp8-block`), func(c *choice) Layout {
		return Elements{DType: checkpoint.F8E4M3, Rows: 128, Cols: 128, Scales: c.in}
	}},
	{whole(`ct-nvfp4`), func(*choice) Layout { return FP4{Form: NVFP4} }},
	{whole(`ct-mxfp4|mxfp4:(?:floor|even|ceil|nearest|modelopt|microxcaling|microxcaling-even)`), func(*choice) Layout { return FP4{Form: MXFP4} }},
	{whole(`mxfp4:rceil`), func(*choice) Layout { return FP4{Form: GPTOSS} }},
	{whole(`ct-mxfp8|mxfp8-(e4m3|e5m2):.*`), func(c *choice) Layout {
		return Elements{DType: eight(c.m[1]), Rows: 1, Cols: 32, Scales: checkpoint.U8}
	}},
	{whole(`nvfp4:modelopt`), func(*choice) Layout { return FP4{Form: ModelOpt} }},
	{whole(`fp8-(e4m3|e5m2)-tensor`), func(c *choice) Layout { return Elements{DType: eight(c.m[1])} }},
	{whole(`fp8-(e4m3|e5m2)-row`), func(c *choice) Layout { return Elements{DType: eight(c.m[1]), Rows: 1} }},
	{whole(`fp8-(e4m3|e5m2)-direct`), func(c *choice) Layout { return Elements{DType: eight(c.m[1]), Unscaled: true} }},
	{whole(`fp8-e4m3-b128(:ue8m0)?(?::transformers)?`), func(c *choice) Layout {
		l := Elements{DType: checkpoint.F8E4M3, Rows: 128, Cols: 128, Scale: "weight_scale_inv"}
		if c.m[1] != "" {
			l.Scales = checkpoint.F8E8M0
		}
		return l
	}},
	{whole(`mlx-(\d)bit(?:-g\d+)?(?::cpu)?`), func(c *choice) Layout {
		return MLX{Bits: c.number(1), Group: c.group, Scales: c.in}
	}},
	{whole(`mlx-(mxfp4|mxfp8|nvfp4)`), func(c *choice) Layout {
		return MLX{Mode: map[string]MLXMode{"mxfp4": MLXMXFP4, "mxfp8": MLXMXFP8, "nvfp4": MLXNVFP4}[c.m[1]]}
	}},
	{whole(`hqq-int([12348])-(?:g(\d+)|row)(-axis0)?(?:-noopt)?(?::\w+)?`), func(c *choice) Layout {
		return HQQ{Bits: c.number(1), Group: c.number(2), Axis0: c.m[3] != "", Scales: c.in, Compute: c.in}
	}},
	{whole(`quanto-qint([24])(?:-hqq)?`), func(c *choice) Layout {
		return Quanto{Bits: c.number(1), Inputs: c.inputs, Group: c.group, Scales: c.in, Compute: c.in}
	}},
	{whole(`quanto-(qint8|qfloat8)(?:-(e5m2))?`), func(c *choice) Layout {
		l := Elements{Weight: "weight._data", Scale: "weight._scale", DType: checkpoint.I8, Rows: 1, Scales: c.in}
		if c.m[1] == "qfloat8" {
			l.DType = eight(c.m[2])
		}
		return l
	}},
	{whole(`bitnet`), func(*choice) Layout { return BitNet{} }},
}

// eight is the type of eight bits with a name; E4M3 if it has none.
func eight(name string) checkpoint.DType {
	if name == "e5m2" {
		return checkpoint.F8E5M2
	}
	return checkpoint.F8E4M3
}

// whole returns the regular expression of what pattern matches from end to end.
func whole(pattern string) *regexp.Regexp { return regexp.MustCompile("^(?:" + pattern + ")$") }
