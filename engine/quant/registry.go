package quant

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// A Class says how far the values of a scheme are those of the tool that it follows.
type Class string

const (
	Exact    Class = "every value" // equal to those of the tool
	Order    Class = "sum order"   // equal but for the order in which the tool adds
	Restated Class = "restated"    // from the tool's source, which was not run
	Own      Class = "own"         // follows no tool
)

// A Description says what there is to know of a scheme.
type Description struct {
	Name          string // an example where names have numbers
	Pattern       string // of the names
	Aliases       []string
	BitsPerWeight float64 // of a large tensor with the parameters of groups
	Tool          string  // and version that it follows
	Class         Class
	Refuses       string // what it does not take, beside weights that are not finite
}

// An entry is a family of schemes in the registry.
type entry struct {
	pattern  *regexp.Regexp // of names
	shown    string         // the pattern as people write it
	examples []string
	tool     string
	class    Class
	refuses  string
	make     func(m *match) (Recipe, error)
}

// A match is a name that matches a pattern, with its numbers.
type match struct {
	name   string
	groups []string
}

// number returns part i of the name as a number, and what it is if that is empty.
func (m *match) number(i, otherwise int) int {
	if m.groups[i] == "" {
		return otherwise
	}
	n, _ := strconv.Atoi(m.groups[i])
	return n
}

func (m *match) is(i int, text string) bool { return m.groups[i] == text }

// arithmeticNames are how types are called behind an @.
var arithmeticNames = map[checkpoint.DType]string{checkpoint.F32: "f32", checkpoint.F16: "f16", checkpoint.BF16: "bf16"}

// aliases are other names of schemes, as tools and people spell them.
var aliases = map[string]string{
	"llm.int8": "bnb-int8", "llm.int8()": "bnb-int8", "nf4": "bnb-nf4", "qlora": "bnb-nf4-dq", "fp4": "bnb-fp4", "nf4-dq": "bnb-nf4-dq",
	"w4a16": "ct-w4a16", "w4a16-asym": "ct-w4a16-asym", "w8a16": "ct-w8a16", "w8a8": "ct-w8a8", "b1.58": "bitnet", "bitnet-b1.58": "bitnet",
	"fp8": "fp8-e4m3-row", "fp8-e4m3": "fp8-e4m3-row", "e4m3": "fp8-e4m3-row", "deepseek": "fp8-e4m3-b128", "qint8": "quanto-qint8", "qint4": "quanto-qint4", "qint2": "quanto-qint2",
	"qfloat8": "quanto-qfloat8", "mlx-q4": "mlx-4bit", "mlx-q8": "mlx-8bit", "hqq": "hqq-int4-g64", "gptq": "gptq-int4-g128", "awq": "awq-int4-g128",
	"mxfp4": "mxfp4:floor", "mxfp6-e2m3": "mxfp6-e2m3:floor", "mxfp6-e3m2": "mxfp6-e3m2:floor", "mxfp8": "mxfp8-e4m3:floor", "mxfp8-e4m3": "mxfp8-e4m3:floor",
	"mxfp8-e5m2": "mxfp8-e5m2:floor", "mxint8": "mxint8:floor", "nvfp4": "nvfp4:modelopt", "nvfp4-single": "nvfp4:single",
	"torchao-int4": "torchao-int4-tinygemm-g128",
}

