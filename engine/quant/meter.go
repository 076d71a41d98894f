package quant

import (
	"math"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// Errors say how far the dequantized weights of a tensor are from the original
// ones. All are computed in float64 from the stored values of both.
type Errors struct {
	Unique   int     // different dequantized values, both zeros as one; -1 if there are too many to count, as where groups have scales of their own
	MSE      float64 // mean of squared errors
	MAE      float64 // mean of absolute errors
	MaxAbs   float64 // largest absolute error
	SNR      float64 // 10 log10(sum w^2 / sum e^2) in dB; +Inf without error
	Relative float64 // sum |e| / sum |w|; 0 for a zero tensor
}

// A Meter collects the errors of one tensor, part by part. It is not safe for
// concurrent use; the zero value is not usable.
type Meter struct {
	book  Codebook // nil if the quantizer has none
	sums  kernel.ErrorSums
	n     int64
	seen  []byte // by code
	codes []uint16
	exact map[float32]struct{} // the values, where there is no codebook; nil if they are not counted
}

// maxExact is how many different values are counted where there is no codebook.
const maxExact = 1 << 20

// NewMeter returns a meter of q's errors. It allocates 64 KiB and grows a buffer of two
// bytes for each element of the largest part, or, where q has no [Codebook], keeps up
// to a million different values.
func NewMeter(q Quantizer) *Meter {
	if book, ok := q.(Codebook); ok {
		return &Meter{book: book, seen: make([]byte, 1<<16)}
	}
	if u, ok := q.(interface{ uncounted() bool }); ok && u.uncounted() {
		return &Meter{}
	}
	return &Meter{exact: map[float32]struct{}{}}
}

// Add takes in a part: the original weights and the dequantized ones.
func (m *Meter) Add(original, dequantized []float32) {
	m.sums = m.sums.Add(kernel.SumErrors(original, dequantized))
	m.n += int64(len(original))
	if m.book == nil {
		if m.exact != nil {
			m.addExact(dequantized)
		}
		return
	}
	if cap(m.codes) < len(original) {
		m.codes = make([]uint16, len(original))
	}
	codes := m.codes[:len(original)]
	m.book.Codes(codes, original, dequantized)
	kernel.Mark(m.seen, codes)
}

func (m *Meter) addExact(x []float32) {
	for i, v := range x {
		if (i == 0 || v != x[i-1]) && len(m.exact) <= maxExact {
			m.exact[v] = struct{}{}
		}
	}
}

// Errors returns the errors of all parts so far.
func (m *Meter) Errors() Errors {
	e := Errors{Unique: m.unique(), MaxAbs: m.sums.Max, SNR: math.Inf(1)}
	if m.n == 0 {
		return e
	}
	e.MSE = m.sums.Square / float64(m.n)
	e.MAE = m.sums.Abs / float64(m.n)
	if m.sums.Square > 0 {
		e.SNR = 10 * math.Log10(m.sums.Signal/m.sums.Square)
		e.Relative = m.sums.Abs / m.sums.Weight
	}
	return e
}

// MeanSquare returns the mean of the squared original weights.
func (m *Meter) MeanSquare() float64 { return m.sums.Signal / float64(max(m.n, 1)) }

// unique counts the values that the codes seen stand for, after rounding to the
// stored type: two codes may stand for one value.
func (m *Meter) unique() int {
	if m.book == nil {
		if m.exact == nil || len(m.exact) > maxExact {
			return -1
		}
		return len(m.exact)
	}
	var codes []uint16
	for c, s := range m.seen {
		if s != 0 {
			codes = append(codes, uint16(c))
		}
	}
	values := m.book.Values(codes)
	slices.Sort(values)
	n := 0
	for i, v := range values {
		if i == 0 || v != values[i-1] {
			n++
		}
	}
	return n
}

// Dense are weights in memory: a matrix of rows and columns, row after row.
type Dense struct {
	Rows, Cols int
	W          []float32
}

// Dims returns the dimensions.
func (d Dense) Dims() (rows, cols int) { return d.Rows, d.Cols }

// Range returns the range of all weights.
func (d Dense) Range() Range { return RangeOf(d.W) }

// Each calls f once, for the whole matrix.
func (d Dense) Each(_ int, f func(p Piece)) {
	if len(d.W) > 0 {
		f(Piece{W: d.W, Width: d.Cols})
	}
}

// Apply quantizes and dequantizes the rows×cols matrix src, row after row, by the level
// called name, writes the result to dst, of the same length and not overlapping it, and
// returns the errors. Results are float32 numbers; what they would be in a narrower
// type, checkpoint.DType.Round tells. It panics if the lengths do not fit.
func Apply(dst, src []float32, rows, cols int, name string) (Errors, error) {
	if len(src) != rows*cols || len(dst) != len(src) {
		panic("quant: slices that do not have rows times columns weights")
	}
	recipe, err := Parse(name)
	if err != nil {
		return Errors{}, err
	}
	w := Dense{Rows: rows, Cols: cols, W: src}
	q, err := recipe.For(Target{Rows: rows, Cols: cols}).Fit(w, checkpoint.F32)
	if err != nil {
		return Errors{}, err
	}
	meter := NewMeter(q)
	w.Each(1, func(p Piece) {
		q.Dequantize(dst, p)
		meter.Add(p.W, dst)
	})
	return meter.Errors(), nil
}
