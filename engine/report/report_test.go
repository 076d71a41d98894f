package report_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/open"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/report"
	"github.com/wwq-fast/wwq-fast/engine/stats"
)

var analysed = sync.OnceValues(func() (*engine.Result, error) {
	src, _, err := open.Open("../../examples/gosrc-lm", open.Options{})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	opts := engine.DefaultOptions()
	opts.Levels, _ = quant.ParseList(engine.DefaultLevels + ",4bit-asym")
	return engine.Analyze(context.Background(), src, opts)
})

func sample(t *testing.T) *engine.Result {
	t.Helper()
	res, err := analysed()
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestComparisonAgainstStudy holds the comparison table to the one that the
// study's Python makes from WeightWatcher's results.
func TestComparisonAgainstStudy(t *testing.T) {
	dir := t.TempDir()
	if _, err := report.Write(dir, sample(t), report.Options{Model: "m", Compat: true}); err != nil {
		t.Fatal(err)
	}
	got := readCSV(t, filepath.Join(dir, "metrics", "quantization_comparison.csv"))
	want := readCSV(t, "../testdata/gosrc-lm/quantization_comparison.csv")
	byLevel := map[string][]string{}
	for _, row := range got[1:] {
		byLevel[strings.ReplaceAll(row[0], "-", "_")] = row
	}
	for _, w := range want[1:] {
		g := byLevel[w[0]]
		if g == nil {
			t.Errorf("no level %s", w[0])
			continue
		}
		for i, name := range want[0][1:] {
			j := slices.Index(got[0], name)
			if j < 0 {
				t.Fatalf("no column %s", name)
			}
			a, _ := strconv.ParseFloat(g[j], 64)
			b, _ := strconv.ParseFloat(w[i+1], 64)
			if math.Abs(a-b) > 1e-8*math.Max(1, math.Abs(b)) {
				t.Errorf("%s: %s = %s, the study has %s", w[0], name, g[j], w[i+1])
			}
		}
	}
}

// TestColumns checks names and order against WeightWatcher's own file, and that a
// script that reads one reads the other: what else there is stands behind its columns.
func TestColumns(t *testing.T) {
	dir := t.TempDir()
	if _, err := report.Write(dir, sample(t), report.Options{Model: "m"}); err != nil {
		t.Fatal(err)
	}
	got := readCSV(t, filepath.Join(dir, "metrics", "results_4bit.csv"))
	want := readCSV(t, "../testdata/gosrc-lm/results_4bit.csv")
	header := slices.Concat(want[0], []string{"model_name", "quantization", "timestamp"})
	if len(got[0]) < len(header) || !slices.Equal(got[0][:len(header)], header) {
		t.Errorf("columns\n%v, want\n%v", got[0], header)
	}
	if len(got) != len(want) {
		t.Errorf("%d rows, want %d", len(got)-1, len(want)-1)
	}
	for _, row := range got[1:] {
		for i, name := range got[0][:32] {
			if row[i] == "" && name != "warning" {
				t.Errorf("%s: %s is empty", row[1], name)
			}
		}
	}
}

// row returns a row of a layer called name.
func row(name string, change func(*engine.Row)) engine.Row {
	r := engine.Row{
		Layer: &engine.Layer{LongName: name, Type: engine.Dense, Rows: 20, Cols: 30, Slices: 1, Quantized: true},
		Level: quant.FP16, Status: engine.RowSuccess, Values: metric.None(),
	}
	r.Set("alpha", 3)
	r.Set("alpha_weighted", 6)
	r.Set("spectral_norm", 100)
	if change != nil {
		change(&r)
	}
	return r
}

func without(status engine.RowStatus, reason string) func(*engine.Row) {
	return func(r *engine.Row) {
		r.Status, r.Reason = status, reason
		r.Set("alpha", math.NaN())
		r.Set("alpha_weighted", math.NaN())
	}
}

// TestFailedFits: a failed fit is an empty cell with a reason and in no mean; in
// compat mode it is -1 everywhere.
func TestFailedFits(t *testing.T) {
	res := &engine.Result{
		Levels: []quant.Recipe{quant.FP16},
		Rows:   [][]engine.Row{{row("a", nil), row("b", without(engine.RowFailed, "too few")), row("c", without(engine.RowDegenerate, "equal"))}},
	}
	s := stats.Compare(res)[0]
	if s.Layers != 3 || s.Failed != 2 || s.Mean != 3 || s.Below != 0 || s.Optimal != 1 {
		t.Errorf("summary %+v", s)
	}
	compat := report.Compatible(res)
	s = stats.Compare(compat)[0]
	if s.Layers != 3 || s.Failed != 1 || !math.IsInf(s.Mean, 1) || s.Below != 1 || s.Min != -1 {
		t.Errorf("compat summary %+v", s)
	}
	cells := func(res *engine.Result) func(r int, name string) string {
		var b bytes.Buffer
		if err := report.WriteCSV(&b, metric.Results, res.Rows[0], &report.Context{}); err != nil {
			t.Fatal(err)
		}
		rows, _ := csv.NewReader(&b).ReadAll()
		return func(r int, name string) string { return rows[r][slices.Index(rows[0], name)] }
	}
	at := cells(res)
	if at(2, "alpha") != "" || at(2, "warning") != "too few" || at(2, "status") != "failed" {
		t.Errorf("failed row: %q, %q, %q", at(2, "alpha"), at(2, "warning"), at(2, "status"))
	}
	at = cells(compat)
	if at(2, "alpha") != "-1" || at(2, "warning") != "over-trained" || at(2, "num_pl_spikes") != "-1" || at(2, "alpha_weighted") != "-2" {
		t.Errorf("failed row in compat: %q, %q", at(2, "alpha"), at(2, "warning"))
	}
	if at(3, "alpha") != "inf" || at(3, "warning") != "under-trained" || at(3, "status") != "success" {
		t.Errorf("degenerate row in compat: %q, %q, %q", at(3, "alpha"), at(3, "warning"), at(3, "status"))
	}
}

// TestFormulas: names that a spreadsheet would run are disarmed, whatever they begin with.
func TestFormulas(t *testing.T) {
	for _, first := range []string{"=", "+", "-", "@", "\t", "\r"} {
		var b bytes.Buffer
		if err := report.WriteCSV(&b, metric.Results, []engine.Row{row(first+"cmd()", nil)}, &report.Context{Model: first + "m"}); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, cell := range rows[1] {
			if strings.HasPrefix(cell, first) {
				t.Errorf("%q begins with %q", cell, first)
			}
		}
	}
}

// TestPictures draws all pictures of odd studies: they must be images, whatever
// is missing.
func TestPictures(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	// study returns a result with these exponents, level by level.
	study := func(levels []string, alphas ...[]float64) *engine.Result {
		res := &engine.Result{}
		for k, level := range levels {
			res.Levels = append(res.Levels, recipe(level))
			var rows []engine.Row
			for i, a := range alphas[k] {
				rows = append(rows, row(strconv.Itoa(i), func(r *engine.Row) {
					r.Layer.ID = i
					for _, name := range []string{"alpha", "alpha_weighted", "log_norm", "log_spectral_norm"} {
						r.Set(name, a)
					}
				}))
			}
			res.Rows = append(res.Rows, rows)
		}
		return res
	}
	many, exponents := []string{"fp16"}, [][]float64{{nan, nan}}
	for bits := 2; bits <= 12; bits++ {
		many, exponents = append(many, strconv.Itoa(bits)), append(exponents, []float64{2, float64(bits)})
	}
	for name, res := range map[string]*engine.Result{
		"one level":   study([]string{"4"}, []float64{2, 3}),
		"one layer":   study([]string{"fp16", "4"}, []float64{2}, []float64{3}),
		"no layer":    study([]string{"fp16", "4"}, nil, nil),
		"all failed":  study([]string{"fp16"}, []float64{nan, nan}),
		"infinite":    study([]string{"fp16"}, []float64{inf, -1, 1e6}),
		"many levels": study(many, exponents...),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := report.Write(dir, res, report.Options{Model: "m", Plots: true}); err != nil {
				t.Fatal(err)
			}
			names := files(t, filepath.Join(dir, "plots"))
			for _, f := range names {
				data, err := os.ReadFile(filepath.Join(dir, "plots", f))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := png.DecodeConfig(bytes.NewReader(data)); err != nil {
					t.Errorf("%s: %v", f, err)
				}
			}
			if len(names) != 5 {
				t.Errorf("pictures %q", names)
			}
		})
	}
}
