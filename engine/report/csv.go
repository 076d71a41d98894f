package report

import (
	"encoding/csv"
	"io"
	"math"
	"strconv"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/stats"
)

// WriteCSV writes a table of rows: a header line, numbers with all their digits. Rows
// that were not reached are left out.
func WriteCSV(w io.Writer, table metric.Table, rows []engine.Row, of *Context) error {
	columns := Columns(table)
	out := csv.NewWriter(w)
	line := make([]string, len(columns))
	for j := range columns {
		line[j] = columns[j].Name
	}
	if err := out.Write(line); err != nil {
		return err
	}
	for i := range rows {
		if rows[i].Status == engine.RowMissing {
			continue
		}
		for j := range columns {
			line[j] = columns[j].Cell(&rows[i], of)
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// Measured reports whether a row has errors of quantization.
func Measured(r *engine.Row) bool { return !math.IsNaN(r.Get("mse")) }

// quantized returns the rows of all levels whose weights were quantized.
func quantized(res *engine.Result) []engine.Row {
	var rows []engine.Row
	for k := range res.Rows {
		for _, r := range res.Rows[k] {
			if Measured(&r) {
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// A comparisonColumn is one column of the comparison of levels.
type comparisonColumn struct {
	name string
	kind metric.Kind
	cell func(s *stats.Summary) any // a string, a float64 or an int
	doc  string
}

// comparison are the columns of the comparison of levels: those of the published
// study, then the correlations with the baseline and the number of failed fits.
var comparison = []comparisonColumn{
	{"quantization", metric.Text, func(s *stats.Summary) any { return quant.ShortName(s.Level) },
		"Name of the level; of rules with more than 40 bytes, map- and a hash."},
	{"num_layers", metric.Count, func(s *stats.Summary) any { return s.Layers },
		"Number of layers that were reached, those that are not quantized too."},
	{"alpha_mean", metric.Number, func(s *stats.Summary) any { return s.Mean },
		"Mean of alpha, over the layers that have one; so are all statistics of alpha here."},
	{"alpha_std", metric.Number, func(s *stats.Summary) any { return s.Std },
		"Standard deviation of alpha, with n-1."},
	{"alpha_min", metric.Number, func(s *stats.Summary) any { return s.Min },
		"Smallest alpha."},
	{"alpha_max", metric.Number, func(s *stats.Summary) any { return s.Max },
		"Largest alpha."},
	{"alpha_median", metric.Number, func(s *stats.Summary) any { return s.Median },
		"Median of alpha."},
	{"layers_below_2", metric.Count, func(s *stats.Summary) any { return s.Below },
		"Number of layers with alpha below 2."},
	{"layers_above_6", metric.Count, func(s *stats.Summary) any { return s.Above },
		"Number of layers with alpha above 6."},
	{"layers_optimal", metric.Count, func(s *stats.Summary) any { return s.Optimal },
		"Number of layers with alpha from 2 to 6."},
	{"alpha_hat", metric.Number, func(s *stats.Summary) any { return s.AlphaHat },
		"Mean of alpha_weighted."},
	{"log_norm_mean", metric.Number, func(s *stats.Summary) any { return s.LogNorm },
		"Mean of log_norm."},
	{"corr_fp16", metric.Number, func(s *stats.Summary) any { return s.Pearson },
		"Pearson's correlation of alpha with that at the baseline, over the layers that have both; there is none for fewer than two, and none where alpha does not vary."},
	{"spearman_fp16", metric.Number, func(s *stats.Summary) any { return s.Spearman },
		"Spearman's rank correlation, of the same numbers."},
	{"num_failed", metric.Count, func(s *stats.Summary) any { return s.Failed },
		"Number of layers without alpha, or with -1 in its place (--compat weightwatcher)."},
	{"num_unquantized", metric.Count, func(s *stats.Summary) any { return s.Unquantized },
		"Number of layers that are not quantized, which are in num_layers and in no other number here."},
	{"num_undetermined", metric.Count, func(s *stats.Summary) any { return s.Undetermined },
		"Number of layers whose alpha might as well be alpha_other: other_gap is below 0.005."},
	{"num_short", metric.Count, func(s *stats.Summary) any { return s.Short },
		"Number of layers with alpha and fewer than 50 eigenvalues."},
	{"num_paired", metric.Count, func(s *stats.Summary) any { return s.Paired },
		"Number of layers with alpha at this level and at the baseline, of which the changes and correlations are."},
	{"mean_change", metric.Number, func(s *stats.Summary) any { return s.MeanChange },
		"Relative change of the mean of alpha from the baseline, over the paired layers."},
	{"median_change", metric.Number, func(s *stats.Summary) any { return s.MedianChange },
		"Median of the relative changes of alpha of the paired layers."},
	{"largest_layer", metric.Text, func(s *stats.Summary) any { return s.LargestName() },
		"The layer that moves mean_change most."},
	{"mean_change_without", metric.Number, func(s *stats.Summary) any { return s.WithoutLargest },
		"mean_change without that layer."},
	{"alpha_hat_median", metric.Number, func(s *stats.Summary) any { return s.AlphaHatMedian },
		"Median of alpha_weighted."},
	{"log_norm_median", metric.Number, func(s *stats.Summary) any { return s.LogNormMedian },
		"Median of log_norm."},
	{"bits_per_weight", metric.Number, func(s *stats.Summary) any { return Known(s.Bits) },
		"Bits that a weight takes on average, over the matrices that the levels quantize, scales and other parameters included."},
	{"checkpoint_bytes", metric.Count, func(s *stats.Summary) any { return int(s.Bytes) },
		"Bytes of all tensors of the checkpoint: those that the level quantizes in their bits, all others as they are stored."},
	{"snr_db_median", metric.Number, func(s *stats.Summary) any { return s.SNR },
		"Median of the signal-to-noise ratios of the layers that the level quantizes, in dB."},
	{"w1_log_median", metric.Number, func(s *stats.Summary) any { return s.Distance },
		"Median of w1_log, the distances of the spectra from those of the baseline."},
	{"coherence_max", metric.Number, func(s *stats.Summary) any { return s.Coherence },
		"Largest coherence of the errors of a layer."},
	{"coherence_layer", metric.Text, func(s *stats.Summary) any { return s.CoherentName() },
		"The layer that has it."},
	{"num_coherent", metric.Count, func(s *stats.Summary) any { return s.Coherent },
		"Number of layers with a coherence above 1.2, whose errors are not like noise."},
	{"tool", metric.Text, func(s *stats.Summary) any { return quant.Tool(s.Level.Name()) },
		"Tool and version whose convention the level follows; empty if it follows none."},
}

// Known returns a number that is 0 if it is not known, NaN for that.
func Known(x float64) float64 {
	if x == 0 {
		return math.NaN()
	}
	return x
}

// ComparisonFields returns the columns of the comparison for one level, by name: strings,
// integers and numbers, which may be NaN or infinite.
func ComparisonFields(s *stats.Summary) map[string]any {
	fields := map[string]any{}
	for _, c := range comparison {
		fields[c.name] = c.cell(s)
	}
	return fields
}

// WriteComparisonCSV writes one line a level.
func WriteComparisonCSV(w io.Writer, summaries []stats.Summary) error {
	out := csv.NewWriter(w)
	line := make([]string, len(comparison))
	for j, c := range comparison {
		line[j] = c.name
	}
	if err := out.Write(line); err != nil {
		return err
	}
	for i := range summaries {
		for j, c := range comparison {
			switch v := c.cell(&summaries[i]).(type) {
			case string:
				line[j] = escape(v)
			case int:
				line[j] = strconv.Itoa(v)
			case float64:
				line[j] = number(v)
			}
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
