package packed

import (
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// AWQ is the layout of AutoAWQ's checkpoints of 4 bits. Version gemm:
//
//	qweight  I32 [inputs, outputs/8]  codes of eight outputs, in the order 0 2 4 6 1 3 5 7
//	qzeros   I32 [groups, outputs/8]  zero points in the same order
//	scales   F16 [groups, outputs]    or BF16, F32
//
// Version gemv, whose second dimensions of zero points and scales are padded:
//
//	qweight  I32 [outputs, inputs/8]   codes from the lowest bits up
//	qzeros   I32 [outputs, padded]     zero points in the same way
//	scales   F16 [outputs, padded·8]
//
// A weight is (code − zero) × scale.
//
// Source: AutoAWQ 88e4c76b, modules/linear.
type AWQ struct {
	// Group is how many inputs share parameters; 0 or less stands for all of them.
	Group int
	// GEMV is the version gemv.
	GEMV bool
	// Scales is the type in which Pack stores scales; F16 if it is not valid.
	Scales checkpoint.DType
}

// Name returns the method and its version.
func (l AWQ) Name() string {
	if l.GEMV {
		return "AWQ, gemv"
	}
	return "AWQ, gemm"
}

// Open returns the weights of a layer.
func (l AWQ) Open(p Parts) (Matrix, error) { return opened(l.open(p)) }

func (l AWQ) open(p Parts) (*matrix, error) {
	w, err := p.taken("qweight", 2, checkpoint.I32)
	if err != nil {
		return nil, err
	}
	s, err := p.taken("scales", 2, floatTypes...)
	if err != nil {
		return nil, err
	}
	z, err := p.taken("qzeros", 2, checkpoint.I32)
	if err != nil {
		return nil, err
	}
	m := &matrix{layout: l, meaning: integers(4, 0), groups: grouping{rows: 1}}
	m.scales.inner = of(s, checkpoint.U8)
	m.zeros = zeros{meaning: m.meaning, wrap: 15}
	if l.GEMV {
		return m, l.gemv(m, w, s, z)
	}
	m.cols, m.rows = w.Shape[0], w.Shape[1]*8
	groups := s.Shape[0]
	if s.Shape[1] != m.rows {
		return nil, checkpoint.Corruptf("part scales has the shape %v in a layer of %d outputs", s.Shape, m.rows)
	}
	if !slices.Equal(z.Shape, []int{groups, w.Shape[1]}) {
		return nil, checkpoint.Corruptf("part qzeros has the shape %v, not %v", z.Shape, []int{groups, w.Shape[1]})
	}
	m.codes = across{data: w.Data, words: w.Shape[1], order: &awqOrder}
	m.zeros.codes = across{data: z.Data, words: w.Shape[1], order: &awqOrder}
	m.groups.down, m.groups.across = 1, m.rows
	return m, m.groups.set(l.Group, m.cols, groups, "scales")
}

// gemv sets the places of the version gemv.
func (l AWQ) gemv(m *matrix, w, s, z Part) error {
	m.rows, m.cols = w.Shape[0], w.Shape[1]*8
	if s.Shape[0] != m.rows || z.Shape[0] != m.rows || z.Shape[1]*8 != s.Shape[1] {
		return checkpoint.Corruptf("parts scales and qzeros have the shapes %v and %v in a layer of %d outputs", s.Shape, z.Shape, m.rows)
	}
	groups := 1
	if l.Group > 0 {
		groups = parts(m.cols, l.Group)
	}
	if groups > s.Shape[1] {
		return checkpoint.Corruptf("part scales has room for %d groups, not for %d", s.Shape[1], groups)
	}
	m.codes = stream{data: w.Data, words: w.Shape[1], bits: 4}
	m.zeros.codes = stream{data: z.Data, words: z.Shape[1], bits: 4}
	m.groups.down, m.groups.across = s.Shape[1], 1
	return m.groups.set(l.Group, m.cols, groups, "scales")
}

// Pack pads the zero points of each row of version gemv, as AutoAWQ does, to a whole number of
// words, of which it is a multiple of 2 for groups of 64 and of 4 for those of 32.
func (l AWQ) Pack(w quant.Weights, q quant.Quantizer) (Parts, error) {
	rows, cols := w.Dims()
	if rows < 1 || cols < 1 || !l.GEMV && rows%8 != 0 || l.GEMV && cols%8 != 0 || l.Group > 0 && cols%l.Group != 0 {
		return nil, cannot(l, "%d×%d weights", rows, cols)
	}
	groups := 1
	if l.Group > 0 {
		groups = cols / l.Group
	}
	p := Parts{}
	if l.GEMV {
		words := l.padded(cols)
		p["qweight"], p["qzeros"] = blank(checkpoint.I32, rows, cols/8), blank(checkpoint.I32, rows, words)
		p["scales"] = blank(orF16(l.Scales), rows, words*8)
	} else {
		p["qweight"], p["qzeros"] = blank(checkpoint.I32, cols, rows/8), blank(checkpoint.I32, groups, rows/8)
		p["scales"] = blank(orF16(l.Scales), groups, rows)
	}
	return filled(p, w, q, l.open)
}

// padded returns how many words of zero points a row has in version gemv.
func (l AWQ) padded(cols int) int {
	multiple := 1
	switch l.Group {
	case 64:
		multiple = 2
	case 32:
		multiple = 4
	}
	groups := 1
	if l.Group > 0 {
		groups = parts(cols, l.Group)
	}
	words := parts(groups, 8)
	return parts(words, multiple) * multiple
}
