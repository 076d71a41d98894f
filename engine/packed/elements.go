package packed

import (
	"fmt"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// Elements is the layout of weights with a code of 8 bits each:
//
//	weight             I8, F8_E4M3 or F8_E5M2 [outputs, inputs]
//	weight_scale       one number for the tensor, [outputs] or [outputs, 1] for rows, or one
//	                   for each tile: [outputs/Rows, inputs/Cols], rounded up
//	weight_zero_point  I8 or F8_E4M3, of the shape of the scales; it may be missing
//
// A weight is (code − zero) × scale. It is what compressed-tensors calls int-quantized,
// naive-quantized and float-quantized, FP8 in all checkpoints, such as those of DeepSeek-V3,
// whose scales of tiles of 128×128 are called weight_scale_inv and multiply all the same, MXFP8
// with tiles of 1×32 and scales in E8M0, and quanto's qint8 and qfloat8.
//
// Source: compressed-tensors ac8e2ba8; DeepSeek-V3 9b4e9788, inference/fp8_cast_bf16.py;
// optimum-quanto e33f8202, tensor/weights/qbytes.py.
type Elements struct {
	// Weight and Scale are the names of the parts; "weight" and "weight_scale" if empty.
	Weight, Scale string
	// Unscaled has no scales: codes are weights.
	Unscaled bool
	// Rows and Cols are the sides of a tile that shares a scale, 0 for all rows or columns: 0
	// and 0 have one for the tensor, 1 and 0 for each row.
	Rows, Cols int
	// DType is the type in which Pack stores weights; Open takes each.
	DType checkpoint.DType
	// Scales is the type in which Pack stores scales, F32 if it is not valid. Bytes, U8, are
	// read as E8M0.
	Scales checkpoint.DType
}

// Name returns the type, if there is one, and the tiles.
func (l Elements) Name() string {
	name := "8 bits"
	if l.DType != checkpoint.InvalidDType {
		name = l.DType.String()
	}
	if l.Unscaled {
		return name + " without scales"
	}
	return fmt.Sprintf("%s in tiles of %s", name, describe(quant.Granularity{Rows: l.Rows, Cols: l.Cols}))
}

// named returns the layout with the names of its parts.
func (l Elements) named() Elements {
	if l.Weight == "" {
		l.Weight = "weight"
	}
	if l.Scale == "" {
		l.Scale = "weight_scale"
	}
	return l
}

// zero is the name of the part of zero points.
func (l Elements) zero() string { return l.Weight + "_zero_point" }

// Open returns the weights of a layer.
func (l Elements) Open(p Parts) (Matrix, error) { return opened(l.open(p)) }

func (l Elements) open(p Parts) (*matrix, error) {
	l = l.named()
	if l.Rows < 0 || l.Cols < 0 {
		return nil, checkpoint.Corruptf("part %s has tiles of %d×%d", l.Scale, l.Rows, l.Cols)
	}
	w, err := p.taken(l.Weight, 2, checkpoint.I8, checkpoint.F8E4M3, checkpoint.F8E5M2)
	if err != nil {
		return nil, err
	}
	m := &matrix{layout: l, rows: w.Shape[0], cols: w.Shape[1], meaning: elements(w.DType)}
	m.codes = octets{w.Data, m.cols}
	if l.Unscaled {
		return m, nil
	}
	types := append([]checkpoint.DType{checkpoint.U8, checkpoint.F8E8M0}, floatTypes...)
	shapes, grid := l.shapes(m.rows, m.cols)
	s, err := p.shaped(l.Scale, types, shapes...)
	if err != nil {
		return nil, err
	}
	m.scales.inner = of(s, checkpoint.F8E8M0)
	m.groups = grouping{rows: l.Rows, cols: l.Cols, down: grid, across: 1}
	if _, ok := p[l.zero()]; ok {
		zero, err := p.shaped(l.zero(), []checkpoint.DType{checkpoint.I8, checkpoint.F8E4M3}, shapes...)
		if err != nil {
			return nil, err
		}
		m.zeros.numbers = of(zero, checkpoint.U8)
	}
	return m, nil
}

// shapes returns the shapes that scales may have, and how many tiles lie beside each other.
func (l Elements) shapes(rows, cols int) (shapes [][]int, across int) {
	down := 1
	across = 1
	if l.Rows != 0 {
		down = parts(rows, l.Rows)
	}
	if l.Cols != 0 {
		across = parts(cols, l.Cols)
	}
	shapes = [][]int{{down, across}}
	if l.Cols == 0 {
		shapes = append(shapes, []int{down})
	}
	if l.Rows == 0 && l.Cols == 0 {
		shapes = append(shapes, []int{})
	}
	return shapes, across
}

// Pack stores one scale of a tensor without dimensions, those of rows as [outputs, 1]. It
// stores no zero points.
func (l Elements) Pack(w quant.Weights, q quant.Quantizer) (Parts, error) {
	l = l.named()
	rows, cols := w.Dims()
	if rows < 1 || cols < 1 || elements(l.DType) == nil || l.Rows < 0 || l.Cols < 0 {
		return nil, cannot(l, "%d×%d weights as %v", rows, cols, l.DType)
	}
	p := Parts{l.Weight: blank(l.DType, rows, cols)}
	if !l.Unscaled {
		shapes, _ := l.shapes(rows, cols)
		shape := shapes[0]
		if l.Rows == 0 && l.Cols == 0 {
			shape = []int{}
		}
		scales := l.Scales
		if scales == checkpoint.InvalidDType {
			scales = checkpoint.F32
		}
		p[l.Scale] = blank(scales, shape...)
	}
	return filled(p, w, q, l.open)
}
