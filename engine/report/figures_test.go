package report

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/plot"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/stats"
)

// plotted returns what figures are drawn from for levels with these exponents, layer by
// layer: norms are twice and three times the exponent.
func plotted(t *testing.T, levels map[string][]float64, order ...string) *plotData {
	t.Helper()
	res := &engine.Result{}
	for _, level := range order {
		recipe, err := quant.Parse(level)
		if err != nil {
			t.Fatal(err)
		}
		var rows []engine.Row
		for i, a := range levels[level] {
			r := engine.Row{Layer: &engine.Layer{Quantized: true, ID: i, LongName: fmt.Sprint("layer", i)}, Level: recipe, Status: engine.RowSuccess, Values: metric.None()}
			r.Set("alpha", a)
			r.Set("log_norm", 2*a)
			r.Set("log_spectral_norm", 3*a)
			rows = append(rows, r)
		}
		res.Levels, res.Rows = append(res.Levels, recipe), append(res.Rows, rows)
	}
	return newPlotData(&data{res: res, summaries: stats.Compare(res)})
}

// panelsOf returns the panels of a figure, row after row, with the axes that are drawn.
func panelsOf(t *testing.T, d *plotData, panels func(*plotData) ([][]*plot.Plot, error)) []*plot.Plot {
	t.Helper()
	rows, err := panels(d)
	if err != nil {
		t.Fatal(err)
	}
	var all []*plot.Plot
	for _, row := range rows {
		for _, p := range row {
			if p != nil {
				settle(&p.X)
				settle(&p.Y)
				all = append(all, p)
			}
		}
	}
	return all
}

// holds fails unless the axis reaches from low to high.
func holds(t *testing.T, what string, a *plot.Axis, low, high float64) {
	t.Helper()
	if !(a.Min <= low && a.Max >= high) {
		t.Errorf("%s: axis from %v to %v, data from %v to %v", what, a.Min, a.Max, low, high)
	}
}

// TestAxes: every level, layer and number lies within the axes of every picture.
func TestAxes(t *testing.T) {
	const levels = 5
	d := plotted(t, map[string][]float64{
		"fp16": {1.5, 2, 3, 4.25, 2.5}, "8bit": {0.5, 2, 3, 4, 2.5}, "4bit": {1.5, 2, 3, 9.75, 2.5},
		"3bit": {2.5, 2.25, 3, 4, 8}, "2bit": {3, 3, 3.5, 4, 4.5},
	}, "fp16", "8bit", "4bit", "3bit", "2bit")
	const low, high = 0.5, 9.75

	for i, p := range panelsOf(t, d, alphaDistributions) {
		holds(t, fmt.Sprintf("distribution %d, alpha", i), &p.X, low, high)
		// All levels share the axes: the narrowest has its five layers in few bars.
		holds(t, fmt.Sprintf("distribution %d, layers", i), &p.Y, 0, 2)
		if p.Title.Text != d.levels[i].level.Name() {
			t.Errorf("distribution %d is called %q", i, p.Title.Text)
		}
	}
	for _, p := range panelsOf(t, d, alphaBoxes) {
		// Boxes are 30 points wide, half a level at most.
		holds(t, "boxes, levels", &p.X, -0.5, levels-0.5)
		holds(t, "boxes, alpha", &p.Y, low, high)
	}
	for _, p := range panelsOf(t, d, layerwiseAlpha) {
		holds(t, "layers", &p.X, 0, 4)
		holds(t, "layers, alpha", &p.Y, low, high)
	}
	for i, p := range panelsOf(t, d, normComparison) {
		holds(t, fmt.Sprintf("norms %d, levels", i), &p.X, -0.5, levels-0.5)
		holds(t, fmt.Sprintf("norms %d", i), &p.Y, float64(i+2)*low, float64(i+2)*high)
	}
	statistics := panelsOf(t, d, alphaStatistics)
	if len(statistics) != 4 {
		t.Fatalf("%d panels of statistics", len(statistics))
	}
	mean, std := 0.0, 0.0
	for _, s := range d.summaries {
		mean, std = max(mean, s.Mean), max(std, s.Std)
	}
	for i, top := range []float64{mean, std, 100, high} {
		p := statistics[i]
		holds(t, p.Title.Text+", levels", &p.X, -0.5, levels-0.5)
		bottom := 0.0 // bars
		if i == 3 {
			bottom = low
		}
		holds(t, p.Title.Text, &p.Y, bottom, top)
	}
	for _, panels := range []func(*plotData) ([][]*plot.Plot, error){alphaBoxes, alphaStatistics, normComparison} {
		for _, p := range panelsOf(t, d, panels) {
			ticks := p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max)
			for i, tick := range ticks {
				if tick.Value != float64(i) || tick.Label != d.levels[i].level.Name() {
					t.Errorf("%s: mark %d is %+v", p.Title.Text, i, tick)
				}
			}
			if len(ticks) != levels {
				t.Errorf("%s: %d marks", p.Title.Text, len(ticks))
			}
		}
	}
}

// TestOutlier: one exponent far from all others does not push them together, and is not
// the end of the axis.
func TestOutlier(t *testing.T) {
	alphas := make([]float64, 60)
	for i := range alphas {
		alphas[i] = 2 + float64(i%7)/4
	}
	alphas[30] = 1e4
	for _, p := range panelsOf(t, plotted(t, map[string][]float64{"fp16": alphas}, "fp16"), alphaDistributions) {
		holds(t, "distribution", &p.X, 2, 3.5)
		if p.X.Max > 100 {
			t.Errorf("the axis ends at %v", p.X.Max)
		}
	}
}

// TestBars: the bars of a histogram begin at lo, follow each other without a gap, and
// have the counts for their heights.
func TestBars(t *testing.T) {
	const lo, width = 1.5, 0.25
	counts := []float64{3, 0, 7, 1}
	b := bars(counts, lo, width)
	if len(b) != len(counts) {
		t.Fatalf("%d bars", len(b))
	}
	for k, n := range counts {
		if want := lo + float64(k)*width; math.Abs(b[k].Min-want) > 1e-12 || math.Abs(b[k].Max-want-width) > 1e-12 || b[k].Weight != n {
			t.Errorf("bar %d: %+v, want %v from %v", k, b[k], n, want)
		}
	}
}
