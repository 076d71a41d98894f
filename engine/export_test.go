package engine

import (
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/engine/weights"
)

// MeasureForTest returns the row of a layer whose weights are w, slice after
// slice, as they are: no level changes them.
func MeasureForTest(w []float32, rows, cols, slices int, typ LayerType) (*Row, error) {
	l := &Layer{Type: typ, Rows: rows, Cols: cols, Slices: slices}
	var measured []metric.Matrix
	for s := range slices {
		part := w[s*rows*cols:][:rows*cols]
		sp, err := spectrum.Of(rows, cols, part)
		if err != nil {
			return nil, err
		}
		t := &weights.Tensor{Data: make([]byte, 4*len(part)), Encoding: checkpoint.F32.Encoding(), Rows: rows, Cols: cols}
		checkpoint.F32.Encode(t.Data, part)
		measured = append(measured, metric.Matrix{Spectrum: sp, Weights: t})
	}
	in := metric.NewInput(measured, l.scale())
	values, finding := metric.Measure(in)
	row := &Row{Layer: l, Status: RowStatus(finding.Fit), Reason: finding.Reason, Values: values, Eigenvalues: in.Eigenvalues}
	row.Method, row.TraceError = provenance(measured)
	return row, nil
}

// WithMetric has one metric in the place of those of package metric, and asks for the
// baseline.
func WithMetric(o *Options, measure func(in *metric.Input) ([]float64, metric.Finding)) {
	o.measure = measure
}

// WithFloatGram has every Gram matrix summed in float64.
func WithFloatGram(o *Options) { o.floatGram = true }
