package quant

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// A Recipe is what one level of an analysis does to a checkpoint: it says by which
// scheme each tensor is quantized. Recipes are comparable and safe for concurrent use.
type Recipe interface {
	// Name returns the name that [Parse] turns back into the recipe.
	Name() string
	// For returns the scheme of a tensor.
	For(t Target) Scheme
	// BitsPerWeight returns how many bits a weight of a large tensor takes. It orders
	// levels.
	BitsPerWeight() float64
	// Reference reports whether the recipe quantizes nothing, so that changes are
	// measured from it.
	Reference() bool
}

// A Target is what a recipe may know of a tensor: its name, the dimensions of its matrices
// and the type of its weights.
type Target struct {
	Name       string
	Rows, Cols int
	DType      checkpoint.DType // in which the weights are stored
}

// A Model is what a recipe may know of the model that a checkpoint holds. What is 0 or empty
// is not known, and taken from names and shapes of tensors.
type Model struct {
	Layers  int `json:"layers,omitempty"`
	Heads   int `json:"heads,omitempty"`    // of attention, in a layer
	KVHeads int `json:"kv_heads,omitempty"` // with keys and values of their own
	Experts int `json:"experts,omitempty"`  // of a layer, shared ones apart
	// Arch is the model_type of config.json, or the general.architecture of a GGUF file.
	Arch string `json:"architecture,omitempty"`
}

// Bind returns what a recipe is for one checkpoint, whose tensors are all, the rows of a stack
// of matrices taken together: a recipe of the same name that says the scheme of every one of
// them. Recipes that look at one tensor only are returned as they are. The others are equal to
// none: compare recipes before they are bound.
func Bind(r Recipe, all []Target, m Model) Recipe {
	if b, ok := r.(interface {
		bind(all []Target, m Model) Recipe
	}); ok {
		return b.bind(all, m)
	}
	return r
}

// Uniform returns the recipe that has one scheme for every tensor, and its name.
func Uniform(s Scheme) Recipe { return single{s} }

// single is the recipe of one scheme for all tensors.
type single struct{ Scheme }

// For returns the scheme of a tensor, which may depend on its type and dimensions.
func (s single) For(t Target) Scheme {
	if f, ok := s.Scheme.(interface{ For(t Target) Scheme }); ok {
		return f.For(t)
	}
	return s.Scheme
}

func (s single) BitsPerWeight() float64 { return s.Scheme.BitsPerWeight(0, 0) }
func (s single) String() string         { return s.Name() }

func (s single) Reference() bool {
	r, ok := s.Scheme.(interface{ Reference() bool })
	return ok && r.Reference()
}

// Values returns how many different values a scheme has before rounding to the stored
// type, and 0 if that is not known.
func Values(s Scheme) int {
	if v, ok := s.(interface{ Values() int }); ok {
		return v.Values()
	}
	return 0
}

// FileName returns the name of a level for files: characters that no file system minds.
func FileName(r Recipe) string {
	if m, ok := r.(mapped); ok {
		return m.fileName()
	}
	return strings.NewReplacer(":", "-", "@", "-").Replace(r.Name())
}

// ShortName returns the name of a level for tables and legends: that for files where the name
// is longer than 40 bytes.
func ShortName(r Recipe) string {
	if name := r.Name(); len(name) <= 40 {
		return name
	}
	return FileName(r)
}

// Compare orders levels as tables and plots show them: those that quantize nothing
// first, then from more bits to fewer.
func Compare(a, b Recipe) int {
	if a.Reference() != b.Reference() {
		if a.Reference() {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.BitsPerWeight(), a.BitsPerWeight()), strings.Compare(a.Name(), b.Name()))
}

// families parse the names of recipes, in lower case. A function returns nil without an
// error for a name that does not belong to its family, and an error for one that does but
// is not valid. A family of schemes returns them as [Uniform] recipes.
var families = []struct {
	names string // for errors
	parse func(name string) (Recipe, error)
}{
	{"stored", parseStored},
	{"fp16", parseCast},
	{fmt.Sprintf("%dbit to %dbit, and %dbit-asym to %dbit-asym", MinBits, MaxBits, MinBits, MaxBits), parseUniform},
	{"those that wwq-fast schemes lists", parseRegistered},
}

// Parse returns the recipe called name, such as "fp16", "8bit" or "4bit-asym".
func Parse(name string) (Recipe, error) {
	if rules, ok := strings.CutPrefix(strings.TrimSpace(name), mapPrefix); ok {
		return ParseMap(rules)
	}
	var known []string
	for _, f := range families {
		r, err := f.parse(strings.ToLower(strings.TrimSpace(name)))
		if err != nil {
			return nil, fmt.Errorf("level %q: %v", name, err)
		}
		if r != nil {
			return r, nil
		}
		known = append(known, f.names)
	}
	return nil, fmt.Errorf("unknown level %q: levels are %s", name, strings.Join(known, ", "))
}

// ParseList parses a comma-separated list of different recipes.
func ParseList(list string) ([]Recipe, error) {
	var recipes []Recipe
	for name := range strings.SplitSeq(list, ",") {
		r, err := Parse(name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(recipes, r) {
			return nil, fmt.Errorf("level %s is given twice", r.Name())
		}
		recipes = append(recipes, r)
	}
	return recipes, nil
}