// spellings turn names as tools and papers spell them into those of the registry.
var spellings = []struct {
	pattern *regexp.Regexp
	to      string
}{
	{regexp.MustCompile(`^(ct-\w+)_(asym|block|dynamic)$`), "$1-$2"},
	{regexp.MustCompile(`^ct-(mxfp4|mxfp8|nvfp4)a16$`), "ct-$1"},
	{regexp.MustCompile(`^(hqq-.*)-(f32|bf16)out$`), "$1:$2"},
	{regexp.MustCompile(`^quanto-qfloat8_e4m3fn$`), "quanto-qfloat8"},
	{regexp.MustCompile(`^quanto-qfloat8_e5m2$`), "quanto-qfloat8-e5m2"},
	{regexp.MustCompile(`^torchao-int8-(g\d+)-symmetric$`), "torchao-int8-intx-$1"},
	{regexp.MustCompile(`^torchao-(int\d-(?:g\d+|row))-symmetric$`), "torchao-$1"},
	{regexp.MustCompile(`^torchao-(int\d-(?:g\d+|row))-symmetric_no_clipping_err$`), "torchao-$1-noclip"},
	{regexp.MustCompile(`^torchao-(int\d-(?:g\d+|row))-asymmetric$`), "torchao-$1-asym"},
	{regexp.MustCompile(`^torchao-(mx[a-z0-9-]+)-(floor|even|rceil|ceil)$`), "$1:$2"},
	{regexp.MustCompile(`^torchao-nvfp4-single-level$`), "nvfp4:single"},
	{regexp.MustCompile(`^torchao-nvfp4-two-level$`), "nvfp4:torchao"},
	{regexp.MustCompile(`^modelopt-(mxfp4|nvfp4)$`), "$1:modelopt"},
	{regexp.MustCompile(`^gptq-(int\d-(?:g\d+|row))-sym(-mse)?$`), "gptq-$1$2"},
	{regexp.MustCompile(`^mx-(?:fp4_e2m1)-(nearest|even)$`), "mxfp4:microxcaling-$1"},
	{regexp.MustCompile(`^mx-int(\d)-(nearest|even)$`), "mxint$1:microxcaling-$2"},
	{regexp.MustCompile(`^mx-(fp\d)_(e\dm\d)-(nearest|even)$`), "mx$1-$2:microxcaling-$3"},
	{regexp.MustCompile(`^mlx-affine-(\dbit-g\d+)-metal$`), "mlx-$1"},
	{regexp.MustCompile(`^fp8-e4m3-b128x128-(\w+)$`), "fp8-e4m3-b128:$1"},
	{regexp.MustCompile(`^fp8-e4m3-b128x128$`), "fp8-e4m3-b128"},
	{regexp.MustCompile(`^(mx.*:microxcaling)-nearest$`), "$1"},
}

// respelled returns a name as the registry spells it.
func respelled(name string) string {
	for _, s := range spellings {
		name = s.pattern.ReplaceAllString(name, s.to)
	}
	return name
}

// ambiguous are names that stand for one thing here and for another elsewhere.
var ambiguous = map[string]string{
	"int4":   "one scale for the whole tensor; most tools have groups of 128: int4-g128, gptq-int4-g128, awq-int4-g128, ct-w4a16",
	"fp4":    "bitsandbytes' FP4, whose values are not those of E2M1: mxfp4:floor and nvfp4:modelopt have E2M1",
	"fp8":    "E4M3 with a scale for each row: fp8-e4m3-tensor and fp8-e4m3-b128 have others",
	"mxfp4":  "the scale rule of OCP and torchao, floor; compressed-tensors has mxfp4:even, gpt-oss mxfp4:rceil, llama.cpp ggml-mxfp4",
	"nvfp4":  "ModelOpt's rule with two levels of scales; others are nvfp4:torchao, nvfp4:single, ct-nvfp4, ggml-nvfp4",
	"mxfp8":  "E4M3 elements and the scale rule floor",
	"q4_k":   "the type Q4_K for every tensor; what llama-quantize calls Q4_K is the mixture gguf:q4_k_m",
	"q3_k":   "the type Q3_K for every tensor; what llama-quantize calls Q3_K is the mixture gguf:q3_k_m",
	"q5_k":   "the type Q5_K for every tensor; what llama-quantize calls Q5_K is the mixture gguf:q5_k_m",
	"q2_k":   "the type Q2_K for every tensor; what llama-quantize calls Q2_K is the mixture gguf:q2_k",
	"hqq":    "4 bits in groups of 64",
	"gptq":   "4 bits in groups of 128, rounded to nearest: without data GPTQ does no more",
	"awq":    "4 bits in groups of 128, rounded to nearest: without data AWQ does no more",
	"mxint8": "the scale rule floor",
}

