package quant

import (
	"slices"
	"strings"
)

// architectures are the architectures of llama.cpp that models of a type in config.json have,
// where both are not called the same.
var architectures = map[string]string{
	"mistral": "llama", "mixtral": "llama", "RefinedWeb": "falcon", "RefinedWebModel": "falcon", "nemotron-nas": "deci",
}

// completed returns the model with what it leaves open taken from the tensors of its file.
func (m Model) completed(tensors []fileTensor) Model {
	if to, ok := architectures[m.Arch]; ok {
		m.Arch = to
	}
	var queries, keys, fused int // rows of the first layer of attention
	for i := range tensors {
		t := &tensors[i]
		m.Layers = max(m.Layers, t.layer+1) // also those that predict further tokens
		switch {
		case t.category == catAttnOutput && queries == 0:
			queries = t.Cols
		case t.category == catAttnK && keys == 0:
			keys = t.Rows
		case strings.HasSuffix(t.gguf, "attn_qkv.weight") && fused == 0:
			fused = t.Rows
		}
	}
	if m.Experts == 0 {
		m.Experts = experts(tensors)
	}
	if keys == 0 {
		keys = (fused - queries) / 2
	}
	if m.Heads == 0 || m.KVHeads == 0 {
		if queries > 0 && keys > 0 {
			m.Heads, m.KVHeads = queries, keys // only their ratio counts
		} else {
			m.Heads, m.KVHeads = 1, 1
		}
	}
	return m
}

// experts returns how many experts a layer has: as many as there are tensors of them, or rows
// in the router.
func experts(tensors []fileTensor) (n int) {
	for i := range tensors {
		t := &tensors[i]
		switch {
		case strings.HasSuffix(t.gguf, "ffn_gate_inp.weight"):
			n = max(n, t.Rows)
		case strings.Contains(t.gguf, "_exps."):
			n = max(n, t.experts, 2)
		}
	}
	return n
}

// A count says the how manieth of so many a tensor is.
type count struct{ at, of int }

// A mixture is what llama-quantize knows while it goes through the tensors of a file, one
// after the other.
type mixture struct {
	file   string
	base   string
	pure   bool
	model  Model
	tied   bool  // there is no output tensor: the token embedding is in its place
	values count // tensors of the category catAttnV
	downs  count // tensors of the category catFFNDown among layers
}

func newMixture(r fileRecipe, m Model) *mixture {
	return &mixture{file: r.file, base: fileTypes[r.file].base, pure: r.pure, model: m, downs: count{of: m.Layers}}
}

// is reports whether the file type is one of those named.
func (f *mixture) is(names ...string) bool { return slices.Contains(names, f.file) }

// shares reports whether four heads or more have keys and values together.
func (f *mixture) shares() bool { return f.model.KVHeads > 0 && f.model.Heads/f.model.KVHeads >= 4 }

func (f *mixture) falcon() bool { return f.model.Arch == "falcon" }

// is70B reports whether llama.cpp calls the model one of 70B parameters, which it does by
// architecture and number of layers.
func (f *mixture) is70B() bool {
	switch f.model.Arch {
	case "llama", "":
		return f.model.Layers == 80 && f.model.Heads != f.model.KVHeads
	case "qwen2", "deci":
		return f.model.Layers == 80
	case "jais2":
		return f.model.Layers == 68
	}
	return false
}

// early reports whether a tensor is among the first of all: one in so many.
func (c count) early(part int) bool { return c.at < c.of/part }

// more reports whether llama-quantize gives a tensor more bits: in the first and the last
// eighth of all, and for each third between.
func (c count) more() bool {
	return c.at < c.of/8 || c.at >= 7*c.of/8 || (c.at-c.of/8)%3 == 2
}

