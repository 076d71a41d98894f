// Package weights reads stored tensors as matrices of weights: the one place where
// bytes become numbers, and numbers dequantized ones.
//
// A [Tensor] is the stored form of one matrix in memory. [Tensor.Each] walks over its
// weights in pieces that fit into the first-level cache, so that decoding, quantizing,
// measuring and converting a piece find in cache what the step before left there.
// [Matrix] is the same walk in the form that package spectrum reads: panel by panel,
// dequantized on the way. No dequantized copy of a tensor exists.
package weights

import (
	"fmt"
	"math"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// pieceLength is how many weights go through all steps together: 32 KiB in float32.
const pieceLength = 1 << 13

// A Tensor is one matrix of stored weights, row after row. It is safe for concurrent
// use as long as nobody writes to its bytes. Blocks of the encoding may cross from one
// row into the next; the last one may be longer than the matrix.
type Tensor struct {
	Data       []byte
	Encoding   checkpoint.Encoding
	Rows, Cols int
	// Bounds is the range of all weights, if known: Range returns it without a walk.
	Bounds *quant.Range

	first int // index of the first weight of the matrix among those of Data
}

// Dims returns the dimensions of the matrix.
func (t *Tensor) Dims() (rows, cols int) { return t.Rows, t.Cols }

// Range returns the range of all weights, which it finds in one walk unless Bounds is
// set. Weights that float32 cannot hold, but float64 can, are finite.
func (t *Tensor) Range() quant.Range {
	if t.Bounds != nil {
		return *t.Bounds
	}
	if enc, ok := t.Encoding.(checkpoint.WideEncoding); ok {
		return t.wideRange(enc)
	}
	var r quant.Range
	first := true
	t.Each(1, func(p quant.Piece) {
		if part := quant.RangeOf(p.W); first {
			r, first = part, false
		} else {
			r = r.Union(part)
		}
	})
	return r
}

// wideRange is Range for float64 weights.
func (t *Tensor) wideRange(enc checkpoint.WideEncoding) quant.Range {
	_, size := enc.Block() // of one weight: a wide encoding is a plain type
	buf := make([]float64, min(pieceLength, t.Rows*t.Cols))
	var r quant.Range
	low, high := math.Inf(1), math.Inf(-1)
	for at := 0; at < t.Rows*t.Cols; at += len(buf) {
		part := buf[:min(len(buf), t.Rows*t.Cols-at)]
		enc.DecodeWide(part, t.Data[(t.first+at)*size:][:len(part)*size])
		for _, v := range part {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				r.NonFinite++
				continue
			}
			low, high = min(low, v), max(high, v)
		}
	}
	if low > high {
		return r
	}
	r.Min, r.Max = float32(low), float32(high)
	switch most := max(-low, high); {
	case math.IsInf(float64(r.Min), 0) || math.IsInf(float64(r.Max), 0):
		r.Beyond = fmt.Sprintf("the largest weight, %g, is beyond float32, in which weights are quantized", most)
	case most > 0 && most < smallestFloat32:
		r.Beyond = fmt.Sprintf("the largest weight, %g, is below float32, in which weights are quantized", most)
	}
	return r
}

// smallestFloat32 is the smallest number that float32 holds with all its digits.
const smallestFloat32 = 0x1p-126

// Each decodes the matrix and calls f for each piece, in row-major order. Rows are cut
// at multiples of align columns only. f may write to the weights of the piece but not
// keep them. It allocates one piece, 32 KiB unless align is larger.
func (t *Tensor) Each(align int, f func(p quant.Piece)) {
	w := walk{t: t, align: align}
	w.panel(0, t.Rows, 0, t.Cols, f)
}

// A walk goes over panels of a tensor, with a buffer that it keeps from panel to panel.
type walk struct {
	t      *Tensor
	align  int // columns at whose multiples a row may be cut
	buf    []float32
	blocks []float32 // whole blocks, of which a piece is a part
}