// Notice returns what should be said of a name that others use for something else, empty if
// nothing is.
func Notice(name string) string {
	name = plainName(name)
	if text := ambiguous[name]; text != "" {
		return fmt.Sprintf("%s is taken for %s", name, text)
	}
	return ""
}

// plainName returns a name as the registry has it.
func plainName(name string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "")
}

// parseRegistered parses the names of the registry.
func parseRegistered(name string) (Recipe, error) {
	name = plainName(name)
	if to, ok := aliases[name]; ok {
		name = to
	}
	base, at, chosen := strings.Cut(name, "@")
	if to, ok := aliases[base]; ok {
		base = to
	}
	e, m := lookup(respelled(base))
	if e == nil {
		return nil, nil
	}
	r, err := e.make(m)
	if err != nil || !chosen {
		return r, err
	}
	return withArithmetic(r, at)
}

// lookup returns the entry to which a name belongs, nil if there is none.
func lookup(name string) (*entry, *match) {
	for i := range registry {
		if groups := registry[i].pattern.FindStringSubmatch(name); groups != nil {
			return &registry[i], &match{name, groups}
		}
	}
	return nil, nil
}

// Tool returns the tool and version that the level or scheme called name follows, as
// [Scheme.Name] has it; empty if it follows none.
func Tool(name string) string {
	name, _, _ = strings.Cut(name, "@")
	if e, _ := lookup(name); e != nil && e.class != Own {
		return e.tool
	}
	return ""
}

// NoImatrix reports whether a level, or a rule of it, follows ggml without an importance matrix, with which most
// published files are made.
func NoImatrix(r Recipe) bool {
	m, ok := r.(mapped)
	if !ok {
		return strings.Contains(Tool(r.Name()), "no imatrix")
	}
	found := false
	m.each(func(_ string, r Recipe) bool {
		found = NoImatrix(r)
		return !found
	})
	return found
}

// Label returns the name of a level for legends and headings: [ShortName], and "no imatrix"
// where [NoImatrix] says so.
func Label(r Recipe) string {
	if NoImatrix(r) {
		return ShortName(r) + ", no imatrix"
	}
	return ShortName(r)
}

// withArithmetic returns a recipe that computes in the type called at.
func withArithmetic(r Recipe, at string) (Recipe, error) {
	s, ok := r.(single)
	b, blocks := s.Scheme.(blocks)
	for d, name := range arithmeticNames {
		if name != at {
			continue
		}
		if !ok || !blocks || b.upcasts {
			return nil, fmt.Errorf("%s computes in one type only", r.Name())
		}
		b.arithmetic = d
		return single{b}, nil
	}
	return nil, fmt.Errorf("unknown type %q behind @: types are f32, f16, bf16", at)
}

// whole returns the regular expression of what pattern matches from end to end.
func whole(pattern string) *regexp.Regexp { return regexp.MustCompile("^(?:" + pattern + ")$") }

// Names returns the names of all examples of the registry, and their aliases.
func Names() []string {
	names := slices.Sorted(maps.Keys(aliases))
	for _, e := range registry {
		names = append(names, e.examples...)
	}
	return append(names, "stored", "fp16", "8bit", "4bit", "4bit-asym")
}

// Descriptions returns what there is to know of all schemes of the registry.
func Descriptions() []Description {
	var all []Description
	for _, e := range registry {
		for _, name := range e.examples {
			d := Description{Name: name, Pattern: e.shown, Tool: e.tool, Class: e.class, Refuses: e.refuses}
			if r, err := Parse(name); err == nil {
				d.Name, d.BitsPerWeight = r.Name(), r.BitsPerWeight()
			}
			if d.Name != name {
				d.Aliases = append(d.Aliases, name)
			}
			for _, alias := range slices.Sorted(maps.Keys(aliases)) {
				if aliases[alias] == name {
					d.Aliases = append(d.Aliases, alias)
				}
			}
			all = append(all, d)
		}
	}
	return all
}
