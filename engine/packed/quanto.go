package packed

import (
	"fmt"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// Quanto is the layout of optimum-quanto's qint4 and qint2:
//
//	weight._data._data  U8 [rows of groups, group]  packed codes
//	weight._scale       F32, F16 or BF16 [groups, 1]
//	weight._shift       as the scale
//
// The flattened weights are a matrix with groups as rows, which are cut into two or four parts of
// equal height, the last of which may be short; the parts lie on each other, the first in the
// lowest bits. A weight is code × scale − shift. Elements is the layout of qint8 and qfloat8.
//
// Source: optimum-quanto e33f8202, tensor/packed.py, tensor/weights/qbits.py.
type Quanto struct {
	Bits int // 2 or 4
	// Inputs is the number of columns, which the parts do not say.
	Inputs int
	// Scales is the type in which Pack stores scales and shifts; F16 if it is not valid.
	Scales checkpoint.DType
	// Group is how many weights share a scale, for Pack; 0 or less: a row.
	Group int
	// Compute is the type that products and sums are rounded to, float32 if it is not F16
	// or BF16.
	Compute checkpoint.DType
}

// Name returns the method and bits.
func (l Quanto) Name() string { return fmt.Sprintf("quanto qint%d", l.Bits) }

// Open returns the weights of a layer.
func (l Quanto) Open(p Parts) (Matrix, error) { return opened(l.open(p)) }

const quantoScale, quantoShift, quantoData = "weight._scale", "weight._shift", "weight._data._data"

func (l Quanto) open(p Parts) (*matrix, error) {
	if l.Bits != 2 && l.Bits != 4 {
		return nil, checkpoint.Unsupportedf("part %s has %d bits, which is not 2 or 4", quantoData, l.Bits)
	}
	w, err := p.taken(quantoData, 2, checkpoint.U8)
	if err != nil {
		return nil, err
	}
	s, err := p.taken(quantoScale, 2, floatTypes...)
	if err != nil {
		return nil, err
	}
	count, width := s.Shape[0], w.Shape[1]
	if s.Shape[1] != 1 || parts(count, 8/l.Bits) != w.Shape[0] {
		return nil, checkpoint.Corruptf("part %s has the shape %v, and part %s %v", quantoScale, s.Shape, quantoData, w.Shape)
	}
	shift, err := p.shaped(quantoShift, floatTypes, s.Shape)
	if err != nil {
		return nil, err
	}
	if n := count * width; l.Inputs < 1 || n%l.Inputs != 0 {
		return nil, checkpoint.Corruptf("part %s has %d weights, which are no rows of %d inputs", quantoData, n, l.Inputs)
	}
	m := &matrix{layout: l, rows: count * width / l.Inputs, cols: l.Inputs, meaning: integers(l.Bits, 0), compute: l.Compute, negate: true}
	m.codes = planes{data: w.Data, size: 1, bits: l.Bits, cols: m.cols, width: width, height: w.Shape[0], top: -1}
	m.groups.run = width
	m.scales.inner, m.biases = of(s, checkpoint.U8), of(shift, checkpoint.U8)
	return m, nil
}

// Pack stores groups of the size that the layout says, which must divide rows.
func (l Quanto) Pack(w quant.Weights, q quant.Quantizer) (Parts, error) {
	rows, cols := w.Dims()
	l.Inputs = cols
	group := l.Group
	if group <= 0 {
		group = cols
	}
	if !slices.Contains([]int{2, 4}, l.Bits) || rows < 1 || cols < 1 || cols%group != 0 {
		return nil, cannot(l, "%d×%d weights in groups of %d", rows, cols, group)
	}
	count := rows * cols / group
	p := Parts{
		quantoData:  blank(checkpoint.U8, parts(count, 8/l.Bits), group),
		quantoScale: blank(orF16(l.Scales), count, 1), quantoShift: blank(orF16(l.Scales), count, 1),
	}
	return filled(p, w, q, func(p Parts) (*matrix, error) {
		m, err := l.open(p)
		if err == nil { // the groups are of rows: runs that do not cross them
			m.groups = grouping{rows: 1, cols: group, down: cols / group, across: 1}
			if l.Group <= 0 {
				m.groups.cols = 0
			}
		}
		return m, err
	})
}
