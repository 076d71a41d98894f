package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

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
	all = append(all, sentences(noImatrix(summaries), coherent(summaries))...)
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

// sentences returns those that are not empty.
func sentences(all ...string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// noImatrix names the levels that follow ggml without an importance matrix.
func noImatrix(summaries []stats.Summary) string {
	var names []string
	for i := range summaries {
		if quant.NoImatrix(summaries[i].Level) {
			names = append(names, quant.ShortName(summaries[i].Level))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "no imatrix: " + strings.Join(names, ", ") + "; most published files of these types are made with an importance matrix, and have other values"
}

// coherent names the levels at which errors of some layers are not like noise.
func coherent(summaries []stats.Summary) string {
	var levels []string
	for i := range summaries {
		s := &summaries[i]
		if s.Coherent == 0 {
			continue
		}
		of := ""
		if s.Coherent > 1 {
			of = fmt.Sprintf("%d layers, most ", s.Coherent)
		}
		levels = append(levels, fmt.Sprintf("%s %s%s (%.2f)", quant.ShortName(s.Level), of, checkpoint.Printable(s.CoherentName()), s.Coherence))
	}
	if len(levels) == 0 {
		return ""
	}
	return fmt.Sprintf("errors with directions of their own (coherence above %g): %s", stats.CoherentErrors, strings.Join(levels, "; "))
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