// typeOf returns the type that is meant for the next tensor, of which every row has cols
// weights, and counts it. What it is where blocks do not divide them is another question.
func (f *mixture) typeOf(gguf string, c category, cols int) string {
	switch {
	case f.pure:
		return f.base
	case c == catOutput, c == catTokenEmbd && f.tied:
		return f.outputType(cols)
	case f.file == "MXFP4_MOE":
		if isStack(gguf) {
			return "MXFP4"
		}
		return "Q8_0"
	}
	typ := ""
	switch c {
	case catTokenEmbd:
		if f.is("TQ1_0", "TQ2_0", "Q2_0") {
			typ = "Q4_K"
		}
	case catAttnV:
		typ = f.valueType()
		f.values.at++
	case catAttnK:
		if f.model.Experts == 8 {
			typ = "Q8_0"
		}
	case catFFNDown:
		i := f.downs
		if f.model.Experts > 1 {
			i.at = layerOf(gguf) // shared experts come beside the others
		}
		typ = f.downType(i)
		f.downs.at++
	case catAttnOutput:
		typ = f.attnOutputType()
	}
	if typ == "" {
		return f.base
	}
	return typ
}

// outputType returns the type of the output, whose rows have cols weights.
func (f *mixture) outputType(cols int) string {
	if f.is("MXFP4_MOE", "Q8_0") || f.falcon() || cols%blockOf(f.base) != 0 {
		return "Q8_0"
	}
	return "Q6_K"
}

// valueType returns the type of the next tensor with the values of attention, empty for that
// of most tensors.
func (f *mixture) valueType() (typ string) {
	switch i := f.values; {
	case f.is("Q2_K"):
		if typ = "Q3_K"; f.shares() {
			typ = "Q4_K"
		}
	case f.is("IQ3_M"), f.is("IQ3_S") && f.shares():
		typ = "Q4_K"
	case f.is("Q3_K_M"):
		if typ = "Q4_K"; i.at < 2 {
			typ = "Q5_K"
		}
	case f.is("Q3_K_L"), f.is("IQ4_NL", "IQ4_XS") && f.shares(), f.is("Q4_K_S") && i.at < 4:
		typ = "Q5_K"
	case f.is("Q4_K_M", "Q5_K_M") && i.more():
		typ = "Q6_K"
	}
	if f.is70B() && (typ == "Q4_K" || typ == "Q3_K" || typ == "" && (f.base == "Q4_K" || f.base == "Q3_K")) {
		typ = "Q5_K"
	}
	if f.model.Experts == 8 {
		typ = "Q8_0"
	}
	return typ
}

// downType returns the type of tensor i of the second half of a feed-forward layer, empty for
// that of most tensors.
func (f *mixture) downType(i count) string {
	switch f.file {
	case "Q2_K":
		return "Q3_K"
	case "Q3_K_M":
		switch {
		case i.early(16):
			return "Q5_K"
		case !f.falcon() || i.more():
			return "Q4_K"
		}
	case "Q3_K_L":
		if f.falcon() {
			return "Q4_K"
		}
		return "Q5_K"
	case "Q4_K_M":
		switch {
		case f.falcon() && i.early(16), !f.falcon() && i.more():
			return "Q6_K"
		case f.falcon() && i.more():
			return "Q5_K"
		}
	case "Q5_K_M":
		if i.more() {
			return "Q6_K"
		}
	case "Q4_K_S":
		if !f.falcon() && i.early(8) {
			return "Q5_K"
		}
	case "IQ4_NL", "IQ4_XS":
		if i.early(8) {
			return "Q5_K"
		}
	case "IQ3_M":
		if i.early(8) || f.model.Experts == 8 && i.more() {
			return "Q4_K"
		}
	}
	return ""
}

// attnOutputType returns the type of the tensor behind attention, empty for that of most
// tensors.
func (f *mixture) attnOutputType() string {
	switch {
	case f.falcon():
		if f.is("Q3_K_L") {
			return "Q4_K"
		}
	case f.model.Experts == 8:
		if f.is("Q2_K", "Q3_K_S", "Q3_K_M", "Q4_K_S", "Q4_K_M", "IQ3_S", "IQ3_M", "IQ4_NL", "IQ4_XS") {
			return "Q5_K"
		}
	case f.is("Q2_K"):
		return "Q3_K"
	case f.is("Q3_K_M", "IQ3_M"):
		return "Q4_K"
	case f.is("Q3_K_L"):
		return "Q5_K"
	}
	return ""
}
