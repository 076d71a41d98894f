package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/report"
	"github.com/wwq-fast/wwq-fast/engine/stats"
	"github.com/wwq-fast/wwq-fast/internal/mem"
	"github.com/wwq-fast/wwq-fast/internal/plainjson"
)

// printComparison prints one line a level, and two on the run.
func printComparison(t *cli.Terminal, summaries []stats.Summary, res *engine.Result) error {
	if res.Interrupted {
		if _, err := fmt.Fprintln(t.Out, t.Wrap(report.Interrupted)); err != nil {
			return err
		}
	}
	// Of levels whose names say their bits, these are left out first.
	sizes := 11
	if slices.ContainsFunc(res.Levels, func(l quant.Recipe) bool { return !quant.IsPlain(l) }) {
		sizes = 1
	}
	failed := 2
	if slices.ContainsFunc(summaries, func(s stats.Summary) bool { return s.Failed > 0 }) {
		failed = 0
	}
	w := t.NewTable(
		cli.Column{Head: "level"},
		cli.Column{Head: "bits", Right: true, Spare: sizes},
		cli.Column{Head: "size", Right: true, Spare: sizes},
		cli.Column{Head: "SNR dB", Right: true, Spare: sizes},
		cli.Column{Head: "coh.", Right: true, Spare: sizes},
		cli.Column{Head: "w1", Right: true, Spare: sizes},
		cli.Column{Head: "layers", Right: true, Spare: 2},
		cli.Column{Head: "failed", Right: true, Spare: failed},
		cli.Column{Head: "mean α", Right: true},
		cli.Column{Head: "std", Right: true, Spare: 5},
		cli.Column{Head: "median", Right: true},
		cli.Column{Head: "min", Right: true, Spare: 6},
		cli.Column{Head: "max", Right: true, Spare: 6},
		cli.Column{Head: "change", Right: true},
		cli.Column{Head: "med. change", Right: true, Spare: 4},
		cli.Column{Head: "xmin?", Right: true, Spare: 5},
		cli.Column{Head: "α<2", Right: true, Spare: 3},
		cli.Column{Head: "2–6", Right: true, Spare: 3},
		cli.Column{Head: "α>6", Right: true, Spare: 3},
		cli.Column{Head: "α̂", Right: true, Spare: 10},
		cli.Column{Head: "corr.", Right: true, Spare: 8},
		cli.Column{Head: "rank corr.", Right: true, Spare: 9},
	)
	for i := range summaries {
		s := &summaries[i]
		change, median := "–", "–"
		if i != res.Baseline() {
			change, median = changeCell(s.MeanChange), changeCell(s.MedianChange)
		}
		w.Row(
			quant.ShortName(s.Level), numberCell("%.4g", report.Known(s.Bits)), mem.Text(s.Bytes), numberCell("%.1f", s.SNR), numberCell("%.2f", s.Coherence), numberCell("%.3f", s.Distance), s.Layers, s.Failed, cell(s.Mean), cell(s.Std), cell(s.Median), cell(s.Min), cell(s.Max),
			change, median, s.Undetermined, s.Below, s.Optimal, s.Above, cell(s.AlphaHat), cell(s.Pearson), cell(s.Spearman),
		)
	}
	if _, err := fmt.Fprintln(t.Out, w.Render()); err != nil {
		return err
	}
	for _, remark := range report.Remarks(res, summaries) {
		if _, err := fmt.Fprintln(t.Out, t.Wrap(cli.OneLine(remark))); err != nil {
			return err
		}
	}
	counts := fmt.Sprintf("%d tensors: %d analysed, %d refused, %d skipped",
		len(res.Tensors), res.Count(engine.Analysed), res.Count(engine.Refused), res.Count(engine.Skipped))
	if n := res.Count(engine.Planned); n > 0 {
		counts += fmt.Sprintf(", %d not reached", n)
	}
	if _, err := fmt.Fprintln(t.Out, t.Wrap(counts)); err != nil || res.Env.LAPACK == "" {
		return err // a process that was killed has left no word on how it computed
	}
	_, err := fmt.Fprintln(t.Out, t.Wrap(fmt.Sprintf("%.2f s on %d threads, eigenvalues by %s%s",
		res.Elapsed.Seconds(), res.Threads, cli.OneLine(res.Env.LAPACK), cli.OneLine(kernels(&res.Env)))))
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
	return report.Change(x)
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
	enc := json.NewEncoder(plainjson.Writer{W: w})
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
