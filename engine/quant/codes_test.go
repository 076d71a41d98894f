package quant_test

import (
	"math/rand/v2"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// TestEncoder: in float32, codes and parameters give the weights that Dequantize gives, read in
// whole and in pieces; scales in two parts give the scale; and every weight is in one group.
func TestEncoder(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	w := quant.Dense{Rows: 24, Cols: 256, W: make([]float32, 24*256)}
	for i := range w.W {
		if i/64%5 != 3 {
			w.W[i] = float32(0.02 * rng.NormFloat64())
		}
	}
	for _, name := range []string{
		"int4-g128-asym", "int8-row", "int5-col", "bnb-int8", "bnb-nf4", "bnb-nf4-b128-dq", "bnb-fp4-dq", "bnb-dynamic8", "gptq-int4-g32-asym", "gptq-int3-row", "awq-int4-g64", "ct-w4a16-asym", "ct-w8a8",
		"ct-fp8-block", "ct-nvfp4", "ct-mxfp4", "nvfp4:modelopt", "nvfp4:torchao", "mxfp6-e2m3:even", "mxint8:floor", "fp8-e5m2-tensor", "fp8-e4m3-b128:transformers", "mlx-4bit", "mlx-3bit-g32:cpu", "mlx-nvfp4",
		"quanto-qint4", "quanto-qint8", "torchao-int8", "torchao-int4-g64-asym", "hqq-int4-g64:f32", "hqq-int3-g64-axis0:f32", "hqq-int2-g512-noopt:f32", "bitnet",
	} {
		recipe, err := quant.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		s := recipe.For(quant.Target{Rows: w.Rows, Cols: w.Cols, DType: checkpoint.F32})
		q, err := s.Fit(w, checkpoint.F32)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float32, len(w.W))
		q.Dequantize(want, quant.Piece{W: w.W, Width: w.Cols})
		e := q.(quant.Encoder)
		for _, cut := range []int{w.Cols, 128} {
			for row := range w.Rows {
				for col := 0; col < w.Cols; col += cut {
					p := quant.Piece{W: w.W[row*w.Cols+col:][:cut], Row: row, Col: col, Width: w.Cols}
					codes, next := make([]float32, cut), 0
					e.Encode(codes, p, func(at, n int, g quant.Group) {
						if at != next || n < 1 {
							t.Fatalf("%s: a group of %d weights at %d, after %d", name, n, at, next)
						}
						next = at + n
						compareGroup(t, name, codes[at:at+n], want[row*w.Cols+col+at:][:n], g)
					})
					if next != cut {
						t.Errorf("%s: groups of %d of %d weights", name, next, cut)
					}
				}
			}
		}
	}
}

// compareGroup compares what the codes of a group stand for with weights.
func compareGroup(t *testing.T, name string, codes, want []float32, g quant.Group) {
	t.Helper()
	if product, quotient := float32(g.Inner*g.Outer)+g.Offset, g.Inner/g.Outer; g.Scale != product && g.Scale != quotient && name != "bitnet" {
		t.Errorf("%s: the scale %g is none of %g, %g and %g", name, g.Scale, g.Inner, g.Outer, g.Offset)
	}
	for i, c := range codes {
		v := float32((c-g.Zero)*g.Scale) + g.Bias
		if name == "bnb-int8" {
			v *= 7.874015718698502e-3
		}
		if v != want[i] {
			t.Errorf("%s: the code %g of %+v gives %g, not %g", name, c, g, v, want[i])
			return
		}
	}
}
