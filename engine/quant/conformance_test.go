package quant_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/quant/testquant"
)

func TestConformance(t *testing.T) {
	for name, props := range map[string]testquant.Properties{
		"fp16": {Idempotent: 0},
		// The largest weight comes back to within one unit in the last place, and
		// moves the step by as much.
		"8bit": {Idempotent: 1e-6, Equivariant: true}, "5bit": {Idempotent: 1e-6, Equivariant: true},
		"4bit": {Idempotent: 1e-6, Equivariant: true}, "2bit": {Idempotent: 1e-6, Equivariant: true},
		"16bit":     {Idempotent: 1e-6, Equivariant: true},
		"8bit-asym": {Idempotent: 1e-6, Equivariant: true}, "4bit-asym": {Idempotent: 1e-6, Equivariant: true},
		"2bit-asym": {Idempotent: 1e-6, Equivariant: true},
	} {
		t.Run(name, func(t *testing.T) { testquant.Test(t, name, props) })
	}
}

// TestVectors: testdata/uniform.json was computed by the definition in the package
// documentation, every step rounded to float32, in another language.
func TestVectors(t *testing.T) { testquant.Vectors(t, "testdata/uniform.json") }

// runs is a scheme of 4 bits with one scale for each run of weights of the flattened
// tensor, across rows, and the scales quantized to 8 bits by the largest of them: what
// needs all of the tensor before the first weight is dequantized.
type runs int

func (r runs) Name() string                   { return "runs" }
func (r runs) BitsPerWeight(int, int) float64 { return 4 + 8/float64(r) }
func (r runs) Granularity() quant.Granularity { return quant.Granularity{Run: int(r)} }

func (r runs) Fit(w quant.Weights, out checkpoint.DType) (quant.Quantizer, error) {
	limit := float32(math.MaxFloat32)
	if out == checkpoint.F16 {
		limit = 65504
	}
	switch bounds := w.Range(); {
	case out.Encoding() == nil || bounds.NonFinite > 0:
		return nil, fmt.Errorf("%d weights are not finite", bounds.NonFinite)
	case bounds.AbsMax() > limit:
		return nil, quant.ErrOverflow
	}
	rows, cols := w.Dims()
	q := &runQuantizer{run: int(r), cols: cols, out: out, scales: make([]float32, (rows*cols+int(r)-1)/int(r))}
	w.Each(1, func(p quant.Piece) {
		p.EachRow(func(row, col, at, n int) {
			for i, v := range p.W[at : at+n] {
				s := &q.scales[(row*cols+col+i)/q.run]
				*s = max(*s, v/7, -v/7)
			}
		})
	})
	top := slices.Max(q.scales)
	for i, s := range q.scales {
		if step := top / 255; step > 0 {
			q.scales[i] = float32(math.Ceil(float64(s/step))) * step
		}
	}
	return q, nil
}

type runQuantizer struct {
	run, cols int
	out       checkpoint.DType
	scales    []float32
}

func (q *runQuantizer) Dequantize(dst []float32, p quant.Piece) {
	p.EachRow(func(row, col, at, n int) {
		for i, v := range p.W[at : at+n] {
			if s := q.scales[(row*q.cols+col+i)/q.run]; s > 0 {
				v = float32(math.RoundToEven(float64(v/s))) * s
			}
			dst[at+i] = v
		}
	})
	q.out.Round(dst)
}

// columns is runs, of every row by itself: groups that must not be parted, with scales
// that are found while the weights are dequantized.
type columns int

func (c columns) Name() string                   { return "columns" }
func (c columns) BitsPerWeight(int, int) float64 { return 4 + 32/float64(c) }
func (c columns) Granularity() quant.Granularity { return quant.Granularity{Rows: 1, Cols: int(c)} }

func (c columns) Fit(w quant.Weights, out checkpoint.DType) (quant.Quantizer, error) {
	if _, err := runs(8).Fit(w, out); err != nil {
		return nil, err
	}
	return columnQuantizer{int(c), out}, nil
}

type columnQuantizer struct {
	cols int
	out  checkpoint.DType
}

func (q columnQuantizer) Dequantize(dst []float32, p quant.Piece) {
	p.EachRow(func(_, col, at, n int) {
		if col%q.cols != 0 {
			panic("a group is parted")
		}
		for from := at; from < at+n; from += q.cols {
			group := p.W[from:min(from+q.cols, at+n)]
			s := quant.RangeOf(group).AbsMax() / 7
			for i, v := range group {
				if s > 0 {
					v = float32(math.RoundToEven(float64(v/s))) * s
				}
				dst[from+i] = v
			}
		}
	})
	q.out.Round(dst)
}

// TestGrouped: the interface carries schemes whose parameters are shared across rows and
// need the whole tensor first, and schemes that find those of a group as they go.
func TestGrouped(t *testing.T) {
	for _, s := range []quant.Scheme{runs(8), runs(64), runs(100), columns(16), columns(32)} {
		props := testquant.Properties{Idempotent: -1, Equivariant: true}
		if _, ok := s.(runs); ok {
			// Scales that are quantized by the largest one share it.
			t.Run(fmt.Sprint(s.Name(), s), func(t *testing.T) { testquant.TestScheme(t, double{s.(runs)}, props) })
			continue
		}
		t.Run(fmt.Sprint(s.Name(), s), func(t *testing.T) { testquant.TestScheme(t, s, props) })
	}
}

// double says truly that the second level of scales is shared by all weights.
type double struct{ runs }

func (double) Granularity() quant.Granularity { return quant.Granularity{} }
