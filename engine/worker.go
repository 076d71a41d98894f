package engine

import (
	"math"

	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// A worker computes rows, one at a time, in buffers that it keeps.
type worker struct {
	run *run
	ws  spectrum.Workspace
	buf pieces
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
	row := Row{Layer: layer, Level: level}
	spectra := make([]*spectrum.Spectrum, layer.Slices)
	for s := range spectra {
		m := panels{layer: layer, stored: t.tensor.slice(layer, s), q: q, meter: meter, buf: &w.buf}
		spectra[s], err = r.solver.Compute(&w.ws, m.matrix(r.opts))
		if err != nil {
			return *refusedRow(layer, level, FitRefused, err.Error())
		}
	}
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
