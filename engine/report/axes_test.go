package report

import (
	"image/color"
	"math"
	"slices"
	"strconv"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
)

// labels returns the labels of marks.
func labels(ticks []plot.Tick) []string {
	var all []string
	for _, t := range ticks {
		if t.Label != "" {
			all = append(all, t.Label)
		}
	}
	return all
}

func TestTicks(t *testing.T) {
	for _, tc := range []struct {
		ticker    plot.Ticker
		low, high float64
		want      []string
	}{
		{niceTicks{}, 0, 1, []string{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"}},
		{niceTicks{}, -0.3, 0.31, []string{"-0.3", "-0.2", "-0.1", "0.0", "0.1", "0.2", "0.3"}},
		{niceTicks{}, 1.4, 9.1, []string{"2", "3", "4", "5", "6", "7", "8", "9"}},
		{niceTicks{}, 0, 115, []string{"0", "20", "40", "60", "80", "100"}},
		{niceTicks{whole: true}, -0.5, 1.5, []string{"0", "1"}},
		{niceTicks{whole: true}, -0.5, 11999.5, []string{"0", "2000", "4000", "6000", "8000", "10000"}},
		{logTicks{}, 1.5, 60, []string{"2", "5", "10", "20", "50"}},
		{logTicks{few: true}, 1, 3000, []string{"1", "10", "100", "1000"}},
		{logTicks{}, 0.05, 5e4, []string{"0.1", "1", "10", "100", "1000", "10000"}},
		{niceTicks{}, 1, 1, nil}, {niceTicks{}, 0, math.Inf(1), nil}, {niceTicks{}, math.NaN(), 1, nil},
		{logTicks{}, 0, 1, nil}, {logTicks{}, 1, math.Inf(1), nil},
	} {
		if got := labels(tc.ticker.Ticks(tc.low, tc.high)); !slices.Equal(got, tc.want) {
			t.Errorf("%#v from %v to %v: %q, want %q", tc.ticker, tc.low, tc.high, got, tc.want)
		}
	}
	for low := -1e3; low < 1e3; low += 37.3 {
		for _, width := range []float64{1e-9, 0.013, 7, 1e4, 1e15, 1e300} {
			ticks := niceTicks{}.Ticks(low, low+width)
			if len(ticks) > mostTicks+1 || len(ticks) < 2 && width > 1e-3 {
				t.Errorf("from %v, %v wide: %d marks", low, width, len(ticks))
			}
			for _, m := range ticks {
				if x, err := strconv.ParseFloat(m.Label, 64); err != nil || width < 1e5 && math.Abs(x-m.Value) > width/100 {
					t.Errorf("from %v, %v wide: %v is called %q", low, width, m.Value, m.Label)
				}
			}
		}
	}
}

// TestLogarithmic: an axis is logarithmic where one level flattens the others, and never
// with numbers that have no logarithm.
func TestLogarithmic(t *testing.T) {
	for _, tc := range []struct {
		groups [][]float64
		want   bool
	}{
		{[][]float64{{2, 3, 4}, {2, 4, 6}}, false},
		{[][]float64{{2, 3, 4}, {2, 3, 4}, {2000, 3000, 4000}}, true},
		{[][]float64{{2, 3, 4}, {2, 3, 4e9}}, true},
		{[][]float64{{2, 3, 4}, {-1, 3, 4e9}}, false},
		{[][]float64{{2000, 3000}, {2000, 3000}}, false},
		{[][]float64{{2, 3}, {math.Inf(1), math.NaN()}}, false},
		{nil, false}, {[][]float64{{}}, false},
	} {
		var a plot.Axis
		if got := logarithmic(&a, tc.groups...); got != tc.want || (a.Scale == plot.LogScale{}) != tc.want {
			t.Errorf("%v: %v", tc.groups, got)
		}
	}
}

// TestColors: colours of levels grow lighter, are all distinct, and the baseline is grey.
func TestColors(t *testing.T) {
	d := newPlotData(synthetic(1, "fp16,16bit,8bit,8bit-asym,7bit,6bit,5bit,4bit,4bit-asym,3bit,2bit", plain(1)))
	last := 0.0
	for i := range d.levels {
		r, g, b, _ := d.color(i).RGBA()
		if i == 0 {
			if r != g || g != b {
				t.Error("the baseline is not grey")
			}
			continue
		}
		light := color.GrayModel.Convert(d.color(i)).(color.Gray).Y
		if float64(light) <= last {
			t.Errorf("%s is not lighter than the level before: %v, %v", d.levels[i].level.Name(), light, last)
		}
		last = float64(light)
	}
}

// TestApart: of many outliers those that can be told apart remain, the ends among them.
func TestApart(t *testing.T) {
	values := make(plotter.Values, 20000)
	indices := make([]int, len(values))
	for i := range values {
		values[i], indices[i] = float64(i*7919%20000), i
	}
	kept := apart(indices, values)
	low, high := math.Inf(1), 0.0
	for _, i := range kept {
		low, high = min(low, values[i]), max(high, values[i])
	}
	if len(kept) > 302 || low != 0 || high != 19999 {
		t.Errorf("%d kept, from %v to %v", len(kept), low, high)
	}
	if few := indices[:200]; len(apart(few, values)) != 200 {
		t.Error("few are thinned out")
	}
}

// TestRuns: of many layers runs are drawn, without gaps but for those that have no
// exponent at all.
func TestRuns(t *testing.T) {
	d := newPlotData(synthetic(12000, "fp16,4bit", func(level, layer int) float64 {
		if layer >= 6000 && layer < 6200 {
			return math.NaN()
		}
		return 2 + float64(level)
	}))
	p := plot.New()
	l := d.line(1, 50)
	p.Add(l)
	points := 0
	for _, part := range l.parts {
		points += len(part.middle)
		for i := range part.middle {
			if part.low[i].Y != 3 || part.middle[i].Y != 3 || part.high[i].Y != 3 {
				t.Fatalf("%+v", part)
			}
		}
	}
	if len(l.parts) != 2 || points != 236 || l.points {
		t.Errorf("%d parts, %d points", len(l.parts), points)
	}
	if x := l.parts[0].middle[0].X; x != 24.5 {
		t.Errorf("the first run is drawn at %v", x)
	}
}
