package packed

import (
	"fmt"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// HQQ is the layout of HQQ's state dictionaries, as the library writes it to safetensors:
//
//	W_q         U8, or I32 for 3 bits   packed codes of the groups
//	scale       F16, BF16 or F32        [groups, 1], or [1, groups] for axis 0
//	zero        as scale
//	nbits, group_size, axis             I32 or I64, one number
//	shape       I64 [2]                 outputs and inputs
//	packing     U8                      "4bit_u8" and so on
//
// The flattened weights are a matrix with groups as rows, or as columns for axis 0. Its rows are
// cut into as many parts of equal height as codes go into a word, and the parts lie on each
// other, the first in the highest bits: two for 4 bits, four for 2 bits, eight for 1 bit; ten for
// 3 bits, in the lowest 30 bits of a word, where rows are filled up to a multiple of ten. A
// weight is (code − zero) × scale. All that Open must know but Compute is there; the other
// fields are for Pack.
//
// Source: hqq e0b1d00e, core/quantize.py, core/bitpack.py.
type HQQ struct {
	Bits  int  // 1, 2, 3, 4 or 8
	Group int  // weights of a group; 0 or less: a row
	Axis0 bool // groups run along the first dimension
	// Scales is the type in which Pack stores scales and zero points; F16 if it is not valid.
	Scales checkpoint.DType
	// Compute is the type that differences and products are rounded to, float32 if it is not
	// F16 or BF16.
	Compute checkpoint.DType
}

// Name returns the method, bits and axis.
func (l HQQ) Name() string {
	if l.Axis0 {
		return fmt.Sprintf("HQQ, %d bits, axis 0", l.Bits)
	}
	return fmt.Sprintf("HQQ, %d bits", l.Bits)
}

// hqqPackings are the packings by bits: how many bytes a word has, how many parts go into it, and
// by how many bits the first of them is shifted.
var hqqPackings = map[int]struct {
	name             string
	size, parts, top int
}{
	8: {"8bit_u8", 1, 1, 0}, 4: {"4bit_u8", 1, 2, 4}, 3: {"3bit_32", 4, 10, 27}, 2: {"2bit_u8", 1, 4, 6}, 1: {"1bit_u8", 1, 8, 7},
}

// Open returns the weights of a layer.
func (l HQQ) Open(p Parts) (Matrix, error) { return opened(l.open(p)) }

func (l HQQ) open(p Parts) (*matrix, error) {
	whole := []checkpoint.DType{checkpoint.I32, checkpoint.I64}
	bits, err := p.whole("nbits", whole...)
	if err != nil {
		return nil, err
	}
	packing, ok := hqqPackings[bits]
	name, err := p.take("packing", checkpoint.U8)
	if err != nil {
		return nil, err
	}
	if !ok || string(name.Data) != packing.name {
		return nil, checkpoint.Unsupportedf("part packing is %s for %d bits, which is not read", checkpoint.Quote(string(name.Data)), bits)
	}
	axis, err := p.whole("axis", whole...)
	if err != nil {
		return nil, err
	}
	if axis != 0 && axis != 1 {
		return nil, checkpoint.Corruptf("part axis is %d", axis)
	}
	if _, ok := p["view_as_float"]; ok {
		if view, err := p.whole("view_as_float", checkpoint.U8); err != nil || view != 0 {
			return nil, checkpoint.Unsupportedf("part view_as_float is not 0: codes stored as floats are not read")
		}
	}
	rows, cols, err := p.pair("shape")
	if err != nil {
		return nil, err
	}
	group := cols
	if _, ok := p["group_size"]; ok {
		if group, err = p.whole("group_size", whole...); err != nil {
			return nil, err
		}
	}
	if group < 1 || rows*cols%group != 0 {
		return nil, checkpoint.Corruptf("part group_size is %d, which does not divide %d×%d weights", group, rows, cols)
	}
	m := &matrix{layout: l, rows: rows, cols: cols, meaning: integers(bits, 0), compute: l.Compute}
	return m, l.grouped(m, p, bits, group, axis)
}

// grouped finds codes and parameters.
func (l HQQ) grouped(m *matrix, p Parts, bits, group, axis int) error {
	packing := hqqPackings[bits]
	count := m.rows * m.cols / group
	height, width, shape := count, group, []int{count, 1}
	m.groups.run = group
	if axis == 0 {
		height, width, shape = group, count, []int{1, count}
		m.groups = grouping{every: count}
	}
	if packing.size == 1 && height%packing.parts != 0 {
		return checkpoint.Corruptf("part W_q cannot hold %d rows in %d parts", height, packing.parts)
	}
	height = parts(height, packing.parts)
	types := []checkpoint.DType{checkpoint.U8}
	if packing.size == 4 {
		types[0] = checkpoint.I32
	}
	w, err := p.shaped("W_q", types, []int{height, width})
	if err != nil {
		return err
	}
	m.codes = planes{data: w.Data, size: packing.size, bits: bits, cols: m.cols, width: width, height: height, top: packing.top}
	s, err := p.shaped("scale", floatTypes, shape)
	if err != nil {
		return err
	}
	z, err := p.shaped("zero", floatTypes, shape)
	if err != nil {
		return err
	}
	m.scales.inner, m.zeros.numbers = of(s, checkpoint.U8), of(z, checkpoint.U8)
	return nil
}

// Pack stores the parts that the library asks for when it reads them. Groups must divide the
// number of weights, and parts the number of groups, or of weights of one for axis 0.
func (l HQQ) Pack(w quant.Weights, q quant.Quantizer) (Parts, error) {
	rows, cols := w.Dims()
	packing, ok := hqqPackings[l.Bits]
	group := l.Group
	if group <= 0 {
		group = cols
	}
	n, fits := product(rows, cols)
	if !ok || !fits || n < 1 || n%group != 0 {
		return nil, cannot(l, "%d×%d weights in groups of %d", rows, cols, group)
	}
	height, width, shape, axis := n/group, group, []int{n / group, 1}, 1
	if l.Axis0 {
		height, width, shape, axis = group, n/group, []int{1, n / group}, 0
	}
	if packing.size == 1 && height%packing.parts != 0 {
		return nil, cannot(l, "%d rows of groups, which %d parts do not divide", height, packing.parts)
	}
	codes := checkpoint.U8
	if packing.size == 4 {
		codes = checkpoint.I32
	}
	text := func(s string) Part { return Part{DType: checkpoint.U8, Shape: []int{len(s)}, Data: []byte(s)} }
	flag := func(on bool) Part {
		if on {
			return scalar(checkpoint.U8, 1)
		}
		return scalar(checkpoint.U8, 0)
	}
	p := Parts{
		"W_q":   blank(codes, parts(height, packing.parts), width),
		"scale": blank(orF16(l.Scales), shape...), "zero": blank(orF16(l.Scales), shape...),
		"nbits": scalar(checkpoint.I32, l.Bits), "group_size": scalar(checkpoint.I32, group), "axis": scalar(checkpoint.I32, axis),
		"shape": numbers(checkpoint.I64, rows, cols), "packing": text(packing.name), "unpack_view_dtype": text("torch.uint8"),
		"view_as_float": flag(false), "channel_wise": flag(true), "optimize": flag(true), "round_zero": flag(l.Bits == 4),
		"encoded_state_dict": flag(true), "stores_quant_config": flag(true),
	}
	return filled(p, w, q, l.open)
}
