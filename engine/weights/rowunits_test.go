package weights

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// fitRows returns a quantizer of a level for a tensor whose weights are said to be of type in.
func fitRows(t *testing.T, w *Tensor, level string, in, out checkpoint.DType) quant.Quantizer {
	t.Helper()
	recipe, err := quant.Parse(level)
	if err != nil {
		t.Fatal(err)
	}
	q, err := recipe.For(quant.Target{Rows: w.Rows, Cols: w.Cols, DType: in}).Fit(w, out)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// withZeroRows sets the weights of every third row to zero, and makes those of the first smaller
// than the others.
func withZeroRows(t *Tensor, w []float32, d checkpoint.DType) {
	for i := range w {
		if row := i / t.Cols; row%3 == 1 {
			w[i] = 0
		} else if row == 0 {
			w[i] /= 64
		}
	}
	d.Encode(t.Data, w)
}

// TestRowUnits: at levels with a scale for each row the panels of integers, times the units, are
// the dequantized weights, exactly in narrow types; the sums of squares are those of the integers;
// the meter sees what it sees on the float route. Tall matrices have no units.
func TestRowUnits(t *testing.T) {
	var buf Buffers
	for _, in := range []checkpoint.DType{checkpoint.F32, checkpoint.F64, checkpoint.BF16, checkpoint.F16} {
		for _, s := range [][2]int{{1, 3}, {1, 9001}, {7, 13}, {40, 40}, {64, 320}, {33, 8261}, {130, 131}, {41, 40}} {
			rows, cols := s[0], s[1]
			for _, level := range []string{"int8-row", "int4-row-asym", "int16-row", "bnb-int8", "quanto-qint8", "torchao-int8", "torchao-int4-row-asym", "gptq-int4-row", "gptq-int8-row", "ct-w8a8", "ct-w8a8@bf16"} {
				tensor, w := stored(in.Encoding(), rows, cols)
				withZeroRows(tensor, w, in)
				for _, out := range []checkpoint.DType{in, checkpoint.F32} {
					where := fmt.Sprintf("%v %d×%d at %s in %v", in, rows, cols, level, out)
					q := fitRows(t, tensor, level, in, out)
					want := make([]float32, len(w))
					q.Dequantize(want, quant.Piece{W: w, Width: cols})
					errs := quant.NewMeter(q)
					errs.Add(w, want)
					if _, ok := Matrix(tensor, View{Quantizer: q, Float: true}, &buf).(spectrum.RowIntMatrix); ok {
						t.Fatalf("%s: units where floats are asked for", where)
					}
					meter := quant.NewMeter(q)
					m, ok := Matrix(tensor, View{Quantizer: q, Meter: meter}, &buf).(spectrum.RowIntMatrix)
					// Products of codes of 8 bits are too wide in float16, as all of 16 are in both types.
					if must := rows <= cols && (level == "int4-row" || level == "bnb-int8" && out == checkpoint.F32); must && !ok || ok && rows > cols {
						t.Fatalf("%s: units %v", where, ok)
					}
					if !ok {
						continue
					}
					got, squares := readRows(t, m, cols)
					exact := out == checkpoint.BF16 || out == checkpoint.F16
					for i, n := range got {
						v := float64(n) * m.Units()[i/cols]
						if e := math.Abs(v - float64(want[i])); exact && e != 0 || e > 0x1p-23*math.Abs(v) {
							t.Fatalf("%s: weight %d is %v, want %v", where, i, v, want[i])
						}
					}
					for i := range squares {
						sum := 0.0
						for _, n := range got[i*cols:][:cols] {
							sum += float64(n) * float64(n)
						}
						if squares[i] != sum {
							t.Errorf("%s: the squares of row %d add up to %v, want %v", where, i, squares[i], sum)
						}
					}
					a, b := meter.Errors(), errs.Errors()
					if a.Unique != b.Unique || a.MaxAbs != b.MaxAbs || !near(a.MSE, b.MSE) || !near(a.MAE, b.MAE) || !near(a.Relative, b.Relative) {
						t.Errorf("%s: errors %+v, want %+v", where, a, b)
					}
				}
			}
		}
	}
}

// readRows returns the integers of a matrix in row-major order, read in panels of columns, and
// the sums of their squares.
func readRows(t *testing.T, m spectrum.RowIntMatrix, cols int) (all []int, squares []float64) {
	rows := len(m.Units())
	all, squares = make([]int, rows*cols), make([]float64, rows)
	step := max(1, min(cols/3, 4000))
	for first := 0; first < cols; first += step {
		count := min(step, cols-first)
		panel := make([]int16, rows*count)
		if m.Max() <= math.MaxInt8 {
			narrow := make([]int8, len(panel))
			m.Panel8(narrow, first, count, squares)
			for i, v := range narrow {
				panel[i] = int16(v)
			}
		} else {
			m.Panel16(panel, first, count, squares)
		}
		for i, v := range panel {
			if n := int(v); n > m.Max() || -n > m.Max() {
				t.Fatalf("the integer %d, at most %d", n, m.Max())
			}
			all[i/count*cols+first+i%count] = int(v)
		}
	}
	return all, squares
}

// TestRowUnitsOverflow: a row whose scale has no inverse in float32, or whose multiples are
// beyond 16 bits, leaves the matrix to the float route.
func TestRowUnitsOverflow(t *testing.T) {
	tensor, w := stored(checkpoint.F32.Encoding(), 4, 64)
	for i := range 64 {
		w[i] *= 0x1p-125
	}
	checkpoint.F32.Encode(tensor.Data, w)
	for level, out := range map[string]checkpoint.DType{"quanto-qint8": checkpoint.F32, "int16-row": checkpoint.BF16} {
		q := fitRows(t, tensor, level, checkpoint.F32, out)
		if _, _, ok := q.(quant.RowIntegral).RowUnits(math.MaxInt16); ok {
			t.Errorf("%s has units", level)
		}
	}
	if units, _, ok := fitRows(t, tensor, "int8-row", checkpoint.F32, checkpoint.F32).(quant.RowIntegral).RowUnits(127); !ok || slices.Contains(units, 0) {
		t.Errorf("int8-row: units %v, %v", units, ok)
	}
}
