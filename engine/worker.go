package engine

import (
	"math"

	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// A worker computes rows, one at a time, in buffers that it keeps.
type worker struct {
	run      *run
	ws       spectrum.Workspace
	original []float32
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
	return spectrum.Matrix{
		Rows: l.Rows,
		Cols: l.Cols,
		Fill: func(dst []float32, first, count, pass int) {
			if cap(w.original) < len(dst) {
				w.original = make([]float32, len(dst))
			}
			original := w.original[:len(dst)]
			if l.Rows >= l.Cols {
				quant.Decode(original, stored[first*l.Cols*size:][:count*l.Cols*size], l.DType)
			} else {
				for i := range l.Rows {
					quant.Decode(original[i*count:][:count], stored[(i*l.Cols+first)*size:][:count*size], l.DType)
				}
			}
			q.Apply(dst, original)
			if pass == 0 && l.Quantized {
				meter.Add(original, dst)
			}
		},
	}
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
