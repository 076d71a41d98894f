package engine

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/engine/weights"
)

// A worker computes rows, one at a time, in buffers that it keeps.
type worker struct {
	run      *run
	ws       spectrum.Workspace
	buf      weights.Buffers
	residual weights.Residual
}

// compute returns the row of a task: quantize and dequantize, spectrum, metrics.
func (w *worker) compute(t task) Row {
	started := time.Now()
	row := w.analyse(t)
	row.SHA256 = t.tensor.sha256
	row.Seconds = time.Since(started).Seconds()
	row.Bytes = t.tensor.status.Size + w.ws.Bytes() + w.residual.Bytes() + weights.BufferBytes
	return row
}

func (w *worker) analyse(t task) Row {
	r := w.run
	layer := &t.tensor.status.Layers[t.layer]
	level := r.opts.unquantized()
	bound := level
	if t.level != allLevels {
		level, bound = r.levels[t.level], r.bound[t.level]
	}
	matrices := t.tensor.of(layer)
	scheme := bound.For(layer.target())
	out := r.opts.outType(bound, layer)
	if rearranged(layer, scheme) {
		return w.analyseRearranged(t, level, scheme, out)
	}
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
			if !level.Reference() {
				view.Residual = &w.residual
			}
		}
		sp, err := r.solver.Compute(&w.ws, weights.Matrix(&matrices[i], view, &w.buf))
		if err != nil {
			return refusedRow(layer, level, RowRefused, err.Error())
		}
		measured[i] = metric.Matrix{Spectrum: sp, Weights: &matrices[i], Quantizer: q, Coherence: coherence(view.Residual)}
	}
	return w.measure(t, level, scheme, measured, view.Meter)
}

// coherence returns that of the errors of a matrix, NaN if none were kept.
func coherence(r *weights.Residual) float64 {
	if r == nil {
		return math.NaN()
	}
	return r.Coherence()
}

// analyseRearranged analyses a layer whose matrices are not what the scheme is fitted to.
func (w *worker) analyseRearranged(t task, level quant.Recipe, scheme quant.Scheme, out checkpoint.DType) Row {
	layer := &t.tensor.status.Layers[t.layer]
	stored := layer.stored(t.tensor.matrices, t.tensor.data, t.tensor.status.Encoding)
	dequantized, q, err := layer.dequantized(stored, scheme, out)
	if err != nil {
		return refusedRow(layer, level, RowRefused, err.Error())
	}
	view := weights.View{Meter: quant.NewMeter(q), Residual: &w.residual}
	matrices := t.tensor.of(layer)
	measured := make([]metric.Matrix, len(matrices))
	for i := range matrices {
		view.Quantizer = layer.part(dequantized, i)
		sp, err := w.run.solver.Compute(&w.ws, weights.Matrix(&matrices[i], view, &w.buf))
		if err != nil {
			return refusedRow(layer, level, RowRefused, err.Error())
		}
		measured[i] = metric.Matrix{Spectrum: sp, Weights: &matrices[i], Quantizer: q, Coherence: coherence(view.Residual)}
	}
	return w.measure(t, level, scheme, measured, view.Meter)
}

// measure returns the row of a task whose spectra are there.
func (w *worker) measure(t task, level quant.Recipe, scheme quant.Scheme, measured []metric.Matrix, meter *quant.Meter) Row {
	r := w.run
	layer := &t.tensor.status.Layers[t.layer]
	in := metric.NewInput(measured, layer.scale())
	if meter != nil {
		e := meter.Errors()
		in.Errors = &e
	}
	in.Baseline = t.baseline(in)
	values, finding := r.measure(in)
	row := Row{Layer: layer, Level: level, Status: RowStatus(finding.Fit), Reason: finding.Reason, Values: values}
	row.Bits, row.Note = bitsOf(scheme, layer)
	if layer.Quantized && !quant.IsStored(scheme) {
		row.Scheme = scheme.Name()
	}
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
		return l.Bits, note
	}
	if l.InputFirst && quant.Oriented(scheme) {
		note = strings.TrimPrefix(note+", ", ", ") + "rows of a matrix that is stored [inputs, outputs]"
	}
	of := l.target()
	return scheme.BitsPerWeight(of.Rows, of.Cols), note
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
