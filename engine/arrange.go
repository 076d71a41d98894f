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

// dequantized returns what a scheme makes of the weights of a layer, whose stored form is t, as
// the matrix [outputs, inputs]: float32 numbers that type out can hold. It takes up to 12 bytes
// of memory for each weight.
func (l *Layer) dequantized(t *weights.Tensor, scheme quant.Scheme, out checkpoint.DType) (quant.Dense, quant.Quantizer, error) {
	if r := t.Range(); r.Beyond != "" {
		return quant.Dense{}, nil, errors.New(r.Beyond)
	}
	w := l.oriented(t)
	q, err := scheme.Fit(w, out)
	if err != nil {
		return quant.Dense{}, nil, err
	}
	result := quant.Dense{Rows: w.Rows, Cols: w.Cols, W: make([]float32, len(w.W))}
	rows := max(1, rowsAtOnce/w.Cols)
	for i := 0; i < w.Rows; i += rows {
		from, to := i*w.Cols, min(i+rows, w.Rows)*w.Cols
		q.Dequantize(result.W[from:to], quant.Piece{W: w.W[from:to], Row: i, Width: w.Cols})
	}
	return result, q, nil
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

// asStored returns the weights of a matrix [outputs, inputs] of a layer in the order in which
// they are stored.
func (l *Layer) asStored(d quant.Dense) []float32 {
	if l.InputFirst {
		return turned(d).W
	}
	return d.W
}

// An excerpt is a quantizer that knows what becomes of a matrix, a part of another one: the value of
// (row, col) is at first + row*byRow + col*byCol of w.
type excerpt struct {
	w                   []float32
	first, byRow, byCol int
}

// part returns the quantizer of matrix i of a layer, of which the matrix [outputs, inputs] is d.
func (l *Layer) part(d quant.Dense, i int) quant.Quantizer {
	if l.InputFirst { // stored [kernel, inputs, outputs]
		return excerpt{d.W, i * l.Rows, 1, d.Cols}
	}
	return excerpt{d.W, i, l.Cols * l.Slices, l.Slices}
}

// Dequantize copies the values of the places of p.
func (q excerpt) Dequantize(dst []float32, p quant.Piece) {
	p.EachRow(func(row, col, at, n int) {
		from := q.first + row*q.byRow + col*q.byCol
		for i := range n {
			dst[at+i] = q.w[from+i*q.byCol]
		}
	})
}
