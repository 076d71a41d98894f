package report

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/stats"
)

// TestExpectation: a change is within the announced range at its limits, too, in either
// direction; where only a lower bound was announced, above it.
func TestExpectation(t *testing.T) {
	for _, tc := range []struct {
		level  string
		change float64
		want   string
	}{
		{"8bit", 0.01, "1 to 5 %: found"}, {"8bit", -0.05, "1 to 5 %: found"},
		{"8bit", 0.0099, "1 to 5 %: not found (0.99 %)"}, {"8bit", 0.0501, "1 to 5 %: not found (5.01 %)"},
		{"4bit", 0.15, "5 to 15 %: found"}, {"2bit", 0.21, "above 20 %: found"},
		{"2bit", -0.2, "above 20 %: not found (20.00 %)"}, {"3bit", 0.1, "-"}, {"4bit-asym", 0.1, "-"},
	} {
		level, err := quant.Parse(tc.level)
		if err != nil {
			t.Fatal(err)
		}
		if got := expectation(&stats.Summary{Level: level, MeanChange: tc.change}); got != tc.want {
			t.Errorf("%s, %v: %q, want %q", tc.level, tc.change, got, tc.want)
		}
	}
}

// TestEmptyLevel: a level of which no row was reached has no table; those behind it have.
func TestEmptyLevel(t *testing.T) {
	levels, err := quant.ParseList("fp16,8bit,4bit")
	if err != nil {
		t.Fatal(err)
	}
	res := &engine.Result{Levels: levels}
	for k, level := range levels {
		r := engine.Row{Layer: &engine.Layer{Rows: 2, Cols: 2, Slices: 1}, Level: level, Status: engine.RowSuccess, Values: metric.None()}
		if k == 1 {
			r.Status = engine.RowMissing
		}
		res.Rows = append(res.Rows, []engine.Row{r})
	}
	var names []string
	if _, err := Render(res, Options{}, func(name string, _ func(io.Writer) error) error {
		names = append(names, name)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"metrics/results_fp16.csv", "metrics/results_4bit.csv", "metrics/quantization_errors.csv",
		"metrics/quantization_comparison.csv", "analysis_report.txt",
	}
	if !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
}

// TestPictureFails: the error of one picture is that of all outputs, and no file of it is
// added.
func TestPictureFails(t *testing.T) {
	saved := figures
	defer func() { figures = saved }()
	broken := errors.New("broken")
	figures = append(slices.Clone(saved[:1]), figure{"b.png", 1, 1, func(*plotData) ([][]*plot.Plot, error) { return nil, broken }})
	res := &engine.Result{Levels: []quant.Recipe{quant.FP16}, Rows: [][]engine.Row{{}}}
	_, err := Render(res, Options{Plots: true}, func(name string, _ func(io.Writer) error) error {
		if strings.HasSuffix(name, ".png") {
			t.Errorf("%s is added", name)
		}
		return nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// TestLargestError: the report tells the largest error of the sum of eigenvalues, wherever
// it stands, of rows that have a spectrum.
func TestLargestError(t *testing.T) {
	res := &engine.Result{Levels: []quant.Recipe{quant.FP16}, Rows: [][]engine.Row{{}}}
	for i, e := range []float64{1e-13, 3e-13, 2e-13, 9e-13} {
		r := engine.Row{Layer: &engine.Layer{ID: i}, Level: quant.FP16, Status: engine.RowSuccess, Values: metric.None(), TraceError: e}
		if i == 3 {
			r.Status = engine.RowRefused
		}
		res.Rows[0] = append(res.Rows[0], r)
	}
	var b bytes.Buffer
	if err := writeText(&b, &data{res: res, failed: failed(res), summaries: stats.Compare(res)}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "largest relative error 3.0e-13\n") || !strings.Contains(b.String(), "3 layer-levels") {
		t.Errorf("%s", &b)
	}
}
