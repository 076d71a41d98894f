package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/glob"
)

// maxStack bounds the layers that one tensor may become.
const maxStack = 1 << 16

// plan returns what is to be done with a tensor.
func (c *classifier) plan(t *checkpoint.Tensor, opts *Options) TensorStatus {
	ts := TensorStatus{Tensor: *t, Status: Skipped}
	n := parseName(t.Name)
	ts.Kind, ts.Reason = c.kind(t, &n)
	if ts.Reason != "" {
		return ts
	}
	if ts.Reason = compatReason(t, opts); ts.Reason != "" {
		ts.Flag = "no --compat"
		return ts
	}
	longName := strings.TrimSuffix(t.Name, ".weight")
	typ, count, rows, cols, inLayer := layout(ts.Kind, t.Shape)
	if count > maxStack {
		ts.Reason = fmt.Sprintf("a stack of %d matrices, above %d", count, maxStack)
		return ts
	}
	l := Layer{
		LongName: longName, Type: typ, Tensor: t.Name, DType: numberType(t), Bits: storedBits(t), Rows: rows, Cols: cols, Slices: inLayer,
		Quantized: typ != Embedding || opts.QuantizeEmbeddings, InputFirst: c.inputFirst(ts.Kind, t.Shape, &n),
	}
	if ts.Reason, ts.Flag = l.limit(opts); ts.Reason != "" {
		return ts
	}
	for i := range count {
		l.Index = i
		if ts.Kind == KindMatrices {
			l.LongName = fmt.Sprintf("%s[%d]", longName, i)
		}
		if opts.named(t.Name, longName, l.LongName) {
			ts.Layers = append(ts.Layers, l)
		}
	}
	if len(ts.Layers) == 0 {
		ts.Reason, ts.Chosen = "matches no --layers pattern", true
		return ts
	}
	if ts.Reason = l.typeReason(opts); ts.Reason != "" {
		ts.Layers, ts.Chosen = nil, true
		return ts
	}
	ts.Status, ts.Type = Planned, typ
	if !l.Quantized {
		ts.Kept, ts.Flag = "a table of vectors, not a matrix that is multiplied", "--quantize-embeddings"
	}
	return ts
}

// compatReason returns why WeightWatcher, which looks at names and ranks only, leaves a
// tensor out.
func compatReason(t *checkpoint.Tensor, opts *Options) string {
	switch {
	case !opts.Compat:
	case !strings.HasSuffix(t.Name, ".weight"):
		return `name does not end in ".weight", which WeightWatcher leaves out`
	case len(t.Shape) != 2 && len(t.Shape) != 4:
		return fmt.Sprintf("%d-D, which WeightWatcher leaves out", len(t.Shape))
	}
	return ""
}

// limit returns the reason why the limits leave l out, and the flag that would not.
func (l *Layer) limit(opts *Options) (reason, flag string) {
	switch evals := l.NumEvals(); {
	case opts.MinEvals > 0 && evals < opts.MinEvals:
		return fmt.Sprintf("%d eigenvalues, below --min-evals %d", evals, opts.MinEvals), "--min-evals 0"
	case opts.MaxEvals > 0 && evals > opts.MaxEvals:
		return fmt.Sprintf("%d eigenvalues, above --max-evals %d", evals, opts.MaxEvals), "--max-evals 0"
	case opts.MaxN > 0 && l.N() > opts.MaxN:
		return fmt.Sprintf("larger dimension %d, above --max-n %d", l.N(), opts.MaxN), "--max-n 0"
	}
	return "", ""
}

// typeReason returns the reason why the choice of types leaves l out.
func (l *Layer) typeReason(opts *Options) string {
	if len(opts.Include) > 0 && !slices.Contains(opts.Include, l.Type) {
		return fmt.Sprintf("type %s is not in --include", l.Type)
	}
	if slices.Contains(opts.Exclude, l.Type) {
		return fmt.Sprintf("type %s is in --exclude", l.Type)
	}
	return ""
}

// named reports whether one of the patterns matches one of the names of a layer.
func (o *Options) named(names ...string) bool {
	if len(o.Layers) == 0 {
		return true
	}
	for _, pattern := range o.Layers {
		for _, name := range names {
			if selects(pattern, name) {
				return true
			}
		}
	}
	return false
}

// Unmatched returns the patterns of opts.Layers that match no tensor of the plan.
func (p *Plan) Unmatched(opts *Options) []string {
	var none []string
	for _, pattern := range opts.Layers {
		if !slices.ContainsFunc(p.Tensors, func(t TensorStatus) bool {
			return selects(pattern, t.Name) || selects(pattern, strings.TrimSuffix(t.Name, ".weight")) ||
				slices.ContainsFunc(t.Layers, func(l Layer) bool { return selects(pattern, l.LongName) })
		}) {
			none = append(none, pattern)
		}
	}
	return none
}

// selects reports whether a pattern matches a name, or is that name as it is printed:
// quoted, or behind the apostrophe that keeps spreadsheets from computing it.
func selects(pattern, name string) bool {
	return glob.Match(pattern, name) || pattern == strconv.Quote(name) || name != "" && strings.ContainsAny(name[:1], "=+-@") && pattern == "'"+name
}
