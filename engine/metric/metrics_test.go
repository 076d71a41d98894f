package metric

import (
	"math"
	"slices"
	"testing"
)

// TestTable: a metric has its own places among the values, whatever stands before it; a
// metric that fits nothing does not change what the fit has found; and the table asks for
// the baseline if one metric does.
func TestTable(t *testing.T) {
	saved, savedColumns, savedIndex := metrics, columns, index
	defer func() { metrics, columns, index = saved, savedColumns, savedIndex }()
	of := func(finding Finding, values ...float64) Metric {
		return Metric{Columns: make([]Column, len(values)+1), Measure: func(dst []float64, _ *Input) Finding {
			copy(dst, values)
			return finding
		}}
	}
	a, b, c := of(Finding{}, 1, 2), of(Finding{FitFailed, "too few"}, 3), of(Finding{}, 4)
	metrics = []*Metric{&a, &b, &c}
	columns, index = collect()
	values, finding := Measure(&Input{})
	want := []float64{1, 2, -1, 3, -1, 4, -1}
	for i, x := range values {
		if math.IsNaN(x) {
			values[i] = -1 // no metric gives it
		}
	}
	if !slices.Equal(values, want) || finding != (Finding{FitFailed, "too few"}) {
		t.Errorf("values %v, finding %+v", values, finding)
	}
	if Relative() {
		t.Error("a metric is relative")
	}
	metrics = []*Metric{&a, &c}
	if columns, index = collect(); len(columns) != 5 {
		t.Errorf("%d columns", len(columns))
	}
	if _, finding := Measure(&Input{}); finding != (Finding{Fit: FitSuccess}) {
		t.Errorf("without a fit: %+v", finding)
	}
	c.Relative = true
	if !Relative() {
		t.Error("no metric is relative")
	}
}
