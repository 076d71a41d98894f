package engine

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// maxExperts bounds the layers that one tensor may become.
const maxExperts = 1 << 16

// split returns the layers of a tensor, or the reason why it has none.
func split(t *checkpoint.Tensor, opts *Options) ([]Layer, string) {
	longName, isWeight := strings.CutSuffix(t.Name, ".weight")
	l := Layer{LongName: longName, Tensor: t.Name, DType: t.DType, Slices: 1}
	experts := 1
	s := t.Shape
	switch {
	case slices.Contains(s, 0):
		return nil, "has no elements"
	case len(s) < 2:
		return nil, "a vector or scalar (bias, norm)"
	case t.Encoding == nil:
		return nil, fmt.Sprintf("stored as %s, not a floating-point weight that can be read as it stands", t.StoredType())
	case !isWeight && !opts.AllMatrices:
		return nil, `name does not end in ".weight"; --all-matrices adds it`
	case len(s) == 2:
		l.Type, l.Rows, l.Cols = Dense, s[0], s[1]
		if isEmbedding(longName) {
			l.Type = Embedding
		}
	case len(s) == 4 && s[0]+s[1] >= s[2]+s[3]:
		l.Type, l.Rows, l.Cols, l.Slices = Conv2D, s[0], s[1], s[2]*s[3]
	case len(s) == 4:
		return nil, "4-D with the kernel in front: not the layout of a convolution in this format"
	case len(s) == 3 && !opts.AllMatrices:
		return nil, "3-D; --all-matrices adds it"
	case len(s) == 3 && isWeight && !strings.Contains(longName, "expert"):
		l.Type, l.Rows, l.Cols, l.Slices = Conv1D, s[0], s[1], s[2]
	case len(s) == 3 && s[0] > maxExperts:
		return nil, fmt.Sprintf("3-D with %d slices, above %d", s[0], maxExperts)
	case len(s) == 3:
		l.Type, l.Rows, l.Cols, experts = Dense, s[1], s[2], s[0]
	default:
		return nil, fmt.Sprintf("%d-D: no matrix or convolution", len(s))
	}
	l.Quantized = l.Type != Embedding || opts.QuantizeEmbeddings
	if reason := filter(&l, t.Name, opts); reason != "" {
		return nil, reason
	}
	if experts == 1 {
		return []Layer{l}, ""
	}
	layers := make([]Layer, experts)
	for i := range layers {
		layers[i] = l
		layers[i].LongName = fmt.Sprintf("%s[%d]", longName, i)
		layers[i].Index = i
	}
	return layers, ""
}

// filter returns the reason why the options leave l out.
func filter(l *Layer, name string, opts *Options) string {
	if len(opts.Layers) > 0 && !slices.ContainsFunc(opts.Layers, func(g string) bool {
		a, _ := path.Match(g, name)
		b, _ := path.Match(g, l.LongName)
		return a || b
	}) {
		return "matches no --layers pattern"
	}
	if len(opts.Include) > 0 && !slices.Contains(opts.Include, l.Type) {
		return fmt.Sprintf("type %s is not in --include", l.Type)
	}
	if slices.Contains(opts.Exclude, l.Type) {
		return fmt.Sprintf("type %s is in --exclude", l.Type)
	}
	switch evals := l.NumEvals(); {
	case opts.MinEvals > 0 && evals < opts.MinEvals:
		return fmt.Sprintf("%d eigenvalues, below --min-evals %d", evals, opts.MinEvals)
	case opts.MaxEvals > 0 && evals > opts.MaxEvals:
		return fmt.Sprintf("%d eigenvalues, above --max-evals %d", evals, opts.MaxEvals)
	case opts.MaxN > 0 && l.N() > opts.MaxN:
		return fmt.Sprintf("larger dimension %d, above --max-n %d", l.N(), opts.MaxN)
	}
	return ""
}

// isEmbedding reports whether a name says that its matrix is an embedding: token
// or position tables, but not the output projection that GPT-NeoX calls
// embed_out.
func isEmbedding(longName string) bool {
	for part := range strings.SplitSeq(strings.ToLower(longName), ".") {
		switch {
		case part == "embed_out":
			return false
		case strings.Contains(part, "embed"), strings.HasPrefix(part, "pos_emb"),
			part == "wte", part == "wpe", part == "pos", part == "tok_emb":
			return true
		}
	}
	return false
}
