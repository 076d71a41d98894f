package report

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// expected are the changes of the mean exponent that the published study of
// linear layers announced, in percent of the fp16 level.
var expected = map[int]string{8: "1 to 5 %", 4: "5 to 15 %", 2: "above 20 %"}

// WriteText writes the analysis report: the summary of each level, the comparison
// with fp16, and, where the result of the run is at hand, how it was computed and
// what was left out. res is nil when the tables come from CSV files.
func WriteText(w io.Writer, tables []Table, summaries []Summary, res *engine.Result, compat bool) error {
	out := bufio.NewWriter(w)
	p := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }
	rule := strings.Repeat("=", 80)
	section := func(title string) { p("\n%s\n%s", title, strings.Repeat("-", 80)) }

	p("%s\nQUANTIZATION AND WEIGHT SPECTRA\n%s", rule, rule)
	if len(tables) > 0 {
		p("Model: %s", checkpoint.Printable(tables[0].Model))
	}
	if compat {
		p("Failed fits are written and averaged as -1, as WeightWatcher does (--compat weightwatcher).")
	}

	section("SUMMARY STATISTICS")
	for i := range summaries {
		s := &summaries[i]
		p("\n%s", s.Level)
		p("  layers            %d", s.Layers)
		if s.Failed > 0 && compat {
			p("  failed fits       %d (counted as -1)", s.Failed)
		} else if s.Failed > 0 {
			p("  without exponent  %d (in no mean; reasons in the warning column)", s.Failed)
		}
		p("  mean alpha        %s", fixed(s.Mean))
		p("  standard dev.     %s", fixed(s.Std))
		p("  median            %s", fixed(s.Median))
		p("  range             %s to %s", fixed(s.Min), fixed(s.Max))
		p("  2 <= alpha <= 6   %d (%s)", s.Optimal, percent(s.Optimal, s.Layers))
		p("  alpha < 2         %d", s.Below)
		p("  alpha > 6         %d", s.Above)
		p("  alpha-hat         %s", fixed(s.AlphaHat))
	}

	section("COMPARISON TO FP16 BASELINE")
	if base := baseline(summaries); base == nil {
		p("The fp16 level was not analysed: there is no baseline.")
	} else {
		p("%-10s %12s %12s %12s %10s %10s  %s", "level", "mean", "median", "change", "Pearson", "Spearman", "expected change of the mean")
		for i := range summaries {
			s := &summaries[i]
			if s == base {
				continue
			}
			want := "-"
			if e := expected[s.Level.Bits]; e != "" && s.Level.Scheme == quant.Symmetric {
				want = e + verdict(s)
			}
			p("%-10s %12s %12s %12s %10s %10s  %s", s.Level, signed(s.MeanChange), signed(s.MedianChange),
				fixed(s.Mean-base.Mean), fixed(s.Pearson), fixed(s.Spearman), want)
		}
		p("\nmean, median: relative change of the mean and the median of alpha; change: of the mean,")
		p("absolute; correlations of alpha over layers, joined by name. The expected ranges are")
		p("those that the published study announced for per-tensor rounding. No uncertainty")
		p("is attached to these changes; a few large exponents move a mean, not a median.")
	}
	if res != nil {
		provenance(p, section, res)
	}
	p("\n%s", rule)
	return out.Flush()
}

func provenance(p func(string, ...any), section func(string), res *engine.Result) {
	section("HOW IT WAS COMPUTED")
	e := &res.Env
	p("wwq-fast %s, %s, %s/%s", e.Version, e.Go, e.OS, e.Arch)
	p("eigenvalues: backend %s; Gram matrix: backend %s; precision %s", e.LAPACK, e.BLAS,
		cmp.Or(res.Options.Precision, spectrum.Double))
	p("Gram matrices of weights that are a step times whole numbers are summed in integers.")
	library := e.Library.Library
	if e.Library.Core != "" {
		library += ", kernels " + e.Library.Core
	}
	p("C library: %s", library)
	if res.Options.Reproducible {
		p("reproducible: the same on every x86-64 processor with AVX2, for this version and C library")
	}
	svd, deficient, eigen, rows, trace := 0, 0, 0, 0, 0.0
	for k := range res.Rows {
		for i := range res.Rows[k] {
			r := &res.Rows[k][i]
			if !r.Computed() {
				continue
			}
			rows++
			trace = math.Max(trace, r.TraceError)
			switch r.Method {
			case spectrum.SVD:
				svd++
			case spectrum.GramRank:
				deficient++
			case spectrum.Eigen32:
				eigen++
			}
		}
	}
	p("%d layer-levels in %.2f s; %d rank-deficient, the rank found modulo a prime; %d by singular values",
		rows, res.Elapsed.Seconds(), deficient, svd)
	if eigen > 0 {
		p("%d with eigenvalues in float32, of full rank beyond their error (--precision single)", eigen)
	}
	p("check: sum of eigenvalues against squared Frobenius norm, largest relative error %.1e", trace)
	if res.Interrupted {
		p("The run was INTERRUPTED: tables hold what was finished.")
	}
	for _, w := range res.Warnings {
		p("note: %s", w)
	}

	section("TENSORS")
	p("%d in the checkpoint: %d analysed, %d refused, %d skipped", len(res.Tensors),
		res.Count(engine.Analysed), res.Count(engine.Refused), res.Count(engine.Skipped))
	kept := 0
	for i := range res.Tensors {
		for j := range res.Tensors[i].Layers {
			if !res.Tensors[i].Layers[j].Quantized {
				kept++
			}
		}
	}
	if kept > 0 {
		p("%d layers are embeddings, not quantized: the same at every level", kept)
	}
	for _, status := range []engine.Status{engine.Refused, engine.Planned} {
		for i := range res.Tensors {
			if t := &res.Tensors[i]; t.Status == status {
				p("  %s %s: %s", status, checkpoint.Printable(t.Name), t.Reason)
			}
		}
	}
	skipped := map[string]int{}
	var reasons []string
	for i := range res.Tensors {
		if t := &res.Tensors[i]; t.Status == engine.Skipped {
			if skipped[t.Reason] == 0 {
				reasons = append(reasons, t.Reason)
			}
			skipped[t.Reason]++
		}
	}
	for _, r := range reasons {
		p("  skipped %d: %s", skipped[r], checkpoint.Printable(r))
	}
	for k, level := range res.Levels {
		for i := range res.Rows[k] {
			r := &res.Rows[k][i]
			if r.Status == engine.FitFailed || r.Status == engine.FitDegenerate {
				p("  no exponent at %s for %s: %s", level, checkpoint.Printable(r.Layer.LongName), r.Reason)
			}
		}
	}
}

// verdict says whether the measured change lies in the expected range.
func verdict(s *Summary) string {
	c := math.Abs(s.MeanChange) * 100
	in := false
	switch s.Level.Bits {
	case 8:
		in = c >= 1 && c <= 5
	case 4:
		in = c >= 5 && c <= 15
	case 2:
		in = c > 20
	}
	if in {
		return " (within)"
	}
	return fmt.Sprintf(" (outside: %.2f %%)", c)
}

func baseline(summaries []Summary) *Summary {
	for i := range summaries {
		if summaries[i].Level == quant.FP16 {
			return &summaries[i]
		}
	}
	return nil
}

func fixed(x float64) string {
	if math.IsNaN(x) {
		return "-"
	}
	return fmt.Sprintf("%.3f", x)
}

func signed(x float64) string {
	if math.IsNaN(x) {
		return "-"
	}
	return fmt.Sprintf("%+.2f %%", 100*x)
}

func percent(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of))
}
