package packed

import (
	"strconv"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// encoder returns what q stores, if it is of groups that a layout has.
func encoder(l Layout, q quant.Quantizer, want quant.Granularity) (quant.Encoder, error) {
	e, ok := q.(quant.Encoder)
	if !ok {
		return nil, cannot(l, "what a quantizer without codes makes")
	}
	if got := e.Groups(); got != want {
		return nil, cannot(l, "groups of %s where it has %s", describe(got), describe(want))
	}
	return e, nil
}

// describe says which weights share parameters.
func describe(g quant.Granularity) string {
	size := func(n int, all string) string {
		if n == 0 {
			return all
		}
		return strconv.Itoa(n)
	}
	if g.Run != 0 {
		return "runs of " + strconv.Itoa(g.Run) + " weights"
	}
	return size(g.Rows, "all") + "×" + size(g.Cols, "all") + " weights"
}

// fill stores what q makes of the weights w in the parts that the matrix was opened from, all
// of whose codes are zero bits.
func (m *matrix) fill(w quant.Weights, q quant.Quantizer) error {
	e, err := encoder(m.layout, q, m.groups.granularity())
	if err != nil {
		return err
	}
	if rows, cols := w.Dims(); rows != m.rows || cols != m.cols {
		return cannot(m.layout, "%d×%d weights in %d×%d", rows, cols, m.rows, m.cols)
	}
	f := filler{matrix: m, seen: map[int]quant.Group{}, outer: map[int]float32{}}
	var buf []float32
	w.Each(m.groups.granularity().Align(), func(p quant.Piece) {
		if f.err != nil {
			return
		}
		if len(buf) < len(p.W) {
			buf = make([]float32, len(p.W))
		}
		codes := buf[:len(p.W)]
		e.Encode(codes, p, func(at, n int, g quant.Group) {
			if f.err == nil {
				from := p.Col - p.First + at
				f.err = f.group(codes[at:at+n], p.Row+from/p.Width, p.First+from%p.Width, g)
			}
		})
	})
	return f.err
}

// A filler stores codes and parameters.
type filler struct {
	*matrix
	seen  map[int]quant.Group // parameters that were stored, of groups that may be met again
	outer map[int]float32     // outer scales that were stored
	err   error
}

// group stores n codes from (row, col) on, and the parameters of their group.
func (f *filler) group(codes []float32, row, col int, g quant.Group) error {
	for i, v := range codes {
		c, ok := f.meaning.code(v)
		if !ok {
			return cannot(f.layout, "the code %g of weight (%d, %d)", v, row, col+i)
		}
		f.codes.put(row, col+i, c)
	}
	group, place, n := f.groups.find(row, col, f.cols)
	if n < len(codes) {
		return cannot(f.layout, "%d weights from (%d, %d) on as a group", len(codes), row, col)
	}
	if g.Scale == 0 && f.scales.inner.kind == checkpoint.F8E8M0 {
		for i, v := range codes {
			if v != 0 {
				return cannot(f.layout, "the scale 0 of weight (%d, %d), whose code is %g", row, col+i, v)
			}
		}
	}
	if before, ok := f.seen[group]; ok {
		if before != g {
			return cannot(f.layout, "two scales, %g and %g, of one group at (%d, %d)", before.Scale, g.Scale, row, col)
		}
		return nil
	}
	if f.groups.run != 0 || f.groups.rows == 1 {
		clear(f.seen) // weights come row after row: those before are done
	}
	f.seen[group] = g
	return f.parameters(group, row, place, g)
}

// parameters stores the parameters of a group.
func (f *filler) parameters(group, row, place int, g quant.Group) error {
	if f.scales.outer.data != nil {
		run := group / f.scales.run
		if before, ok := f.outer[run]; ok && before != g.Outer {
			return cannot(f.layout, "two scales, %g and %g, of the scales around row %d", before, g.Outer, row)
		}
		f.outer[run] = g.Outer
	}
	if !f.scales.put(group, g) {
		return cannot(f.layout, "the scale %g of the group of row %d that is number %d there: %v does not hold it", g.Scale, row, group, f.scales.inner.kind)
	}
	if !f.zeros.put(group, row, place, g.Zero) {
		return cannot(f.layout, "the zero point %g of the group of row %d that is number %d there", g.Zero, row, group)
	}
	bias := g.Bias
	if f.negate {
		bias = -bias
	}
	if f.biases.data == nil && bias != 0 || f.biases.data != nil && !f.biases.put(group, bias) {
		return cannot(f.layout, "the bias %g of the group of row %d that is number %d there", g.Bias, row, group)
	}
	return nil
}

// put stores the scale of a group, and reports whether it is that exactly.
func (s *scales) put(group int, g quant.Group) bool {
	switch {
	case s.inner.data == nil:
		return g.Scale == 1
	case s.invert:
		return s.inner.put(group, g.Outer) && s.at(group) == g.Scale
	case s.outer.data == nil:
		exact := s.inner.put(group, g.Scale)
		if v := s.inner.at(group); s.rounds && v-v == 0 {
			return true
		}
		return exact
	}
	if s.offset != g.Offset || !s.outer.put(group/s.run, g.Outer) {
		return false
	}
	if s.table == nil {
		if !s.inner.put(group, g.Inner) {
			return false
		}
	} else {
		c, ok := s.table.code(g.Inner)
		if !ok {
			return false
		}
		s.inner.data[group] = c
	}
	return s.at(group) == g.Scale || g.Scale == 0 && g.Inner == 0
}

// put stores a zero point, and reports whether it is that exactly.
func (z *zeros) put(group, row, place int, v float32) bool {
	switch {
	case z.numbers.data != nil:
		return z.numbers.put(group, v)
	case z.codes == nil:
		return v == z.fixed
	}
	c, ok := z.meaning.code(v)
	if !ok {
		return false
	}
	if z.turned {
		row, place = place, row
	}
	z.codes.put(row, place, (c-z.after)&z.wrap)
	return true
}
