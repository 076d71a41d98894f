package report

import (
	"fmt"
	"math"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/stats"
)

// Interrupted is what is to be said of a run that did not come to its end, before anything
// else.
const Interrupted = "INTERRUPTED: the tables hold what was finished, and changes compare only layers that have both levels"

// Remarks says in sentences what the statistics of the levels do not say by themselves: what
// is not counted in them, and which of them rest on one layer.
func Remarks(res *engine.Result, summaries []stats.Summary) []string {
	var all []string
	if len(summaries) == 0 {
		return all
	}
	first := &summaries[0]
	if n := first.Unquantized; n > 0 {
		all = append(all, fmt.Sprintf("%s not quantized: in the tables, but in none of these numbers", areLayers(n)))
	}
	if first.Short > 0 {
		all = append(all, fmt.Sprintf("spectra of fewer than %d eigenvalues, whose exponents are little more than guesses: %d of %d",
			stats.ShortSpectrum, first.Short, first.Layers-first.Unquantized))
	}
	for i := range summaries {
		if short, name := quant.ShortName(summaries[i].Level), summaries[i].Level.Name(); short != name {
			all = append(all, short+" is "+tail(name, 1000))
		}
		if text := oneLayer(res, &summaries[i], i); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// oneLayer says that the change of a mean is that of one layer by more than half, if it is.
func oneLayer(res *engine.Result, s *stats.Summary, level int) string {
	if s.Largest == nil || level == res.Baseline() || !(math.Abs(s.MeanChange-s.WithoutLargest) > math.Abs(s.MeanChange)/2) {
		return ""
	}
	if math.Abs(s.MeanChange) < 0.005 {
		return "" // half of nothing
	}
	text := fmt.Sprintf("%s: the change of the mean, %s, is %s without %s", quant.ShortName(s.Level), signed(s.MeanChange), signed(s.WithoutLargest),
		checkpoint.Printable(s.Largest.Layer.LongName))
	if other, ok := s.Largest.Undetermined(); ok {
		text += fmt.Sprintf(" (xmin undetermined: %.2f or %.2f)", s.Largest.Get("alpha"), other)
	} else if base := baselineRow(res, s.Largest); base != nil {
		if other, ok := base.Undetermined(); ok {
			text += fmt.Sprintf(" (%.2f; xmin undetermined at %s: %.2f or %.2f)", s.Largest.Get("alpha"), base.Level.Name(), base.Get("alpha"), other)
		}
	}
	return text
}

// baselineRow returns the row of a layer at the baseline.
func baselineRow(res *engine.Result, r *engine.Row) *engine.Row {
	for i := range res.Rows[res.Baseline()] {
		if b := &res.Rows[res.Baseline()][i]; b.Layer.ID == r.Layer.ID {
			return b
		}
	}
	return nil
}

func areLayers(n int) string {
	if n == 1 {
		return "1 layer is"
	}
	return fmt.Sprintf("%d layers are", n)
}
