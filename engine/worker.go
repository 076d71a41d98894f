package engine

import (
	"slices"
	"time"

	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/engine/weights"
)

// A worker computes rows, one at a time, in buffers that it keeps.
type worker struct {
	run *run
	ws  spectrum.Workspace
	buf weights.Buffers
}

// compute returns the row of a task: quantize and dequantize, spectrum, metrics.
func (w *worker) compute(t task) Row {
	started := time.Now()
	row := w.analyse(t)
	row.SHA256 = t.tensor.sha256
	row.Seconds = time.Since(started).Seconds()
	row.Bytes = t.tensor.status.Size + w.ws.Bytes() + weights.BufferBytes
	return row
}

func (w *worker) analyse(t task) Row {
	r := w.run
	layer := &t.tensor.status.Layers[t.layer]
	level := r.opts.unquantized()
	if t.level != allLevels {
		level = r.levels[t.level]
	}
	matrices := t.tensor.of(layer)
	scheme := level.For(layer.target())
	out := r.opts.outType(level, layer)
	view := weights.View{Align: scheme.Granularity().Align(), Float: r.opts.floatGram || r.opts.Compat && out.Bits() >= 32}
	measured := make([]metric.Matrix, len(matrices))
	// Each matrix is fitted by itself. What all of the tensor shares is its range.
	for i := range matrices {
		q, err := scheme.Fit(&matrices[i], out)
		if err != nil {
			return refusedRow(layer, level, RowRefused, err.Error())
		}
		view.Quantizer = q
		if layer.Quantized && view.Meter == nil && level != quant.Stored {
			view.Meter = quant.NewMeter(q)
		}
		sp, err := r.solver.Compute(&w.ws, weights.Matrix(&matrices[i], view, &w.buf))
		if err != nil {
			return refusedRow(layer, level, RowRefused, err.Error())
		}
		measured[i] = metric.Matrix{Spectrum: sp, Weights: &matrices[i], Quantizer: q}
	}
	in := metric.NewInput(measured, layer.scale())
	if view.Meter != nil {
		e := view.Meter.Errors()
		in.Errors = &e
	}
	in.Baseline = t.baseline(in)
	values, finding := r.measure(in)
	row := Row{Layer: layer, Level: level, Status: RowStatus(finding.Fit), Reason: finding.Reason, Values: values}
	row.Bits, row.Note = bitsOf(scheme, layer)
	row.Method, row.TraceError = provenance(measured)
	if r.opts.KeepEigenvalues {
		row.Eigenvalues = in.Eigenvalues
	}
	return row
}

// bitsOf returns how many bits a weight of a layer takes by a scheme, and what the scheme says
// of the layer.
func bitsOf(scheme quant.Scheme, l *Layer) (bits float64, note string) {
	if n, ok := scheme.(interface{ Note() string }); ok {
		note = n.Note()
	}
	if quant.IsStored(scheme) || !l.Quantized {
		return float64(l.DType.Bits()), note
	}
	return scheme.BitsPerWeight(l.Rows, l.Cols*l.Slices), note
}

// efforts are the methods of spectra, from the one that needs least to the one that needs
// most.
var efforts = []spectrum.Method{spectrum.GramFloat32, spectrum.Gram, spectrum.GramRank, spectrum.SVD}

// provenance returns the method of the matrix that needed most, and the largest error of
// the sum of eigenvalues.
func provenance(matrices []metric.Matrix) (method spectrum.Method, traceError float64) {
	most := 0
	for _, m := range matrices {
		most = max(most, slices.Index(efforts, m.Spectrum.Method))
		traceError = max(traceError, m.Spectrum.TraceError)
	}
	return efforts[most], traceError
}
