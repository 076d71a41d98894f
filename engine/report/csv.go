package report

import (
	"encoding/csv"
	"io"
	"strconv"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/metric"
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

// quantized returns the rows of all levels whose weights were quantized.
func quantized(res *engine.Result) []engine.Row {
	var rows []engine.Row
	for k := range res.Rows {
		for _, r := range res.Rows[k] {
			if r.Computed() && r.Layer.Quantized {
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// comparison are the columns of the comparison of levels: those of the published
// study, then the correlations with the baseline and the number of failed fits.
var comparison = []struct {
	name string
	cell func(s *stats.Summary) any // a string, a float64 or an int
}{
	{"quantization", func(s *stats.Summary) any { return s.Level.Name() }},
	{"num_layers", func(s *stats.Summary) any { return s.Layers }},
	{"alpha_mean", func(s *stats.Summary) any { return s.Mean }},
	{"alpha_std", func(s *stats.Summary) any { return s.Std }},
	{"alpha_min", func(s *stats.Summary) any { return s.Min }},
	{"alpha_max", func(s *stats.Summary) any { return s.Max }},
	{"alpha_median", func(s *stats.Summary) any { return s.Median }},
	{"layers_below_2", func(s *stats.Summary) any { return s.Below }},
	{"layers_above_6", func(s *stats.Summary) any { return s.Above }},
	{"layers_optimal", func(s *stats.Summary) any { return s.Optimal }},
	{"alpha_hat", func(s *stats.Summary) any { return s.AlphaHat }},
	{"log_norm_mean", func(s *stats.Summary) any { return s.LogNorm }},
	{"corr_fp16", func(s *stats.Summary) any { return s.Pearson }},
	{"spearman_fp16", func(s *stats.Summary) any { return s.Spearman }},
	{"num_failed", func(s *stats.Summary) any { return s.Failed }},
}

// ComparisonFields returns the columns of the comparison for one level, by name: strings,
// integers and numbers, which may be NaN or infinite.
func ComparisonFields(s *stats.Summary) map[string]any {
	fields := map[string]any{"mean_change": s.MeanChange}
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
				line[j] = v
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
