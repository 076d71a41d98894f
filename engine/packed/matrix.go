package packed

import (
	"encoding/binary"
	"fmt"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// A matrix is the weights of a layer in any layout: codes, what they mean, and the parameters
// of groups, each of which knows where it lies.
type matrix struct {
	layout     Layout
	rows, cols int
	stacked    int // matrices under each other; 0 is one
	codes      codes
	meaning    *meaning

	groups grouping
	scales scales
	zeros  zeros
	biases floats
	negate bool // biases are stored with the other sign
	// factor is what results are multiplied by at the end, if it is not 0.
	factor float32
	// compute is the type that each result of an operation is rounded to.
	compute checkpoint.DType
	notes   []string
}

// Dims returns the dimensions.
func (m *matrix) Dims() (rows, cols int) { return m.rows, m.cols }

// A grouping says in which group a weight lies: in that of a block of rows×cols, where 0 is
// all; in a run of the flattened matrix; by an index of its column; or in the one of every so
// many weights of the flattened matrix.
type grouping struct {
	rows, cols   int
	down, across int // from the index of a block to that of the next one below, and beside
	run          int
	index        []byte // of groups by columns: int32, little-endian
	every        int
}

// find returns the group of a weight, its place in the row of blocks, and how many weights of
// the row from it on are in that group for certain, at least one.
func (g *grouping) find(row, col, cols int) (group, place, n int) {
	switch {
	case g.run != 0:
		flat := row*cols + col
		return flat / g.run, 0, g.run - flat%g.run
	case g.every != 0:
		return (row*cols + col) % g.every, 0, 1
	}
	below := 0
	if g.rows != 0 {
		below = row / g.rows
	}
	n = cols
	switch {
	case g.index != nil:
		place, n = int(binary.LittleEndian.Uint32(g.index[4*col:])), 1
	case g.cols != 0:
		place, n = col/g.cols, g.cols-col%g.cols
	}
	return below*g.down + place*g.across, place, n
}

// granularity returns the groups as quantizers have them.
func (g *grouping) granularity() quant.Granularity {
	if g.every != 0 {
		return quant.Granularity{Cols: 1}
	}
	return quant.Granularity{Rows: g.rows, Cols: g.cols, Run: g.run}
}

// zeros are stored zero points: packed codes, numbers, or one for all groups.
type zeros struct {
	codes codes // nil where there are none
	// turned says that codes are of a matrix [groups, outputs], not [outputs, groups].
	turned  bool
	meaning *meaning
	numbers floats // by the index of groups
	fixed   float32
	// after is added to a code, in as many bits as it has if wrap is 1<<bits - 1.
	after, wrap byte
	wide        bool // the sum is one of more bits
}

// at returns the zero point of a group at a place in a row.
func (z *zeros) at(group, row, place int) float32 {
	switch {
	case z.numbers.data != nil:
		return z.numbers.at(group)
	case z.codes == nil:
		return z.fixed
	case z.turned:
		row, place = place, row
	}
	c := z.codes.at(row, place)
	if z.wide {
		return z.meaning.values[c] + float32(z.after)
	}
	return z.meaning.values[(c+z.after)&z.wrap]
}

// none reports whether all zero points are 0.
func (z *zeros) none() bool { return z.codes == nil && z.numbers.data == nil && z.fixed == 0 }

// Decode writes the weights from (row, col) on to dst.
func (m *matrix) Decode(dst []float32, row, col int) {
	if row < 0 || row >= m.rows || col < 0 || len(dst) > m.cols || col > m.cols-len(dst) {
		panic(fmt.Sprintf("packed: %d weights from (%d, %d) on of a matrix of %d×%d", len(dst), row, col, m.rows, m.cols))
	}
	if len(dst) == 0 {
		return
	}
	m.codes.read(dst, m.meaning, row, col)
	if m.plain() {
		return
	}
	for len(dst) > 0 {
		group, place, n := m.groups.find(row, col, m.cols)
		n = min(n, len(dst))
		m.finish(dst[:n], group, row, place)
		dst, col = dst[n:], col+n
	}
}

// plain reports whether codes are the weights.
func (m *matrix) plain() bool {
	return m.scales.inner.data == nil && m.zeros.none() && m.biases.data == nil && m.factor == 0
}

// finish makes weights of what the codes x of a group mean.
func (m *matrix) finish(x []float32, group, row, place int) {
	scale, zero := m.scales.at(group), m.zeros.at(group, row, place)
	r := rounding(m.compute)
	switch {
	case scale != scale || zero != zero: // which rounding to a type would not keep
		for i := range x {
			x[i] = scale * zero
		}
	case m.factor != 0:
		for i, q := range x {
			x[i] = float32((q-zero)*scale) * m.factor
		}
	case m.biases.data != nil:
		bias := m.biases.at(group)
		if m.negate {
			bias = -bias
		}
		for i, q := range x {
			x[i] = r.Round(r.Round(q*scale) + bias)
		}
	case r == rounding(checkpoint.F32):
		for i, q := range x {
			x[i] = (q - zero) * scale
		}
	default:
		for i, q := range x {
			x[i] = r.Round(r.Round(q-zero) * scale)
		}
	}
}
