package engine

import (
	"math"

	"github.com/wwq-fast/wwq-fast/cblas/intgram"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// A worker computes rows, one at a time, in buffers that it keeps.
type worker struct {
	run *run
	ws  spectrum.Workspace
	// Panels: the weights as stored, and dequantized where the spectrum is of codes.
	original, dequantized []float32
}

func newWorker(r *run) *worker { return &worker{run: r} }

// compute returns the row of a task: quantize and dequantize, spectrum, metrics.
func (w *worker) compute(t task) Row {
	r := w.run
	layer := &r.plan.Tensors[t.tensor.index].Layers[t.layer]
	level := quant.FP16
	if t.level != allLevels {
		level = r.levels[t.level]
	}
	q, err := quant.New(level, t.tensor.rng, r.opts.outType(layer))
	if err != nil {
		return *refusedRow(layer, level, FitRefused, err.Error())
	}
	meter := quant.NewErrorMeter(q)
	spectra := make([]*spectrum.Spectrum, layer.Slices)
	for s := range spectra {
		spectra[s], err = r.solver.Compute(&w.ws, w.matrix(t.tensor, layer, s, q, meter))
		if err != nil {
			return *refusedRow(layer, level, FitRefused, err.Error())
		}
	}
	row := Row{Layer: layer, Level: level}
	row.measure(spectra)
	if !r.opts.KeepEigenvalues {
		row.Eigenvalues = nil
	}
	if layer.Quantized {
		row.Errors = meter.Errors()
		row.Scale = float64(q.Scale())
	}
	return row
}

// matrix returns slice s of a layer as the quantizer leaves it. The meter sees
// every weight once.
func (w *worker) matrix(t *loaded, l *Layer, s int, q *quant.Quantizer, meter *quant.ErrorMeter) spectrum.Matrix {
	size := l.DType.Bits() / 8
	stored := t.data[(l.first+s)*l.Rows*l.Cols*size:][:l.Rows*l.Cols*size]
	// panel decodes a panel into w.original.
	panel := func(first, count int) []float32 {
		n := count * l.M()
		if cap(w.original) < n {
			w.original = make([]float32, n)
		}
		original := w.original[:n]
		if l.Rows >= l.Cols {
			quant.Decode(original, stored[first*l.Cols*size:][:n*size], l.DType)
		} else {
			for i := range l.Rows {
				quant.Decode(original[i*count:][:count], stored[(i*l.Cols+first)*size:][:count*size], l.DType)
			}
		}
		return original
	}
	m := spectrum.Matrix{
		Rows: l.Rows,
		Cols: l.Cols,
		Fill: func(dst []float32, first, count, pass int) {
			original := panel(first, count)
			q.Apply(dst, original)
			if pass == 0 && l.Quantized {
				meter.Add(original, dst)
			}
		},
	}
	step, qmax, ok := q.Integers()
	if !ok || !l.Quantized || !w.run.opts.integerGram() {
		return m
	}
	m.Integers = &spectrum.Integers{Step: step, Max: qmax, Fill: func(dst []int8, first, count, pass int) {
		original := panel(first, count)
		if pass == 0 {
			if cap(w.dequantized) < len(original) {
				w.dequantized = make([]float32, len(original))
			}
			dequantized := w.dequantized[:len(original)]
			q.Apply(dequantized, original)
			meter.Add(original, dequantized)
		}
		intgram.Quantize(dst, original, q.Scale(), float32(qmax))
	}}
	return m
}

// refusedRow returns a row without metrics.
func refusedRow(l *Layer, level quant.Level, status FitStatus, reason string) *Row {
	nan := math.NaN()
	return &Row{
		Layer: l, Level: level, Status: status, Reason: reason,
		Alpha: nan, D: nan, Sigma: nan, XMin: nan, XMax: nan, AlphaWeighted: nan, LogAlphaNorm: nan,
		Norm: nan, LogNorm: nan, SpectralNorm: nan, LogSpectralNorm: nan, StableRank: nan, Entropy: nan,
		SVMax: nan, SVMin: nan, Runner: nan, RunnerAlpha: nan,
	}
}
