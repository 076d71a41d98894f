package weights

import (
	"math"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// Buffers are those of the matrices that one goroutine reads, one at a time. The zero
// value is ready.
type Buffers struct {
	original, dequantized []float32
}

// BufferBytes is about what [Buffers] take, and the codes of a [quant.Meter] with them.
const BufferBytes = 10 * pieceLength

// View says how a tensor is to be read as a matrix.
type View struct {
	// Quantizer dequantizes the weights; nil leaves them as they are stored, in
	// float64 where float32 cannot hold them.
	Quantizer quant.Quantizer
	// Align is the number of columns at whose multiples the quantizer lets a row be
	// cut; 0 is 1.
	Align int
	// Meter, if not nil, sees every original and every dequantized weight once.
	Meter *quant.Meter
	// Residual, if not nil, keeps the errors of the matrix, which are there when all of it
	// has been read.
	Residual *Residual
	// Float has the matrix read in float32 even where the weights are integer
	// multiples of a unit.
	Float bool
}

// Matrix returns the matrix that the view makes of t, for package spectrum: a
// [spectrum.IntMatrix] where the quantizer has a unit, a [spectrum.RowIntMatrix] where it has
// one for each row and rows are not the longer side, a [spectrum.WideMatrix] where the
// quantizer leaves weights as they are stored and they are wider than float32. One goroutine
// may read it at a time, and no other matrix that has the same buffers.
func Matrix(t *Tensor, v View, buf *Buffers) spectrum.Matrix {
	if v.Residual != nil {
		v.Residual.begin(t.Rows, t.Cols)
	}
	m := &matrix{view: v, buf: buf, byRows: t.Rows >= t.Cols, walk: walk{t: t, align: v.Align, buf: buf.original}}
	if v.Quantizer == nil || quant.Keeps(v.Quantizer, t.Encoding) {
		if _, ok := t.Encoding.(checkpoint.WideEncoding); ok {
			return &wideMatrix{m}
		}
		return m
	}
	if v.Float {
		return m
	}
	if q, ok := v.Quantizer.(quant.Integral); ok {
		if unit, largest, ok := q.Unit(math.MaxInt16); ok {
			return &intMatrix{matrix: m, unit: float32(unit), largest: largest}
		}
	}
	if q, ok := v.Quantizer.(quant.RowIntegral); ok && t.Rows <= t.Cols {
		if units, largest, ok := q.RowUnits(math.MaxInt16); ok {
			m.byRows = false
			return &rowIntMatrix{matrix: m, units: units, largest: largest}
		}
	}
	return m
}

// matrix is a tensor as its quantizer leaves it.
type matrix struct {
	walk
	view     View
	buf      *Buffers
	byRows   bool // panels are of rows
	measured int  // rows or columns of the larger side that the meter and the residual have seen
}

func (m *matrix) Dims() (rows, cols int) { return m.t.Rows, m.t.Cols }

// Align is 1 where panels hold whole rows.
func (m *matrix) Align() int {
	if m.byRows {
		return 1
	}
	perBlock, _ := m.t.Encoding.Block()
	return lcm(max(1, m.view.Align), perBlock)
}

// each calls f for each piece of a panel, with its offset in the panel. measure is true the
// first time that the panel is read, if there is a meter or a residual.
func (m *matrix) each(first, count int, f func(at int, p quant.Piece, measure bool)) {
	measure := (m.view.Meter != nil || m.view.Residual != nil) && first == m.measured
	at := 0
	visit := func(p quant.Piece) {
		f(at, p, measure)
		at += len(p.W)
	}
	if m.byRows {
		m.panel(first, count, 0, m.t.Cols, visit)
	} else {
		m.panel(0, m.t.Rows, first, count, visit)
	}
	if measure {
		m.measured += count
	}
	m.buf.original = m.walk.buf // may have grown
}

// dequantize writes what becomes of a piece to dst.
func (m *matrix) dequantize(dst []float32, p quant.Piece, measure bool) {
	if m.view.Quantizer == nil {
		copy(dst, p.W)
	} else {
		m.view.Quantizer.Dequantize(dst, p)
	}
	if measure && m.view.Meter != nil {
		m.view.Meter.Add(p.W, dst)
	}
	if measure && m.view.Residual != nil {
		m.view.Residual.add(p, dst)
	}
}

func (m *matrix) Panel(dst []float32, first, count int) {
	m.each(first, count, func(at int, p quant.Piece, measure bool) {
		m.dequantize(dst[at:at+len(p.W)], p, measure)
	})
}

// wideMatrix is a tensor of float64 weights as it is stored.
type wideMatrix struct{ *matrix }

func (m *wideMatrix) Panel64(dst []float64, first, count int) {
	t, enc := m.t, m.t.Encoding.(checkpoint.WideEncoding)
	_, bytes := enc.Block() // of one weight: a wide encoding is a plain type
	decode := func(dst []float64, from int) {
		from += t.first
		enc.DecodeWide(dst, t.Data[from*bytes:][:len(dst)*bytes])
	}
	if t.Rows >= t.Cols {
		decode(dst, first*t.Cols)
		return
	}
	for i := range t.Rows {
		decode(dst[i*count:][:count], i*t.Cols+first)
	}
}

// intMatrix is a tensor whose dequantized weights are integer multiples of a unit.
type intMatrix struct {
	*matrix
	unit    float32
	largest int
}

func (m *intMatrix) Unit() float64 { return float64(m.unit) }
func (m *intMatrix) Max() int      { return m.largest }

func (m *intMatrix) Panel8(dst []int8, first, count int) (squares float64) {
	m.integers(first, count, func(at int, dequantized []float32, _ quant.Piece) {
		squares += kernel.Codes8(dst[at:at+len(dequantized)], dequantized, m.unit, float32(m.largest))
	})
	return squares
}

func (m *intMatrix) Panel16(dst []int16, first, count int) (squares float64) {
	m.integers(first, count, func(at int, dequantized []float32, _ quant.Piece) {
		squares += kernel.Scale16(dst[at:at+len(dequantized)], dequantized, 1/m.unit)
	})
	return squares
}

// rowIntMatrix is a tensor whose dequantized weights are integer multiples of units of rows.
type rowIntMatrix struct {
	*matrix
	units   []float64
	largest int
}

func (m *rowIntMatrix) Units() []float64 { return m.units }
func (m *rowIntMatrix) Max() int         { return m.largest }

func (m *rowIntMatrix) Panel8(dst []int8, first, count int, squares []float64) {
	m.rows(first, count, func(row, at int, dequantized []float32) {
		squares[row] += kernel.Codes8(dst[at:at+len(dequantized)], dequantized, float32(m.units[row]), float32(m.largest))
	})
}

func (m *rowIntMatrix) Panel16(dst []int16, first, count int, squares []float64) {
	m.rows(first, count, func(row, at int, dequantized []float32) {
		squares[row] += kernel.Scale16(dst[at:at+len(dequantized)], dequantized, float32(1/m.units[row]))
	})
}

// rows calls f for the dequantized weights of each part of a row of a panel.
func (m *rowIntMatrix) rows(first, count int, f func(row, at int, dequantized []float32)) {
	m.integers(first, count, func(at int, dequantized []float32, p quant.Piece) {
		p.EachRow(func(row, _, from, n int) { f(row, at+from, dequantized[from:from+n]) })
	})
}

// integers calls f for the dequantized weights of each piece of a panel.
func (m *matrix) integers(first, count int, f func(at int, dequantized []float32, p quant.Piece)) {
	m.each(first, count, func(at int, p quant.Piece, measure bool) {
		if len(m.buf.dequantized) < len(p.W) {
			m.buf.dequantized = make([]float32, len(m.walk.buf))
		}
		dequantized := m.buf.dequantized[:len(p.W)]
		m.dequantize(dequantized, p, measure)
		f(at, dequantized, p)
	})
}