// panel calls f for the pieces of rows×cols weights from (row, col) on.
func (w *walk) panel(row, rows, col, cols int, f func(p quant.Piece)) {
	perBlock, _ := w.t.Encoding.Block()
	step := lcm(max(1, w.align), perBlock)
	length := max(pieceLength/step, 1) * step
	if len(w.buf) < length {
		w.buf = make([]float32, length)
	}
	// Sums of errors are taken piece by piece, so their last digits depend on where pieces
	// end: in wide matrices it is the same for a panel and for the whole.
	if cols == w.t.Cols && cols <= w.t.Rows && cols%step == 0 {
		w.run(row, rows*cols, length, f)
		return
	}
	w.rows(row, rows, col, cols, length, f)
}

// run calls f for the pieces of count weights that lie together in memory, from the
// first of a row on, each of the given length but for the last.
func (w *walk) run(row, count, length int, f func(p quant.Piece)) {
	t := w.t
	for at := 0; at < count; at += length {
		n := min(length, count-at)
		from := row*t.Cols + at
		w.decode(w.buf[:n], from)
		f(quant.Piece{W: w.buf[:n], Row: from / t.Cols, Col: from % t.Cols, Width: t.Cols})
	}
}

// rows calls f for the pieces of a panel whose rows are not contiguous in memory, or not a
// whole number of steps long. A piece holds as many whole rows as fit into it, or a part of
// a row that is longer than a piece.
func (w *walk) rows(row, rows, col, cols, length int, f func(p quant.Piece)) {
	t := w.t
	p := quant.Piece{First: col, Width: cols}
	have := 0
	flush := func() {
		if have > 0 {
			p.W = w.buf[:have]
			f(p)
		}
		have = 0
	}
	for i := row; i < row+rows; i++ {
		for j := 0; j < cols; {
			n := min(length, cols-j)
			if have+n > length {
				flush()
			}
			if have == 0 {
				p.Row, p.Col = i, col+j
			}
			w.decode(w.buf[have:have+n], i*t.Cols+col+j)
			have += n
			j += n
		}
	}
	flush()
}

// decode writes the len(dst) weights from index from of the matrix on to dst.
func (w *walk) decode(dst []float32, from int) {
	enc, data := w.t.Encoding, w.t.Data
	from += w.t.first
	if bound, ok := enc.(checkpoint.BoundEncoding); ok {
		bound.DecodeAt(dst, from)
		return
	}
	weights, bytes := enc.Block()
	first, last := from/weights, (from+len(dst)+weights-1)/weights
	stored := data[first*bytes : last*bytes]
	if n := (last - first) * weights; n != len(dst) {
		if len(w.blocks) < n {
			w.blocks = make([]float32, n)
		}
		enc.Decode(w.blocks[:n], stored)
		copy(dst, w.blocks[from-first*weights:])
		return
	}
	enc.Decode(dst, stored)
}

func lcm(a, b int) int {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x * b
}

// Slices returns the matrices of a convolution whose stored form is [rows, cols,
// slices], each as a tensor of its own. They share one copy of the data.
func Slices(data []byte, enc checkpoint.Encoding, rows, cols, slices int) []Tensor {
	weights, size := enc.Block()
	bound, placed := enc.(checkpoint.BoundEncoding)
	if weights > 1 || placed { // blocks run across slices: take them apart
		var decoded []float32
		if placed {
			decoded = make([]float32, rows*cols*slices)
			bound.DecodeAt(decoded, 0)
		} else {
			decoded = make([]float32, len(data)/size*weights)
			enc.Decode(decoded, data)
		}
		data = make([]byte, 4*rows*cols*slices)
		checkpoint.F32.Encode(data, decoded[:rows*cols*slices])
		enc, size = checkpoint.F32.Encoding(), 4
	}
	gathered := make([]byte, len(data))
	n := rows * cols
	all := make([]Tensor, slices)
	for s := range slices {
		part := gathered[s*n*size : (s+1)*n*size]
		for e := range n {
			copy(part[e*size:][:size], data[(e*slices+s)*size:])
		}
		all[s] = Tensor{Data: part, Encoding: enc, Rows: rows, Cols: cols}
	}
	return all
}

// Matrices returns the matrices of a tensor stored as [count, rows, cols], such as the
// experts of a layer, which share its data.
func Matrices(data []byte, enc checkpoint.Encoding, rows, cols, count int) []Tensor {
	all := make([]Tensor, count)
	for i := range all {
		all[i] = Tensor{Data: data, Encoding: enc, Rows: rows, Cols: cols, first: i * rows * cols}
	}
	return all
}
