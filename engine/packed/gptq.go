package packed

import (
	"fmt"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// GPTQ is the layout of GPTQ checkpoints:
//
//	qweight  I32 [inputs·bits/32, outputs]  codes along the inputs, without gaps, from the lowest bits up
//	qzeros   I32 [groups, outputs·bits/32]  zero points along the outputs in the same way
//	scales   F16 [groups, outputs]          or BF16, F32
//	g_idx    I32 [inputs]                   the group of each input; it may be missing without act-order
//
// A weight is (code − zero) × scale. In the checkpoint format gptq, version 1, qzeros hold the
// zero points less 1, in gptq_v2 the zero points. Nothing in the tensors tells them apart.
//
// Source: AutoGPTQ 9f7d3707, nn_modules/qlinear; GPTQModel f4c327a1.
type GPTQ struct {
	Bits int // 2, 3, 4 or 8
	// Group is how many inputs share parameters; 0 or less stands for all of them.
	Group int
	// V2 is the checkpoint format gptq_v2.
	V2 bool
	// Zeros says how a stored zero of 2^bits - 1 is read in version 1.
	Zeros ZeroReading
	// Scales is the type in which Pack stores scales; F16 if it is not valid.
	Scales checkpoint.DType
	// RoundScales has Pack round scales to that type, as AutoGPTQ does once codes are chosen
	// with scales in float32. Weights then differ from those that the quantizer gives by up to
	// half a unit in the last place of the scale: by 2^-11 in float16, relatively, where the
	// scale is not below 2^-14.
	RoundScales bool
}

// A ZeroReading is how a program reads a zero point that GPTQ's version 1 stores as 2^bits - 1.
// The packers store that for 0, and programs disagree about what it is.
type ZeroReading int

const (
	// ZeroWraps reads 0: the sum has as many bits as the code. AutoGPTQ's older kernels do so.
	ZeroWraps ZeroReading = iota
	// ZeroWide reads 2^bits. AutoGPTQ's newer kernels do so.
	ZeroWide
	// ZeroCarries reads 0 and adds 1 to the next zero point in the word, as GPTQModel does when
	// it converts to version 2. It is known for 2, 4 and 8 bits.
	ZeroCarries
)

// Name returns the method, bits and version.
func (l GPTQ) Name() string {
	if l.V2 {
		return fmt.Sprintf("GPTQ v2, %d bits", l.Bits)
	}
	return fmt.Sprintf("GPTQ, %d bits", l.Bits)
}

func (l GPTQ) check() error {
	switch {
	case !slices.Contains([]int{2, 3, 4, 8}, l.Bits):
		return checkpoint.Unsupportedf("%s: qweight is read with 2, 3, 4 or 8 bits", l.Name())
	case l.Zeros < ZeroWraps || l.Zeros > ZeroCarries || l.Zeros == ZeroCarries && l.Bits == 3:
		return checkpoint.Unsupportedf("%s: there is no such reading of qzeros", l.Name())
	}
	return nil
}

// Open returns the weights of a layer.
func (l GPTQ) Open(p Parts) (Matrix, error) { return opened(l.open(p)) }

// opened keeps a nil matrix from becoming a Matrix that is not nil.
func opened(m *matrix, err error) (Matrix, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (l GPTQ) open(p Parts) (*matrix, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	w, err := p.taken("qweight", 2, checkpoint.I32)
	if err != nil {
		return nil, err
	}
	words, rows := w.Shape[0], w.Shape[1]
	if words*32%l.Bits != 0 || rows*l.Bits%32 != 0 {
		return nil, checkpoint.Corruptf("part qweight has the shape %v, which no whole number of inputs and outputs of %d bits has", w.Shape, l.Bits)
	}
	cols := words * 32 / l.Bits
	s, err := p.taken("scales", 2, floatTypes...)
	if err != nil {
		return nil, err
	}
	groups := s.Shape[0]
	if s.Shape[1] != rows || groups > cols {
		return nil, checkpoint.Corruptf("part scales has the shape %v, in a layer of %d outputs and %d inputs", s.Shape, rows, cols)
	}
	zeroWords := rows * l.Bits / 32
	z, err := p.shaped("qzeros", []checkpoint.DType{checkpoint.I32}, []int{groups, zeroWords})
	if err != nil {
		return nil, err
	}
	m := &matrix{layout: l, rows: rows, cols: cols, meaning: integers(l.Bits, 0), groups: grouping{rows: 1, down: 1, across: rows}}
	m.codes = columns{data: w.Data, rows: rows, bits: l.Bits}
	m.scales.inner = of(s, checkpoint.U8)
	m.zeros = zeros{turned: true, meaning: m.meaning, wrap: 1<<l.Bits - 1}
	stored := stream{data: z.Data, words: zeroWords, bits: l.Bits}
	if !l.V2 {
		l.version1(&m.zeros, &stored)
		if !z.Unread {
			m.notes = l.doubts(stream{data: z.Data, words: zeroWords, bits: l.Bits}, groups, rows)
		}
	}
	m.zeros.codes = stored
	if err := l.grouped(m, p, groups); err != nil {
		return nil, err
	}
	return m, nil
}

// version1 says how stored zero points become true ones.
func (l GPTQ) version1(z *zeros, stored *stream) {
	if l.Zeros == ZeroCarries {
		stored.add = uint32(1<<32-1) / (1<<l.Bits - 1) // a 1 in the lowest bit of each code
		return
	}
	z.after, z.wide = 1, l.Zeros == ZeroWide
}

// doubts tells of zero points that programs read in different ways.
func (l GPTQ) doubts(stored stream, groups, rows int) []string {
	count := 0
	for g := range groups {
		for r := range rows {
			if stored.at(g, r) == 1<<l.Bits-1 {
				count++
			}
		}
	}
	if count == 0 {
		return nil
	}
	reading := map[ZeroReading]string{ZeroWraps: "0", ZeroWide: fmt.Sprint(1 << l.Bits), ZeroCarries: "0 with a carry into the next one"}[l.Zeros]
	return []string{fmt.Sprintf("%d zero points are stored as %d, which programs read as 0 or as %d; here they are %s", count, 1<<l.Bits-1, 1<<l.Bits, reading)}
}

// grouped finds the groups of a matrix that has so many.
func (l GPTQ) grouped(m *matrix, p Parts, groups int) error {
	if err := m.groups.set(l.Group, m.cols, groups, "scales"); err != nil {
		return err
	}
	index, ok, err := p.optional("g_idx", checkpoint.I32)
	if err != nil || !ok {
		return err
	}
	if !slices.Equal(index.Shape, []int{m.cols}) {
		return checkpoint.Corruptf("part g_idx has the shape %v in a layer of %d inputs", index.Shape, m.cols)
	}
	ordered, err := checkIndex("g_idx", index, groups, l.Group)
	if err == nil && !ordered {
		m.groups.index = index.Data
	}
	return err
}

// checkIndex checks that the group of each column is one of so many, and reports whether they
// are those of groups of size columns, or of all columns.
func checkIndex(name string, index Part, groups, size int) (ordered bool, err error) {
	ordered = true
	n := len(index.Data) / 4
	for i := range n {
		g, _ := index.integer(i)
		if g < 0 || g >= groups {
			return false, checkpoint.Corruptf("part %s says group %d for input %d, of %d groups", name, g, i, groups)
		}
		want := 0
		if size > 0 {
			want = i / size
		}
		ordered = ordered && g == want
	}
	return ordered, nil
}

// set makes it groups of size columns each, or of all if size is not above 0, of which there
// must be as many as the part called by name says.
func (g *grouping) set(size, cols, groups int, name string) error {
	if size <= 0 {
		size = cols
		g.cols = 0
	} else {
		g.cols = size
	}
	if want := parts(cols, size); groups != want {
		return checkpoint.Corruptf("part %s has %d groups, where %d inputs in groups of %d have %d", name, groups, cols, size, want)
	}
	return nil
}

// Pack stores (code − 1) mod 2^bits for zero points in version 1. Inputs and outputs must be
// such that their codes fill whole words: a multiple of 32 always does.
func (l GPTQ) Pack(w quant.Weights, q quant.Quantizer) (Parts, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	rows, cols := w.Dims()
	if rows*l.Bits%32 != 0 || cols*l.Bits%32 != 0 || rows < 1 || cols < 1 {
		return nil, cannot(l, "%d×%d weights: codes of inputs and of outputs must fill words of 32 bits", rows, cols)
	}
	groups := 1
	if l.Group > 0 {
		groups = parts(cols, l.Group)
	}
	index := make([]int, cols)
	for i := range index {
		if l.Group > 0 {
			index[i] = i / l.Group
		}
	}
	p := Parts{
		"qweight": blank(checkpoint.I32, cols*l.Bits/32, rows),
		"qzeros":  blank(checkpoint.I32, groups, rows*l.Bits/32),
		"scales":  blank(orF16(l.Scales), groups, rows),
		"g_idx":   numbers(checkpoint.I32, index...),
	}
	l.Zeros = ZeroWraps
	return filled(p, w, q, func(p Parts) (*matrix, error) {
		m, err := l.open(p)
		if err == nil {
			m.scales.rounds = l.RoundScales
		}
		return m, err
	})
}

// orF16 returns a type of scales, F16 if there is none.
func orF16(d checkpoint.DType) checkpoint.DType {
	if slices.Contains(floatTypes, d) {
		return d
	}
	return checkpoint.F16
}

// filled opens blank parts and stores in them what q makes of w.
func filled(p Parts, w quant.Weights, q quant.Quantizer, open func(Parts) (*matrix, error)) (Parts, error) {
	m, err := open(p)
	if err != nil {
		return nil, err
	}
	if err := m.fill(w, q); err != nil {
		return nil, err
	}
	return p, nil
}
