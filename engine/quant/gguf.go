package quant

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/ggml"
)

// A fileType is one of the types of files that llama-quantize writes.
type fileType struct {
	base    string  // the type of most tensors
	bits    float64 // a weight takes in a file of Llama-3-8B
	imatrix bool    // llama-quantize asks for an importance matrix
}

// fileTypes are those of llama-quantize in llama.cpp 007dbbf3 that quantize, by name.
var fileTypes = map[string]fileType{
	"Q2_K": {base: "Q2_K", bits: 3.159}, "Q2_K_S": {base: "Q2_K", imatrix: true},
	"Q3_K_S": {base: "Q3_K", bits: 3.643}, "Q3_K_M": {base: "Q3_K", bits: 3.996}, "Q3_K_L": {base: "Q3_K", bits: 4.298},
	"Q4_K_S": {base: "Q4_K", bits: 4.667}, "Q4_K_M": {base: "Q4_K", bits: 4.894}, "Q5_K_S": {base: "Q5_K", bits: 5.57}, "Q5_K_M": {base: "Q5_K", bits: 5.704},
	"Q6_K": {base: "Q6_K", bits: 6.563}, "Q8_0": {base: "Q8_0", bits: 8.501},
	"Q4_0": {base: "Q4_0", bits: 4.636}, "Q4_1": {base: "Q4_1", bits: 5.103}, "Q5_0": {base: "Q5_0", bits: 5.57}, "Q5_1": {base: "Q5_1", bits: 6.038},
	"IQ4_NL": {base: "IQ4_NL", bits: 4.682}, "IQ4_XS": {base: "IQ4_XS", bits: 4.46},
	"TQ1_0": {base: "TQ1_0", bits: 2.191}, "TQ2_0": {base: "TQ2_0", bits: 2.517}, "Q1_0": {base: "Q1_0", bits: 1.482}, "Q2_0": {base: "Q2_0", bits: 2.68},
	"MXFP4_MOE": {base: "MXFP4", bits: 8.501}, "NVFP4": {base: "NVFP4", bits: 4.636},
	"IQ3_S": {base: "IQ3_S", bits: 3.661}, "IQ3_M": {base: "IQ3_S", bits: 3.763}, "IQ3_XS": {base: "IQ3_S", imatrix: true}, "IQ3_XXS": {base: "IQ3_XXS", imatrix: true},
	"IQ2_XXS": {base: "IQ2_XXS", imatrix: true}, "IQ2_XS": {base: "IQ2_XS", imatrix: true}, "IQ2_S": {base: "IQ2_XS", imatrix: true}, "IQ2_M": {base: "IQ2_S", imatrix: true},
	"IQ1_S": {base: "IQ1_S", imatrix: true}, "IQ1_M": {base: "IQ1_M", imatrix: true},
}

