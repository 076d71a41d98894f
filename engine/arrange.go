package engine

import (
	"errors"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/weights"
)

// Tools quantize a matrix [outputs, inputs], groups along the inputs. A convolution is one
// such matrix to them, with a row for each output, and so is a tensor that is stored with its
// inputs first once it is turned. Where a scheme has groups, its matrix is made of such
// tensors first, quantized, and taken apart again.

// rearranged reports whether the matrices of a layer are not what a scheme is fitted to.
func rearranged(l *Layer, scheme quant.Scheme) bool {
	return (l.Slices > 1 || l.InputFirst) && quant.Oriented(scheme)
}

// stored is a tensor of a layer as it is stored: the matrix of a stack, or the whole of a
// convolution.
func (l *Layer) stored(matrices []weights.Tensor, data []byte, enc checkpoint.Encoding) *weights.Tensor {
	if l.Slices == 1 {
		return &matrices[l.Index]
	}
	rows, cols := l.Rows, l.Cols*l.Slices
	if l.InputFirst { // [kernel, inputs, outputs]
		rows, cols = l.Slices*l.Rows, l.Cols
	}
	return &weights.Tensor{Data: data, Encoding: enc, Rows: rows, Cols: cols, Bounds: matrices[0].Bounds}
}

// oriented returns the weights of a layer, whose stored form is t, as the matrix [outputs,
// inputs] that a scheme is fitted to, in float32.
func (l *Layer) oriented(t *weights.Tensor) quant.Dense {
	w := quant.Dense{Rows: t.Rows, Cols: t.Cols, W: make([]float32, 0, t.Rows*t.Cols)}
	t.Each(1, func(p quant.Piece) { w.W = append(w.W, p.W...) })
	if l.InputFirst {
		w = turned(w)
	}
	return w
}

// dequantized returns what a scheme makes of the weights of a layer, whose stored form is t,
// in the order in which they are stored: float32 numbers that type out can hold. meter, if not
// nil, returns one that sees all weights. It takes up to 12 bytes of memory for each weight.
func (l *Layer) dequantized(t *weights.Tensor, scheme quant.Scheme, out checkpoint.DType, meter func(quant.Quantizer) *quant.Meter) ([]float32, quant.Quantizer, error) {
	if r := t.Range(); r.Beyond != "" {
		return nil, nil, errors.New(r.Beyond)
	}
	w := l.oriented(t)
	q, err := scheme.Fit(w, out)
	if err != nil {
		return nil, nil, err
	}
	result := quant.Dense{Rows: w.Rows, Cols: w.Cols, W: make([]float32, len(w.W))}
	var m *quant.Meter
	if meter != nil {
		m = meter(q)
	}
	rows := max(1, rowsAtOnce/w.Cols)
	for i := 0; i < w.Rows; i += rows {
		from, to := i*w.Cols, min(i+rows, w.Rows)*w.Cols
		q.Dequantize(result.W[from:to], quant.Piece{W: w.W[from:to], Row: i, Width: w.Cols})
		if m != nil {
			m.Add(w.W[from:to], result.W[from:to])
		}
	}
	if l.InputFirst {
		result = turned(result)
	}
	return result.W, q, nil
}

// rowsAtOnce is about how many weights are dequantized together.
const rowsAtOnce = 1 << 13

// turned returns the transpose of a matrix.
func turned(d quant.Dense) quant.Dense {
	t := quant.Dense{Rows: d.Cols, Cols: d.Rows, W: make([]float32, len(d.W))}
	const block = 32 // rows and columns that are turned together
	for i := 0; i < d.Rows; i += block {
		for j := 0; j < d.Cols; j += block {
			for r := i; r < min(i+block, d.Rows); r++ {
				for c := j; c < min(j+block, d.Cols); c++ {
					t.W[c*t.Cols+r] = d.W[r*d.Cols+c]
				}
			}
		}
	}
	return t
}

// apart returns the matrices of a layer from its weights in the order in which they are
// stored.
func (l *Layer) apart(w []float32) []weights.Tensor {
	data := make([]byte, 4*len(w))
	checkpoint.F32.Encode(data, w)
	if l.Slices > 1 && !l.InputFirst {
		return weights.Slices(data, checkpoint.F32.Encoding(), l.Rows, l.Cols, l.Slices)
	}
	return weights.Matrices(data, checkpoint.F32.Encoding(), l.Rows, l.Cols, l.Slices)
}
