package quantized

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/packed"
)

// methods are those that are read, by what configurations call them: they return the families of
// layers of a checkpoint, or why it is not read.
var methods = map[string]func(c *config) ([]family, error){
	"gptq":               gptq,
	"awq":                awq,
	"bitsandbytes":       func(*config) ([]family, error) { return []family{bnb4, bnb8}, nil },
	"compressed-tensors": compressedTensors,
	"fp8":                fp8,
	"fbgemm_fp8":         fp8,
	"mxfp4":              func(*config) ([]family, error) { return []family{gptOSS}, nil },
	"modelopt":           modelOpt,
	"modelopt_fp4":       modelOpt,
	"hqq":                func(*config) ([]family, error) { return []family{hqq}, nil },
	"mlx":                mlx,
	"quanto":             quanto,
	"bitnet":             bitNet,
}

// unreadMethods are names of methods that are not read, with what they are.
var unreadMethods = map[string]string{
	"aqlm": "AQLM", "vptq": "VPTQ", "quip": "QuIP#", "quip#": "QuIP#", "quipsharp": "QuIP#", "spqr": "SpQR", "higgs": "HIGGS", "exl2": "EXL2", "exl3": "EXL3",
	"quark": "Quark", "torchao": "torchao", "eetq": "EETQ", "auto-round": "AutoRound", "auto_round": "AutoRound", "intel/auto-round": "AutoRound", "squeezellm": "SqueezeLLM",
	"fp_quant": "FP-Quant", "sinq": "SINQ",
}

// kernelMethods are those that store weights in the order of a kernel.
var kernelMethods = []string{"marlin", "gptq_marlin", "gptq_marlin_24", "awq_marlin", "bitblas", "gptq_bitblas", "exllama", "ipex", "gemv_fast", "gptq_p"}

// unread is the error for a method that is not read.
func unread(method string) error {
	const instead = "name the checkpoint that it was made from, or export it by a method that is read: GPTQ, AWQ, bitsandbytes, compressed-tensors"
	if slices.Contains(kernelMethods, method) {
		return kernelOrder(method)
	}
	name, ok := unreadMethods[method]
	if !ok {
		name = checkpoint.Printable(method)
	}
	return checkpoint.Unsupportedf("%s is a method whose weights are not read; %s", name, instead)
}

// kernelOrder is the error for weights in the order of a kernel.
func kernelOrder(name string) error {
	return checkpoint.Unsupportedf("the weights are in the order of a kernel, %s, which is not read; export them again, as gptq or in AWQ's version gemm", checkpoint.Printable(name))
}

// bitsOf is a number of bits in words.
func bitsOf(n int) string {
	if n == 1 {
		return "1 bit"
	}
	return fmt.Sprintf("%d bits", n)
}

// groupsOf says what shares parameters: groups of so many inputs, or rows.
func groupsOf(n int) string {
	if n <= 0 {
		return "one scale a row"
	}
	return fmt.Sprintf("groups of %d", n)
}

// is8 reports whether the codes are FP8.
func is8(l *layer) bool {
	return slices.Contains([]checkpoint.DType{checkpoint.F8E4M3, checkpoint.F8E5M2, checkpoint.F8E4M3FNUZ, checkpoint.F8E5M2FNUZ}, l.codes.DType)
}

// bnb4 is bitsandbytes in 4 bits.
var bnb4 = family{
	method: "bitsandbytes", codes: "weight",
	parts: []string{"weight.absmax", "weight.quant_map", "weight.nested_absmax", "weight.nested_quant_map",
		"weight.quant_state.bitsandbytes__nf4", "weight.quant_state.bitsandbytes__fp4"},
	small: []string{"weight.quant_map", "weight.nested_quant_map", "weight.quant_state.bitsandbytes__nf4", "weight.quant_state.bitsandbytes__fp4"},
	is:    func(l *layer) bool { return len(l.names) > 1 || l.codes.DType == checkpoint.U8 },
	layout: func(l *layer) (form, error) {
		short := "NF4"
		if l.has("weight.quant_state.bitsandbytes__fp4") {
			short = "bnb FP4"
		}
		long := "bitsandbytes " + strings.TrimPrefix(short, "bnb ")
		if a := l.part("weight.absmax"); a != nil && a.DType == checkpoint.U8 {
			long += " with double quantization"
		}
		return form{layout: packed.BNB4{}, short: short, long: long}, nil
	},
}

// bnb8 is bitsandbytes in 8 bits.
var bnb8 = family{
	method: "bitsandbytes", codes: "weight", parts: []string{"SCB", "weight_format"}, small: []string{"weight_format"},
	is: func(l *layer) bool { return l.codes.DType == checkpoint.I8 || l.has("SCB") },
	layout: func(*layer) (form, error) {
		return form{layout: packed.BNB8{}, short: "bnb int8", long: "bitsandbytes LLM.int8()"}, nil
	},
}

// gptOSS is MXFP4 of the experts of gpt-oss.
var gptOSS = family{
	method: "MXFP4", separator: "_", codes: "blocks", parts: []string{"scales"}, needs: []string{"scales"}, bare: true,
	is: func(l *layer) bool { return l.codes.DType == checkpoint.U8 },
	layout: func(*layer) (form, error) {
		return form{layout: packed.FP4{Form: packed.GPTOSS}, short: "MXFP4 4 bits", long: "MXFP4 of gpt-oss"}, nil
	},
}

// hqq is HQQ, whose tensors say all.
var hqq = family{
	method: "HQQ", codes: "W_q",
	parts: []string{"scale", "zero", "nbits", "group_size", "axis", "shape", "packing", "view_as_float"},
	beside: []string{"unpack_view_dtype", "channel_wise", "optimize", "round_zero", "encoded_state_dict", "stores_quant_config", "compute_dtype",
		"quant_scale", "quant_zero", "offload_meta"},
	small:   []string{"nbits", "group_size", "axis", "shape", "packing", "view_as_float"},
	forbids: []string{"scale_q", "zero_q", "meta_scale", "meta_zero"},
	layout: func(*layer) (form, error) { // the bits are added when nbits is read
		return form{layout: packed.HQQ{}, short: "HQQ", long: "HQQ"}, nil
	},
}

// plainForm is FP8 without scales.
func plainForm(d checkpoint.DType) form {
	short := "FP8 " + strings.TrimPrefix(d.String(), "F8_")
	return form{layout: packed.Elements{Unscaled: true}, short: short, long: short + " without scales"}
}

// bitNet is BitNet b1.58.
func bitNet(c *config) ([]family, error) {
	l := packed.BitNet{}
	switch class := text(c.says, "linear_class"); class {
	case "", "bitlinear":
	case "autobitlinear":
		l.Multiplies = true
	default:
		return nil, checkpoint.Unsupportedf("BitNet: the configuration says linear_class %s", checkpoint.Quote(class))
	}
	return []family{{
		method: "BitNet", codes: "weight", parts: []string{"weight_scale"}, needs: []string{"weight_scale"},
		is:     func(l *layer) bool { return l.codes.DType == checkpoint.U8 },
		layout: func(*layer) (form, error) { return form{layout: l, short: "BitNet", long: l.Name()}, nil },
	}}, nil
}
