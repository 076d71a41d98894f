package report

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/stats"
	"github.com/wwq-fast/wwq-fast/internal/mem"
)

// announced are the changes of the mean exponent that the published study of linear
// layers announced, in percent of the fp16 level: from low to high, high being infinite
// where only a lower bound was given.
var announced = map[string]struct{ low, high float64 }{
	"8bit": {1, 5},
	"4bit": {5, 15},
	"2bit": {20, math.Inf(1)},
}

// A printer writes the lines of a text report.
type printer struct{ out *bufio.Writer }

// line writes a line. Strings, which may come from files, are quoted if a terminal would
// not show them as one harmless line.
func (p printer) line(format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok && s != "" {
			args[i] = checkpoint.Printable(s)
		}
	}
	fmt.Fprintf(p.out, format+"\n", args...)
}

func (p printer) section(title string) { p.line("\n%s\n%s", title, strings.Repeat("-", 80)) }

// writeText writes the analysis report: the summary of each level, the comparison
// with the baseline, how it was computed and what was left out.
func writeText(w io.Writer, d *data) error {
	p := printer{bufio.NewWriter(w)}
	rule := strings.Repeat("=", 80)
	p.line("%s", rule)
	p.line("QUANTIZATION AND WEIGHT SPECTRA")
	p.line("%s", rule)
	p.line("Model: %s", d.opts.Model)
	if d.res.Interrupted {
		p.line("%s.", Interrupted)
	}
	if left := d.res.LeftOut().String(); left != "" {
		p.line("Left out: %s.", left)
	}
	if d.opts.Compat {
		p.line("Failed fits are written and averaged as -1, as WeightWatcher does (--compat weightwatcher).")
	}
	p.section("SUMMARY STATISTICS")
	for i := range d.summaries {
		p.summary(&d.summaries[i], d.opts.Compat)
	}
	if base := d.res.Baseline(); base >= 0 {
		p.section("CHANGES FROM " + strings.ToUpper(d.res.Levels[base].Name()))
	} else {
		p.section("CHANGES")
	}
	p.comparison(d)
	p.bySize(d)
	p.section("HOW IT WAS COMPUTED")
	p.provenance(d.res)
	p.section("TENSORS")
	p.tensors(d)
	p.line("\n%s", rule)
	return p.out.Flush()
}

func (p printer) summary(s *stats.Summary, compat bool) {
	p.line("\n%s", s.Level.Name())
	if tool := quant.Tool(s.Level.Name()); tool != "" {
		p.line("  follows           %s", tool)
	}
	p.line("  layers            %d", s.Layers)
	if s.Unquantized > 0 {
		p.line("  not quantized     %d (in none of these numbers)", s.Unquantized)
	}
	if s.Failed > 0 && compat {
		p.line("  failed fits       %d (counted as -1)", s.Failed)
	} else if s.Failed > 0 {
		p.line("  without exponent  %d (in no mean; reasons in the warning column)", s.Failed)
	}
	p.line("  mean alpha        %s", fixed(s.Mean))
	p.line("  standard dev.     %s", fixed(s.Std))
	p.line("  median            %s", fixed(s.Median))
	p.line("  range             %s to %s", fixed(s.Min), fixed(s.Max))
	p.line("  2 <= alpha <= 6   %d (%s)", s.Optimal, percent(s.Optimal, s.Layers-s.Unquantized))
	p.line("  alpha < 2         %d", s.Below)
	p.line("  alpha > 6         %d", s.Above)
	p.line("  alpha-hat         %s (median %s)", fixed(s.AlphaHat), fixed(s.AlphaHatMedian))
	if s.Undetermined > 0 {
		p.line("  undetermined      %d (another tail fits as well, see warning)", s.Undetermined)
	}
	if s.Short > 0 {
		p.line("  short spectra     %d (fewer than %d eigenvalues)", s.Short, stats.ShortSpectrum)
	}
}

