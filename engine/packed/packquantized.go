package packed

import (
	"fmt"
	"math"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// Packed is the layout pack-quantized of compressed-tensors:
//
//	weight_packed      I32 [outputs, words]  codes along the inputs, from the lowest bits up
//	weight_scale       F16, BF16 or F32 [outputs, groups], or [1] for the whole tensor
//	weight_zero_point  I32 [words, groups]   zero points along the outputs in the same way;
//	                                         missing where it is symmetric
//	weight_shape       I64 [2]               outputs and inputs
//	weight_g_idx       I32 [inputs]          the group of each input, or -1 for all; it may be missing
//
// Codes and zero points are integers from -2^(bits-1) to 2^(bits-1)-1, stored with 2^(bits-1)
// added. A weight is (code − zero) × scale. Where bits do not divide 32, older releases
// left the highest bits of a word free, and newer ones have no gaps: the number of words of a
// row tells which, and where it is the same for both, Gaps does.
//
// Source: compressed-tensors ac8e2ba8, compressors/quantized_compressors/pack_quantized.py.
type Packed struct {
	Bits int // 1 to 8
	// Group is how many inputs share parameters; 0 or less stands for all of them.
	Group int
	// Asymmetric makes Pack store zero points.
	Asymmetric bool
	// Gaps has no code cross the end of a word.
	Gaps bool
	// Scales is the type in which Pack stores scales; F16 if it is not valid.
	Scales checkpoint.DType
}

// Name returns the format and bits.
func (l Packed) Name() string { return fmt.Sprintf("pack-quantized, %d bits", l.Bits) }

// Open returns the weights of a layer.
func (l Packed) Open(p Parts) (Matrix, error) { return opened(l.open(p)) }

func (l Packed) open(p Parts) (*matrix, error) {
	if l.Bits < 1 || l.Bits > 8 {
		return nil, checkpoint.Unsupportedf("weight_packed has %d bits, which is not 1 to 8", l.Bits)
	}
	rows, cols, err := p.pair("weight_shape")
	if err != nil {
		return nil, err
	}
	w, err := p.taken("weight_packed", 2, checkpoint.I32)
	if err != nil {
		return nil, err
	}
	words := w.Shape[1]
	each, ok := l.gaps(cols, words)
	if !ok || w.Shape[0] != rows {
		return nil, checkpoint.Corruptf("part weight_packed has the shape %v, but weight_shape says %d×%d in %d bits", w.Shape, rows, cols, l.Bits)
	}
	m := &matrix{layout: l, rows: rows, cols: cols, meaning: integers(l.Bits, -1<<(l.Bits-1))}
	m.codes = stream{data: w.Data, words: words, bits: l.Bits, each: each}
	groups, err := m.scaled(p, l.Group)
	if err != nil {
		return nil, err
	}
	z, ok, err := p.optional("weight_zero_point", checkpoint.I32)
	if err != nil {
		return nil, err
	}
	if ok {
		if len(z.Shape) != 2 || z.Shape[1] != groups || z.Shape[0] != l.words(rows, each) {
			return nil, checkpoint.Corruptf("part weight_zero_point has the shape %v, not %v", z.Shape, []int{l.words(rows, each), groups})
		}
		m.zeros = zeros{
			codes:  columns{data: z.Data, rows: groups, bits: l.Bits, each: each},
			turned: true, meaning: m.meaning, wrap: 1<<l.Bits - 1,
		}
	}
	return m, m.indexed(p, groups)
}

// Ambiguous reports whether rows of so many codes take as many words with gaps as without, but
// lie in other places: then Gaps must be known to read them.
func (l Packed) Ambiguous(cols int) bool {
	if l.Bits < 1 || l.Bits > 8 || 32%l.Bits == 0 || cols <= 32/l.Bits || cols > math.MaxInt/8 {
		return false
	}
	return l.words(cols, 0) == l.words(cols, 32/l.Bits)
}

// words returns how many words hold n codes, each of them so many, or as many as fit if each
// is 0. The caller knows that 8·n is an int.
func (l Packed) words(n, each int) int {
	if each != 0 {
		return parts(n, each)
	}
	return parts(n*l.Bits, 32)
}

// gaps returns how many codes each word of a row has, 0 where they cross ends of words, and
// whether a row of so many words can have them.
func (l Packed) gaps(cols, words int) (each int, ok bool) {
	if cols > words*32 {
		return 0, false
	}
	if !l.Gaps && words == l.words(cols, 0) {
		return 0, true
	}
	each = 32 / l.Bits
	return each, words == l.words(cols, each)
}

// scaled finds the part weight_scale: one scale for the tensor, or one for each group of
// inputs of an output. It returns the number of groups of an output.
func (m *matrix) scaled(p Parts, size int) (groups int, err error) {
	s, err := p.take("weight_scale", floatTypes...)
	if err != nil {
		return 0, err
	}
	m.scales.inner = of(s, checkpoint.U8)
	if n, _ := product(s.Shape...); n == 1 && size <= 0 {
		if m.rows > 1 {
			return 1, nil
		}
		m.groups.rows = 1
		return 1, nil
	}
	if len(s.Shape) != 2 || s.Shape[0] != m.rows || s.Shape[1] < 1 {
		return 0, checkpoint.Corruptf("part weight_scale has the shape %v in a layer of %d outputs", s.Shape, m.rows)
	}
	m.groups.rows, m.groups.down, m.groups.across = 1, s.Shape[1], 1
	return s.Shape[1], m.groups.set(size, m.cols, s.Shape[1], "weight_scale")
}

// indexed finds the part weight_g_idx, if there is one, in a matrix of so many groups.
func (m *matrix) indexed(p Parts, groups int) error {
	index, ok, err := p.optional("weight_g_idx", checkpoint.I32)
	if err != nil || !ok {
		return err
	}
	if !slices.Equal(index.Shape, []int{m.cols}) {
		return checkpoint.Corruptf("part weight_g_idx has the shape %v in a layer of %d inputs", index.Shape, m.cols)
	}
	if index.Unread {
		return nil
	}
	unused := true
	for i := 0; unused && i < m.cols; i++ {
		g, _ := index.integer(i)
		unused = g == -1
	}
	if unused {
		return nil
	}
	ordered, err := checkIndex("weight_g_idx", index, groups, m.groups.cols)
	if err == nil && !ordered {
		m.groups.index = index.Data
	}
	return err
}

// Pack leaves no gaps unless the layout says so.
func (l Packed) Pack(w quant.Weights, q quant.Quantizer) (Parts, error) {
	rows, cols := w.Dims()
	if l.Bits < 1 || l.Bits > 8 || rows < 1 || cols < 1 || l.Group > 0 && cols%l.Group != 0 {
		return nil, cannot(l, "%d×%d weights", rows, cols)
	}
	each, groups := 0, 1
	if l.Gaps {
		each = 32 / l.Bits
	}
	if l.Group > 0 {
		groups = cols / l.Group
	}
	p := Parts{
		"weight_packed": blank(checkpoint.I32, rows, l.words(cols, each)),
		"weight_scale":  blank(orF16(l.Scales), rows, groups),
		"weight_shape":  numbers(checkpoint.I64, rows, cols),
	}
	if l.Asymmetric {
		p["weight_zero_point"] = blank(checkpoint.I32, l.words(rows, each), groups)
	}
	return filled(p, w, q, l.open)
}
