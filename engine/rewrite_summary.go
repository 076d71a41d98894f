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

// count sets the tallies of s to what a plan without limits changes at a level, and copies.
func (s *RewriteSummary) count(plan *Plan, level quant.Recipe) {
	reasons := map[string]*Reason{}
	for i := range plan.Tensors {
		ts := &plan.Tensors[i]
		text := general(ts.Reason + ts.Kept) // one of them is empty
		if ts.Status == Planned && ts.Layers[0].Quantized {
			if !quant.IsStored(level.For(ts.Layers[0].target())) {
				s.Changed.add(ts)
				continue
			}
			text = "no rule matches it"
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