// fileAliases are other names of file types that llama-quantize takes.
var fileAliases = map[string]string{"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}

// A fileRecipe is the recipe of a file type of llama-quantize, which has a type for each
// tensor. Which, depends on all of the checkpoint: see [Bind]. As long as it knows none, it
// has the types of the token embedding and of the output, and the type of most tensors for all
// others.
type fileRecipe struct {
	file string
	pure bool // one type for all tensors, as with --pure
}

func makeFile(m *match) (Recipe, error) {
	name := strings.ToUpper(cmp.Or(m.groups[1], m.groups[2]))
	if to, ok := fileAliases[name]; ok {
		name = to
	}
	f, ok := fileTypes[name]
	if !ok {
		return nil, fmt.Errorf("llama-quantize has no file type %s that quantizes", name)
	}
	if f.imatrix {
		return nil, fmt.Errorf("llama-quantize asks for an importance matrix, which only data gives, to write %s", name)
	}
	if _, ok := ggml.Lookup(f.base); !ok {
		return nil, fmt.Errorf("%s files need the type %s, to which this program cannot quantize", name, f.base)
	}
	return fileRecipe{name, m.is(3, ":pure")}, nil
}

func (r fileRecipe) Name() string {
	name := "gguf:" + strings.ToLower(r.file)
	if r.pure {
		name += ":pure"
	}
	return name
}

func (r fileRecipe) String() string { return r.Name() }
func (fileRecipe) Reference() bool  { return false }

// BitsPerWeight is that of a file of Llama-3-8B or, if all tensors have one type, of that.
func (r fileRecipe) BitsPerWeight() float64 {
	f := fileTypes[r.file]
	if r.pure {
		return bitsOf(f.base, 0)
	}
	return f.bits
}

func (r fileRecipe) For(t Target) Scheme {
	gguf, _ := ggufName(t.Name)
	c := categoryOf(gguf)
	if c != catOutput && c != catTokenEmbd {
		c = catOther
	}
	f := newMixture(r, Model{})
	return schemeOf(f.typeOf(gguf, c, t.Cols), t)
}

// bind returns the recipe for the tensors of one checkpoint.
func (r fileRecipe) bind(all []Target, m Model) Recipe {
	tensors := inFile(all, m.Arch)
	f := newMixture(r, m.completed(tensors))
	f.tied = true
	for i := range tensors {
		switch tensors[i].category {
		case catAttnV:
			f.values.of++
		case catOutput:
			f.tied = false
		}
	}
	b := &boundRecipe{fileRecipe: r, types: map[string]string{}}
	var bits, weights float64
	for i := range tensors {
		t := &tensors[i]
		typ := ""
		if t.quantized() {
			typ = f.typeOf(t.gguf, t.category, t.Cols)
		}
		for _, name := range t.names {
			b.types[name] = typ
		}
		bits += t.weights * bitsOf(typ, t.Cols)
		weights += t.weights
	}
	b.bits = bits / max(1, weights)
	return b
}

// A boundRecipe is a fileRecipe that knows the type of every tensor of a checkpoint.
type boundRecipe struct {
	fileRecipe
	types map[string]string // by names of tensors; empty for those that are not quantized
	bits  float64
}

// BitsPerWeight is that of all tensors of the checkpoint, those that are not quantized with 32
// bits: norms and routers are float32 in GGUF files.
func (b *boundRecipe) BitsPerWeight() float64 { return b.bits }

func (b *boundRecipe) For(t Target) Scheme {
	typ, ok := b.types[t.Name]
	if !ok {
		return b.fileRecipe.For(t)
	}
	return schemeOf(typ, t)
}

// schemeOf returns the scheme of a type for a tensor, with the type that llama-quantize has in
// its place where blocks do not divide rows.
func schemeOf(typ string, t Target) Scheme {
	if typ == "" {
		return unchanged{}
	}
	known, ok := ggml.Lookup(typ)
	if !ok {
		panic("quant: no type " + typ) // makeFile takes no recipe that has others
	}
	return block{t: known}.For(t)
}

// fitting returns the type that a tensor with rows of cols weights has in a file where a type
// is meant for it.
func fitting(typ string, cols int) string {
	if cols%blockOf(typ) == 0 {
		return typ
	}
	to, ok := fallbacks[typ]
	switch {
	case typ == "IQ3_S":
		to = "IQ4_NL"
	case !ok:
		return typ
	}
	if cols%blockOf(to) != 0 {
		return "F16"
	}
	return to
}

// blockOf returns how many weights a block of a type has.
func blockOf(typ string) int {
	if t, ok := ggml.Lookup(typ); ok {
		weights, _ := t.Block()
		return weights
	}
	return 256 // IQ3_S
}

// bitsOf returns how many bits a weight in rows of cols weights takes in a file where a type
// is meant for it.
func bitsOf(typ string, cols int) float64 {
	switch typ = fitting(typ, cols); typ {
	case "":
		return 32
	case "F16":
		return 16
	case "IQ3_S":
		return 3.4375
	}
	t, _ := ggml.Lookup(typ)
	weights, bytes := t.Block()
	return 8 * float64(bytes) / float64(weights)
}

// unchanged is the scheme of tensors that a recipe does not quantize.
type unchanged struct{}

func (unchanged) Name() string                   { return "unchanged" }
func (unchanged) BitsPerWeight(int, int) float64 { return 32 }
func (unchanged) Granularity() Granularity       { return Granularity{Rows: 1, Cols: 1} }

func (unchanged) Fit(w Weights, out checkpoint.DType) (Quantizer, error) {
	if err := checkRange(w.Range(), out); err != nil {
		return nil, err
	}
	return keep{out}, nil
}

// A fileTensor is one tensor of the GGUF file that is made of a checkpoint.
type fileTensor struct {
	gguf       string
	category   category
	layer      int
	names      []string // in the checkpoint: of one tensor, or of the experts of a layer
	experts    int      // the largest number of an expert plus one, 0 if it is none
	Rows, Cols int      // of the first of them
	weights    float64  // of all
}

// quantized reports whether llama-quantize quantizes it. Matrices of one row are vectors.
func (t *fileTensor) quantized() bool { return t.Rows > 1 && isQuantized(t.gguf) }

// inFile returns the tensors of the file that is made of a checkpoint, in the order in which
// llama-quantize takes them: by layers, those outside of layers first, and then by names.
//
// The converter writes keys and values of latent attention as two stacks, one matrix for each
// head, which are not among the tensors with values. Here they have the type of the second.
func inFile(all []Target, arch string) []fileTensor {
	var tensors []fileTensor
	at := map[string]int{}
	for _, t := range all {
		gguf, expert := ggufName(t.Name)
		if strings.HasSuffix(t.Name, "kv_b_proj.weight") && arch != "minicpm3" && arch != "plm" {
			gguf = strings.Replace(gguf, "attn_kv_b", "attn_v_b", 1)
		}
		i, known := at[gguf]
		if !known {
			i = len(tensors)
			at[gguf] = i
			tensors = append(tensors, fileTensor{gguf: gguf, category: categoryOf(gguf), layer: layerOf(gguf), Rows: t.Rows, Cols: t.Cols})
		}
		f := &tensors[i]
		f.names = append(f.names, t.Name)
		f.experts = max(f.experts, expert+1)
		f.weights += float64(t.Rows) * float64(t.Cols)
	}
	slices.SortFunc(tensors, func(a, b fileTensor) int { return cmp.Or(cmp.Compare(a.layer, b.layer), cmp.Compare(a.gguf, b.gguf)) })
	return tensors
}
