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

// TestRegistered runs the conformance suite on the schemes that follow tools.
func TestRegistered(t *testing.T) {
	never, exactly := -1.0, 0.0
	for name, props := range map[string]testquant.Properties{
		"int8-row": {Idempotent: never}, "int4-col": {Idempotent: never}, "int4-g128": {Idempotent: never}, "int3-g64-asym": {Idempotent: never}, "int16-row-asym": {Idempotent: never},
		"bnb-int8": {Idempotent: never}, "bnb-nf4": {Idempotent: exactly, Equivariant: true}, "bnb-fp4-b128": {Idempotent: never, Equivariant: true}, "bnb-nf4-dq": {Global: true, Idempotent: never},
		"quanto-qint8": {Idempotent: 1e-6, Equivariant: true}, "quanto-qint4": {Idempotent: never, Equivariant: true}, "quanto-qint2@bf16": {Idempotent: never, Equivariant: true},
		"quanto-qfloat8": {Idempotent: 1e-6, Equivariant: true}, "quanto-qfloat8-e5m2@f16": {Idempotent: never},
		"torchao-int8": {Idempotent: never}, "torchao-int8-g32": {Idempotent: never, Divides: 32}, "torchao-int4-g32": {Idempotent: never, Divides: 32, Equivariant: true}, "torchao-int4-g32-asym@bf16": {Idempotent: never, Divides: 32},
		"torchao-int4-tinygemm-g32": {Idempotent: never, Divides: 32}, "torchao-float8": {Idempotent: 1e-6, Equivariant: true}, "torchao-float8-tensor": {Idempotent: 1e-6, Equivariant: true},
		"gptq-int4-g128": {Idempotent: never, Equivariant: true}, "gptq-int3-row-asym": {Idempotent: never, Equivariant: true}, "gptq-int4-g32-mse": {Idempotent: never},
		"awq-int4-g32": {Idempotent: never, Divides: 32}, "awq-int4-g64-sym@f16": {Idempotent: never, Divides: 64},
		"ct-w4a16": {Idempotent: never, Divides: 128}, "ct-w4a16-asym@bf16": {Idempotent: never, Divides: 128}, "ct-w8a8": {Idempotent: never}, "ct-fp8": {Idempotent: 1e-6}, "ct-fp8-block": {Idempotent: 1e-6},
		"ct-nvfp4": {Global: true, Idempotent: never, Divides: 16}, "ct-nvfp4@f16": {Global: true, Idempotent: never, Divides: 16}, "ct-mxfp4": {Idempotent: never, Divides: 32}, "ct-mxfp8@bf16": {Idempotent: never, Divides: 32},
		"mlx-4bit": {Idempotent: never, Divides: 64}, "mlx-3bit-g32:cpu@bf16": {Idempotent: never, Divides: 32}, "mlx-mxfp4": {Idempotent: never, Divides: 32}, "mlx-nvfp4": {Idempotent: never, Divides: 16},
		"fp8-e4m3-tensor": {Idempotent: 1e-6, Equivariant: true}, "fp8-e4m3-row": {Idempotent: 1e-6, Equivariant: true}, "fp8-e5m2-row": {Idempotent: 1e-6, Equivariant: true}, "fp8-e4m3-direct": {Idempotent: exactly},
		"fp8-e4m3-b128": {Idempotent: 1e-6, Equivariant: true}, "fp8-e4m3-b128:ue8m0": {Idempotent: exactly, Equivariant: true},
		"mxfp4:floor": {Idempotent: exactly, Equivariant: true}, "mxfp4:even": {Idempotent: never, Equivariant: true}, "mxfp4:rceil": {Idempotent: never, Equivariant: true}, "mxfp6-e2m3:floor": {Idempotent: exactly, Equivariant: true},
		"mxfp8-e4m3:floor": {Idempotent: exactly, Equivariant: true}, "mxfp8-e5m2:ceil": {Idempotent: never, Equivariant: true}, "mxint8:floor": {Idempotent: exactly, Equivariant: true}, "mxfp4:microxcaling": {Idempotent: never, Equivariant: true},
		"nvfp4:modelopt": {Divides: 16, Global: true, Idempotent: never, Equivariant: true}, "nvfp4:torchao": {Divides: 16, Global: true, Idempotent: never, Equivariant: true}, "nvfp4:single": {Divides: 16, Idempotent: never},
		"bitnet":           {Idempotent: never},
		"quanto-qint4-hqq": {Global: true, Idempotent: never},
		"q4_0":             {Idempotent: never, Divides: 32}, "q4_1": {Idempotent: never, Divides: 32}, "q5_0": {Idempotent: never, Divides: 32}, "q5_1": {Idempotent: never, Divides: 32},
		"q8_0": {Idempotent: never, Divides: 32}, "iq4_nl": {Idempotent: never, Divides: 32}, "ggml-mxfp4": {Idempotent: never, Divides: 32, Equivariant: true}, "ggml-nvfp4": {Idempotent: never, Divides: 64},
		"q2_k": {Idempotent: never, Divides: 256}, "q3_k": {Idempotent: never, Divides: 256}, "q4_k": {Idempotent: never, Divides: 256}, "q5_k": {Idempotent: never, Divides: 256},
		"gguf:q4_k_m": {Idempotent: never, Divides: 256}, "gguf:iq4_nl:pure": {Idempotent: never, Divides: 32},
		"q6_k": {Idempotent: never, Divides: 256}, "iq4_xs": {Idempotent: never, Divides: 256}, "tq1_0": {Idempotent: never, Divides: 256}, "tq2_0": {Idempotent: never, Divides: 256},
		"q1_0": {Idempotent: never, Divides: 128}, "q2_0": {Idempotent: never, Divides: 64},
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
