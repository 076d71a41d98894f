package engine

import (
	"cmp"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// Keys of the metadata that [Quantize] adds to every file that it writes.
const (
	MetadataLevel   = "wwq_fast.level"   // the level, such as "4bit"
	MetadataVersion = "wwq_fast.version" // of the program
	// MetadataSource is the SHA-256 of the file from which the weights come, in
	// hexadecimal digits: what sha256sum prints of it, and its name on the Hugging Face Hub.
	MetadataSource = "wwq_fast.source_sha256"
)

// A Tally is a number of tensors and of the weights in them.
type Tally struct {
	Tensors    int
	Parameters int64
}

func (t *Tally) add(ts *TensorStatus) {
	t.Tensors++
	t.Parameters += ts.parameters()
}

// A Reason is why tensors were not quantized.
type Reason struct {
	Text string // as in [TensorStatus], with the flag that would have it quantized
	Tally
}

// unmatched is why a level of rules leaves a tensor as it is.
const unmatched = "no rule matches it"

// left says why a bound level leaves a tensor that is planned to be quantized as it is, empty
// if it does not.
func left(ts *TensorStatus, level quant.Recipe) string {
	of := ts.Layers[0].target()
	scheme := level.For(of)
	if quant.IsStored(scheme) {
		return unmatched
	}
	if err := quant.Takes(scheme, of.Rows, of.Cols); err != nil {
		return err.Error()
	}
	return ""
}

// count sets the tallies of s to what a plan without limits changes at a level, and copies.
func (s *RewriteSummary) count(plan *Plan, level quant.Recipe) {
	reasons := map[string]*Reason{}
	for i := range plan.Tensors {
		ts := &plan.Tensors[i]
		text := general(ts.Reason + ts.Kept) // one of them is empty
		if ts.Status == Planned && ts.Layers[0].Quantized {
			if text = left(ts, level); text == "" {
				s.Changed.add(ts)
				continue
			}
			if text != unmatched {
				s.Refused.add(ts)
			}
		}
		if ts.Flag != "" {
			text += "; " + ts.Flag + " adds it"
		}
		s.Copied.add(ts)
		if reasons[text] == nil {
			reasons[text] = &Reason{Text: text}
		}
		reasons[text].add(ts)
	}
	for _, r := range reasons {
		s.Reasons = append(s.Reasons, *r)
	}
	slices.SortFunc(s.Reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(b.Parameters, a.Parameters), cmp.Compare(a.Text, b.Text))
	})
}
