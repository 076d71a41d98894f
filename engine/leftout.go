package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// A LeftOut weighs what an analysis leaves out, by parameters that look like weights.
type LeftOut struct {
	Parameters int64 // of all weights of the checkpoint
	// Groups are the weights that are not analysed, or not quantized, one group for each
	// reason, the heaviest first. What the user has left out by name or type is in none.
	Groups []LeftOutGroup
}

// A LeftOutGroup is what is left out for one reason.
type LeftOutGroup struct {
	Parameters int64
	Tensors    int
	// Analysed says that the weights are analysed, but not quantized.
	Analysed bool
	Reason   string
	Flag     string // what adds them; empty if nothing does
}

// notable is the share of the parameters from which what is left out is worth a warning.
const notable = 0.01

// LeftOut weighs what the plan leaves out.
func (p *Plan) LeftOut() LeftOut { return leftOut(p.Tensors) }

// LeftOut weighs what the analysis left out.
func (r *Result) LeftOut() LeftOut { return leftOut(r.Tensors) }

func leftOut(tensors []TensorStatus) LeftOut {
	var out LeftOut
	at := map[string]int{}
	for i := range tensors {
		t := &tensors[i]
		if !t.weighs() {
			continue
		}
		n := t.parameters()
		out.Parameters += n
		reason := t.Kept
		if t.Status == Skipped {
			reason = t.Reason
		}
		if reason == "" || t.Chosen || t.Status == Refused || t.Duplicate {
			continue
		}
		key := fmt.Sprint(t.Status == Skipped, general(reason))
		k, known := at[key]
		if !known {
			k = len(out.Groups)
			at[key] = k
			out.Groups = append(out.Groups, LeftOutGroup{Analysed: t.Status != Skipped, Reason: reason, Flag: t.Flag})
		}
		out.Groups[k].Parameters += n
		out.Groups[k].Tensors++
	}
	slices.SortStableFunc(out.Groups, func(a, b LeftOutGroup) int { return cmp.Compare(b.Parameters, a.Parameters) })
	return out
}

// weighs reports whether a tensor looks like weights: those of every kind of weights, and
// numbers of a rank that is not known.
func (t *TensorStatus) weighs() bool {
	return t.Kind.IsWeight() || t.Kind == KindOther && t.Encoding != nil && t.Elements() > 0
}

// general returns a reason without the numbers before its first comma, so that tensors of
// different sizes are in one group. What a reader says of packed weights stays whole.
func general(reason string) string {
	if strings.HasPrefix(reason, "quantized already") {
		return reason
	}
	if before, after, ok := strings.Cut(reason, ", "); ok && strings.ContainsAny(before, "0123456789") {
		return after
	}
	return reason
}

// packedBits are the bits of one weight in the codes of a type, where a byte or word
// holds several.
var packedBits = map[checkpoint.DType]int64{
	checkpoint.U8: 4, checkpoint.I32: 4, checkpoint.U32: 4, checkpoint.I16: 4, checkpoint.U16: 4,
}

// parameters returns how many weights the tensor holds: of packed ones about as many.
func (t *TensorStatus) parameters() int64 {
	n := t.Elements()
	if bits := packedBits[t.DType]; t.Kind == KindPacked && bits > 0 {
		return n * int64(t.DType.Bits()) / bits
	}
	return n
}

// String returns a sentence on each of the groups of more than a hundredth of the parameters, or
// of those together, and nothing if all of it is less.
func (o LeftOut) String() string {
	var all int64
	for _, g := range o.Groups {
		all += g.Parameters
	}
	if float64(all) <= notable*float64(o.Parameters) {
		return ""
	}
	var parts []string
	for i, g := range o.Groups {
		share := float64(g.Parameters) / float64(o.Parameters)
		if share <= notable && i > 0 {
			continue
		}
		tensors, are, adds := "1 tensor", "is", "adds it"
		if g.Tensors > 1 {
			tensors, are, adds = fmt.Sprintf("%d tensors", g.Tensors), "are", "adds them"
		}
		what := "not analysed"
		if g.Analysed {
			what, adds = "analysed but not quantized", strings.Replace(adds, "adds", "quantizes", 1)
		}
		text := fmt.Sprintf("%s of the parameters are in %s that %s %s: %s", percent(share), tensors, are, what, g.Reason)
		if g.Flag != "" {
			text += fmt.Sprintf("; %s %s", g.Flag, adds)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ". ")
}

// percent returns a share with two digits, or with so many that what is not all is not
// said to be.
func percent(share float64) string {
	for digits := 1; share > 0.99 && share < 1 && digits < 12; digits++ {
		if s := fmt.Sprintf("%.*f", digits, 100*share); !strings.HasPrefix(s, "100") {
			return s + " %"
		}
	}
	if share < 0.095 {
		return fmt.Sprintf("%.1f %%", 100*share)
	}
	return fmt.Sprintf("%.0f %%", 100*share)
}
