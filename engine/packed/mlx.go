package packed

import (
	"fmt"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// MLX is the layout of quantized weights of MLX. In the mode affine:
//
//	weight  U32 [outputs, inputs·bits/32]  codes along the inputs, without gaps, from the lowest bits up
//	scales  F32, F16 or BF16 [outputs, inputs/group]
//	biases  as scales
//
// A weight is code × scale + bias, each operation in the type of the scales. The other modes have
// no biases, and bytes as scales: mxfp4 E2M1 elements and mxfp8 E4M3 elements with powers
// of two for groups of 32, nvfp4 E2M1 elements with scales in E4M3 for groups of 16.
//
// Source: MLX 846d1762, ops.cpp, backend/metal/kernels/fp_quantized.h.
type MLX struct {
	Mode  MLXMode
	Bits  int // 2, 3, 4, 5, 6 or 8, of the mode affine
	Group int // of the mode affine
	// Scales is the type in which Pack stores scales and biases; F16 if it is not valid.
	Scales checkpoint.DType
	// Wide computes in float32, whatever the type of the scales is.
	Wide bool
}

// An MLXMode is a mode of quantization of MLX.
type MLXMode int

// The modes, as MLX calls them in lower case.
const (
	Affine MLXMode = iota
	MLXMXFP4
	MLXMXFP8
	MLXNVFP4
)

// mode returns bits and size of groups of a mode, what elements mean, and the type of scales.
func (l MLX) mode() (bits, group int, m *meaning, scale checkpoint.DType, ok bool) {
	switch l.Mode {
	case Affine:
		if !slices.Contains([]int{2, 3, 4, 5, 6, 8}, l.Bits) || l.Group < 1 {
			return 0, 0, nil, 0, false
		}
		return l.Bits, l.Group, integers(l.Bits, 0), checkpoint.InvalidDType, true
	case MLXMXFP4:
		return 4, 32, e2m1, checkpoint.F8E8M0, true
	case MLXMXFP8:
		return 8, 32, e4m3, checkpoint.F8E8M0, true
	case MLXNVFP4:
		return 4, 16, e2m1, checkpoint.F8E4M3, true
	}
	return 0, 0, nil, 0, false
}

// Name returns the mode, and bits and size of groups of the mode affine.
func (l MLX) Name() string {
	if l.Mode == Affine {
		return fmt.Sprintf("MLX, %d bits, groups of %d", l.Bits, l.Group)
	}
	return "MLX, " + [...]string{"", "mxfp4", "mxfp8", "nvfp4"}[l.Mode&3]
}

// Open returns the weights of a layer.
func (l MLX) Open(p Parts) (Matrix, error) { return opened(l.open(p)) }

func (l MLX) open(p Parts) (*matrix, error) {
	bits, group, meaning, kind, ok := l.mode()
	if !ok {
		return nil, checkpoint.Unsupportedf("part weight has %d bits in groups of %d, which MLX does not have", l.Bits, l.Group)
	}
	w, err := p.taken("weight", 2, checkpoint.U32)
	if err != nil {
		return nil, err
	}
	rows, words := w.Shape[0], w.Shape[1]
	cols := words * 32 / bits
	if words*32%bits != 0 || cols%group != 0 {
		return nil, checkpoint.Corruptf("part weight has rows of %d words, which no groups of %d weights of %d bits fill", words, group, bits)
	}
	m := &matrix{layout: l, rows: rows, cols: cols, meaning: meaning, codes: stream{data: w.Data, words: words, bits: bits}}
	m.groups = grouping{rows: 1, cols: group, down: cols / group, across: 1}
	types := []checkpoint.DType{checkpoint.U8}
	if l.Mode == Affine {
		types = floatTypes
	}
	s, err := p.shaped("scales", types, []int{rows, cols / group})
	if err != nil {
		return nil, err
	}
	m.scales.inner = of(s, kind)
	if l.Mode != Affine {
		return m, nil
	}
	b, err := p.shaped("biases", []checkpoint.DType{s.DType}, s.Shape)
	if err != nil {
		return nil, err
	}
	m.biases = of(b, kind)
	if !l.Wide {
		m.compute = s.DType
	}
	return m, nil
}

// Pack takes rows of whole groups.
func (l MLX) Pack(w quant.Weights, q quant.Quantizer) (Parts, error) {
	rows, cols := w.Dims()
	bits, group, _, _, ok := l.mode()
	if !ok || rows < 1 || cols < 1 || cols%group != 0 || cols*bits%32 != 0 {
		return nil, cannot(l, "%d×%d weights", rows, cols)
	}
	p := Parts{"weight": blank(checkpoint.U32, rows, cols*bits/32)}
	if l.Mode == Affine {
		p["scales"], p["biases"] = blank(orF16(l.Scales), rows, cols/group), blank(orF16(l.Scales), rows, cols/group)
	} else {
		p["scales"] = blank(checkpoint.U8, rows, cols/group)
	}
	return filled(p, w, q, l.open)
}

// BitNet is the layout of BitNet b1.58 in transformers:
//
//	weight        U8 [outputs/4, inputs]
//	weight_scale  F32, F16 or BF16 [1]
//
// The outputs are cut into four parts of equal height that lie on each other, the first in the
// lowest two bits. A weight is (code − 1) / scale in models of BitLinear, and (code − 1) × scale
// in those of AutoBitLinear.
//
// Source: transformers 0b4060e7, integrations/bitnet.py.
type BitNet struct {
	// Multiplies is the rule of AutoBitLinear.
	Multiplies bool
}

// Name returns the method.
func (l BitNet) Name() string {
	if l.Multiplies {
		return "BitNet, AutoBitLinear"
	}
	return "BitNet"
}

// Open returns the weights of a layer.
func (l BitNet) Open(p Parts) (Matrix, error) { return opened(l.open(p)) }

func (l BitNet) open(p Parts) (*matrix, error) {
	w, err := p.taken("weight", 2, checkpoint.U8)
	if err != nil {
		return nil, err
	}
	s, err := p.shaped("weight_scale", floatTypes, []int{1}, []int{})
	if err != nil {
		return nil, err
	}
	m := &matrix{layout: l, rows: 4 * w.Shape[0], cols: w.Shape[1], meaning: integers(2, -1)}
	m.codes = planes{data: w.Data, size: 1, bits: 2, cols: m.cols, width: m.cols, height: w.Shape[0], top: -1}
	m.scales = scales{inner: of(s, checkpoint.U8), invert: !l.Multiplies}
	return m, nil
}

// Pack takes a multiple of four outputs, and stores the scale in float32.
func (l BitNet) Pack(w quant.Weights, q quant.Quantizer) (Parts, error) {
	rows, cols := w.Dims()
	if rows < 1 || cols < 1 || rows%4 != 0 {
		return nil, cannot(l, "%d×%d weights: outputs must be a multiple of 4", rows, cols)
	}
	return filled(Parts{"weight": blank(checkpoint.U8, rows/4, cols), "weight_scale": blank(checkpoint.F32, 1)}, w, q, l.open)
}
