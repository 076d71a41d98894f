package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/report"
	"github.com/wwq-fast/wwq-fast/engine/stats"
)

func newTable(t *cli.Terminal) table.Writer {
	w := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	style.Options.DrawBorder = false
	style.Options.SeparateColumns = false
	if t.Color {
		style.Color.Header = text.Colors{text.Bold}
	}
	w.SetStyle(style)
	return w
}

// printComparison prints one line a level, and one on the run.
func printComparison(t *cli.Terminal, summaries []stats.Summary, res *engine.Result) error {
	if res.Interrupted {
		if _, err := fmt.Fprintln(t.Out, report.Interrupted); err != nil {
			return err
		}
	}
	w := newTable(t)
	w.AppendHeader(table.Row{"level", "layers", "failed", "mean α", "std", "median", "min", "max", "change", "med. change", "xmin?", "α<2", "2–6", "α>6", "α̂", "corr.", "rank corr."})
	var right []table.ColumnConfig
	for i := 2; i <= 17; i++ {
		right = append(right, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	w.SetColumnConfigs(right)
	for i := range summaries {
		s := &summaries[i]
		change, median := "–", "–"
		if i != res.Baseline() {
			change, median = changeCell(s.MeanChange), changeCell(s.MedianChange)
		}
		w.AppendRow(table.Row{
			s.Level.Name(), s.Layers, s.Failed, cell(s.Mean), cell(s.Std), cell(s.Median), cell(s.Min), cell(s.Max),
			change, median, s.Undetermined, s.Below, s.Optimal, s.Above, cell(s.AlphaHat), cell(s.Pearson), cell(s.Spearman),
		})
	}
	if _, err := fmt.Fprintln(t.Out, w.Render()); err != nil {
		return err
	}
	for _, remark := range report.Remarks(res, summaries) {
		if _, err := fmt.Fprintln(t.Out, cli.OneLine(remark)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(t.Out, "%d tensors: %d analysed, %d refused, %d skipped; %.2f s on %d threads, eigenvalues by %s%s\n",
		len(res.Tensors), res.Count(engine.Analysed), res.Count(engine.Refused), res.Count(engine.Skipped),
		res.Elapsed.Seconds(), res.Threads, cli.OneLine(res.Env.LAPACK), cli.OneLine(kernels(&res.Env)))
	return err
}

func kernels(e *engine.Environment) string {
	if e.Library.Core == "" {
		return ""
	}
	return fmt.Sprintf(" (%s, %s kernels)", e.Library.Library, e.Library.Core)
}

// changeCell formats a relative change, which may not exist.
func changeCell(x float64) string {
	if math.IsNaN(x) {
		return "–"
	}
	return fmt.Sprintf("%+.2f %%", 100*x)
}

func cell(x float64) string { return numberCell("%.3f", x) }

// numberCell formats a number, which may not exist.
func numberCell(format string, x float64) string {
	if math.IsNaN(x) {
		return "–"
	}
	return fmt.Sprintf(format, x)
}

// jsonLines writes one object a line. Numbers that do not exist are null, infinite ones
// the strings inf and -inf.
type jsonLines struct {
	enc *json.Encoder
	err error
}

func newJSONLines(w io.Writer) *jsonLines {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &jsonLines{enc: enc}
}

func (j *jsonLines) line(kind string, fields map[string]any) {
	if j.err != nil {
		return
	}
	fields["type"], fields["v"] = kind, 1
	for k, v := range fields {
		if x, ok := v.(float64); ok {
			fields[k] = report.JSONNumber(x)
		}
	}
	j.err = j.enc.Encode(fields)
}

// layer writes a row: the columns of its tables.
func (j *jsonLines) layer(r *engine.Row, of *report.Context) {
	fields := report.Fields(metric.Results, r, of)
	if report.Measured(r) {
		maps.Copy(fields, report.Fields(metric.Errors, r, of))
	}
	j.line("layer", fields)
}

func (j *jsonLines) tensor(t *engine.TensorStatus) {
	j.line("tensor", map[string]any{
		"name": t.Name, "dtype": t.StoredType(), "shape": append([]int{}, t.Shape...), "file": t.File,
		"layer_type": t.Type, "status": t.Status, "reason": t.Reason, "layers": len(t.Layers),
		"kind": t.Kind, "quantized": t.Quantized(), "not_quantized_reason": cmp.Or(t.Kept, t.Reason),
	})
}

func (j *jsonLines) summaries(summaries []stats.Summary) {
	for i := range summaries {
		j.line("comparison", report.ComparisonFields(&summaries[i]))
	}
}

func printSummariesJSON(w io.Writer, summaries []stats.Summary) error {
	j := newJSONLines(w)
	j.summaries(summaries)
	j.line("summary", map[string]any{"levels": len(summaries)})
	return j.err
}

func printPlanJSON(w io.Writer, plan *engine.Plan) error {
	j := newJSONLines(w)
	layers := 0
	for i := range plan.Tensors {
		j.tensor(&plan.Tensors[i])
		layers += len(plan.Tensors[i].Layers)
	}
	j.line("summary", map[string]any{
		"tensors": len(plan.Tensors), "layers": layers,
		"threads": runtime.GOMAXPROCS(0), "memory_bytes": plan.PeakBytes(runtime.GOMAXPROCS(0)),
	})
	return j.err
}