func (p printer) comparison(d *data) {
	base := d.res.Baseline()
	if base < 0 {
		p.line("No level that quantizes nothing was analysed, and none was named: there is no baseline.")
		return
	}
	p.line("%-10s %6s %12s %12s %10s %10s  %s", "level", "layers", "mean", "median", "Pearson", "Spearman", "announced change of the mean")
	for i := range d.summaries {
		s := &d.summaries[i]
		if i == base {
			continue
		}
		p.line("%-10s %6d %12s %12s %10s %10s  %s", quant.ShortName(s.Level), s.Paired, signed(s.MeanChange), signed(s.MedianChange),
			fixed(s.Pearson), fixed(s.Spearman), expectation(s))
	}
	p.line("\nlayers: those that are quantized and have an exponent at both levels; mean: relative change")
	p.line("of the mean of these; median: of their relative changes; correlations of the exponents. The")
	p.line("announced changes are those of the published study of per-tensor rounding. No uncertainty is")
	p.line("attached to the changes; a few large exponents move a mean, not a median.")
	for _, remark := range Remarks(d.res, d.summaries) {
		p.line("\n%s.", remark)
	}
}

// sameSize is the ratio of bits above which two levels stand in one group.
const sameSize = 0.92

// bySize writes what the levels do to the weights and the spectra, from more bits to fewer, those
// of about one size together, if some level is of a scheme with scales of its own.
func (p printer) bySize(d *data) {
	if !slices.ContainsFunc(d.res.Levels, func(r quant.Recipe) bool { return !quant.IsPlain(r) }) {
		return
	}
	p.section("SCHEMES BY SIZE")
	p.line("%-28s %6s %10s %7s %9s %9s %11s %11s", "level", "bits", "size", "SNR dB", "coherence", "w1_log", "mean change", "med. change")
	size := 0.0
	for i := range d.summaries {
		s := &d.summaries[i]
		if i > 0 && s.Bits < sameSize*size {
			p.line("")
		}
		if i == 0 || s.Bits < sameSize*size {
			size = s.Bits
		}
		mean, median := signed(s.MeanChange), signed(s.MedianChange)
		if i == d.res.Baseline() {
			mean, median = "-", "-"
		}
		p.line("%-28s %6.4g %10s %7s %9s %9s %11s %11s", quant.Label(s.Level), s.Bits, mem.Text(s.Bytes), decimals(s.SNR, 1), decimals(s.Coherence, 2),
			decimals(s.Distance, 4), mean, median)
	}
	p.line("\nbits: of a weight, with scales; size: of the whole checkpoint; SNR: median over layers;")
	p.line("coherence: largest of a layer, about 1 where errors are like noise; w1_log: median distance of")
	p.line("the spectra from those of the baseline; changes: of alpha, as above.")
}

// decimals formats a number that may not exist.
func decimals(x float64, n int) string {
	if math.IsNaN(x) {
		return "-"
	}
	return fmt.Sprintf("%.*f", n, x)
}

// expectation says what change was announced for a level and whether the measured one
// lies in that range.
func expectation(s *stats.Summary) string {
	band, ok := announced[s.Level.Name()]
	if !ok {
		return "-"
	}
	text := fmt.Sprintf("%g to %g %%", band.low, band.high)
	if math.IsInf(band.high, 1) {
		text = fmt.Sprintf("above %g %%", band.low)
	}
	if math.IsNaN(s.MeanChange) {
		return text
	}
	change := math.Abs(s.MeanChange) * 100
	within := change >= band.low && change <= band.high
	if math.IsInf(band.high, 1) {
		within = change > band.low
	}
	if within {
		return text + ": found"
	}
	return fmt.Sprintf("%s: not found (%.2f %%)", text, change)
}

func fixed(x float64) string { return decimals(x, 3) }

// Change formats a relative change in percent.
func Change(x float64) string {
	text := fmt.Sprintf("%+.2f %%", 100*x)
	if text == "-0.00 %" || text == "+0.00 %" {
		return "0.00 %"
	}
	return text
}

func signed(x float64) string {
	if math.IsNaN(x) {
		return "-"
	}
	return Change(x)
}

func percent(n, of int) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of))
}
