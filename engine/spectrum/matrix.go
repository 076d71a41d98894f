package spectrum

import (
	"math"
	"slices"

	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// A Matrix is a matrix of finite numbers that is read in panels across its larger side,
// each panel as often as needed.
type Matrix interface {
	// Dims returns the dimensions, neither of them negative.
	Dims() (rows, cols int)
	// Align returns the number of rows or columns, along the larger side, at whose
	// multiples panels begin: from 1 to 1024.
	Align() int
	// Panel writes a panel to dst in row-major order: rows first to first+count-1,
	// count×cols, if rows >= cols; columns first to first+count-1, rows×count,
	// otherwise.
	Panel(dst []float32, first, count int)
}

// An IntMatrix is a unit times a matrix of integers, which are read instead of the
// matrix, so that its Gram matrix is exact but for one rounding of each element.
type IntMatrix interface {
	Matrix
	// Unit returns what the integers are multiples of.
	Unit() float64
	// Max bounds the magnitude of the integers. It is at most 32767.
	Max() int
	// Panel8 writes a panel of integers as Panel does, and returns the sum of their
	// squares, exactly. It is called if Max is at most 127.
	Panel8(dst []int8, first, count int) (squares float64)
	// Panel16 is Panel8 for a Max above 127. It costs about twice as much.
	Panel16(dst []int16, first, count int) (squares float64)
}

// A RowIntMatrix has no more rows than columns, and each row is a unit of its own times
// integers, which are read instead of the matrix: D Q, D diagonal. The Gram matrix of its
// rows is D (Q Qᵀ) D, so that each element is exact but for the multiplication by two units.
// Its panels are always of columns, also where it is square.
type RowIntMatrix interface {
	Matrix
	// Units returns what the integers of each row are multiples of: positive numbers, any
	// for a row of zeros. The caller does not write to them.
	Units() []float64
	// Max bounds the magnitude of the integers. It is at most 32767.
	Max() int
	// Panel8 writes a panel of integers as Panel does, and adds the sum of the squares of
	// those of row i, exactly, to squares[i]. It is called if Max is at most 127.
	Panel8(dst []int8, first, count int, squares []float64)
	// Panel16 is Panel8 for a Max above 127. It costs about twice as much.
	Panel16(dst []int16, first, count int, squares []float64)
}

// A WideMatrix holds numbers that float32 cannot hold.
type WideMatrix interface {
	Matrix
	// Panel64 writes a panel as Panel does, in float64.
	Panel64(dst []float64, first, count int)
}

// Dense is a matrix in memory, row after row.
type Dense struct {
	Rows, Cols int
	W          []float32
}

// Dims returns the dimensions.
func (d Dense) Dims() (rows, cols int) { return d.Rows, d.Cols }

// Align returns 1: panels begin anywhere.
func (Dense) Align() int { return 1 }

// Panel writes a panel, as [Matrix] says.
func (d Dense) Panel(dst []float32, first, count int) {
	if d.Rows >= d.Cols {
		copy(dst, d.W[first*d.Cols:][:count*d.Cols])
		return
	}
	for i := range d.Rows {
		copy(dst[i*count:][:count], d.W[i*d.Cols+first:])
	}
}

// maxAlign bounds Matrix.Align.
const maxAlign = 1024

// A shape is what the steps of a computation ask of the dimensions of a matrix.
type shape struct {
	tall        bool // at least as many rows as columns
	short, long int  // the smaller and the larger side
	panel       int  // rows or columns of a panel, but for the last
}

func shapeOf(m Matrix) shape {
	rows, cols := m.Dims()
	_, byRows := m.(RowIntMatrix)
	if byRows && rows > cols {
		panic("spectrum: units of rows of a matrix with fewer columns")
	}
	s := shape{tall: rows >= cols && !byRows, short: min(rows, cols), long: max(rows, cols)}
	if m.Align() < 1 || m.Align() > maxAlign {
		panic("spectrum: panels that do not begin at multiples of 1 to 1024")
	}
	s.panel = max(1, min(PanelLength(s.short, m.Align()), s.long))
	return s
}

// panels calls f for each panel of a matrix.
func (s shape) panels(f func(first, count int)) {
	for first := 0; first < s.long; first += s.panel {
		f(first, min(s.panel, s.long-first))
	}
}

// stride returns the length of a row of a panel of count rows or columns.
func (s shape) stride(count int) int {
	if s.tall {
		return s.short
	}
	return count
}

// PanelLength returns how many rows or columns of length k one panel holds: as many as
// take 4 MiB in float64, but at least 256 and at most 1024, rounded down to a multiple of
// align. Shorter panels would make the update of the k×k Gram matrix memory-bound, longer
// ones would not stay in cache.
func PanelLength(k, align int) int {
	length := min(max(1<<19/max(k, 1), 256), 1024)
	return max(length/align, 1) * align
}

// sumBlock is how many squares are added before the sum goes into a total: few enough that
// their rounding stays below 1e-12 of them even if all of it has one sign.
const sumBlock = 1 << 14

// panel64 writes a panel to dst in float64 and adds the squares of its elements to sum.
func (ws *Workspace) panel64(m Matrix, dst []float64, first, count int, sum *total) {
	if wide, ok := m.(WideMatrix); ok {
		wide.Panel64(dst, first, count)
		for part := range slices.Chunk(dst, sumBlock) {
			squares := 0.0
			for _, v := range part {
				squares += v * v
			}
			sum.add(squares)
		}
		return
	}
	single := ws.single[:len(dst)]
	m.Panel(single, first, count)
	for at := 0; at < len(dst); at += sumBlock {
		to := min(at+sumBlock, len(dst))
		sum.add(kernel.Widen(dst[at:to], single[at:to]))
	}
}

// integersOf returns the integers of a matrix, nil if it has none, and the units of its rows
// if those are not all one.
func integersOf(m Matrix) (im IntMatrix, units []float64) {
	switch m := m.(type) {
	case IntMatrix:
		return m, nil
	case RowIntMatrix:
		rows, _ := m.Dims()
		return &rowIntegers{m, make([]float64, rows)}, m.Units()
	}
	return nil, nil
}

// rowIntegers are the integers of a matrix with a unit for each row, as a matrix.
type rowIntegers struct {
	RowIntMatrix
	squares []float64 // the sum of those of each row that have been read
}

// Unit returns 1: the units of rows are not part of the matrix.
func (*rowIntegers) Unit() float64 { return 1 }

func (m *rowIntegers) Panel8(dst []int8, first, count int) float64 {
	m.RowIntMatrix.Panel8(dst, first, count, m.squares)
	return 0
}

func (m *rowIntegers) Panel16(dst []int16, first, count int) float64 {
	m.RowIntMatrix.Panel16(dst, first, count, m.squares)
	return 0
}

// frobenius2 returns the sum of the squares of all elements of the matrix with units, each of
// whose panels was read once.
func (m *rowIntegers) frobenius2(units []float64) float64 {
	var sum total
	for i, squares := range m.squares {
		sum.add(squares * units[i] * units[i])
	}
	return sum.value()
}

// integers64 writes a panel of integers to dst in float64 and returns the sum of their
// squares.
func (ws *Workspace) integers64(m IntMatrix, dst []float64, first, count int) (squares float64) {
	if m.Max() <= maxInt8 {
		codes := ws.codes[:len(dst)]
		squares = m.Panel8(codes, first, count)
		for i, v := range codes {
			dst[i] = float64(v)
		}
		return squares
	}
	codes := ws.codes16[:len(dst)]
	squares = m.Panel16(codes, first, count)
	for i, v := range codes {
		dst[i] = float64(v)
	}
	return squares
}

// A total is a sum of numbers that loses no more to rounding than one addition does
// (Neumaier's variant of Kahan's algorithm).
type total struct{ sum, lost float64 }

func (t *total) add(x float64) {
	s := t.sum + x
	if math.Abs(t.sum) >= math.Abs(x) {
		t.lost += (t.sum - s) + x
	} else {
		t.lost += (x - s) + t.sum
	}
	t.sum = s
}

func (t *total) value() float64 { return t.sum + t.lost }
