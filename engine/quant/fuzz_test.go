package quant_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// FuzzSchemes: whatever finite weights a tensor has, a scheme refuses it or gives finite
// weights, the same ones in whatever pieces it is read, and zeros for zeros where rows are all
// zeros.
func FuzzSchemes(f *testing.F) {
	all := quant.Descriptions()
	for i := range all {
		f.Add(uint16(i), uint8(i), []byte{0, 0, 0x80, 0x3f, 1, 0, 0, 0, 0xff, 0xff, 0x7f, 0x7f})
		f.Add(uint16(i), uint8(i), []byte{0xff, 0xff, 0x7f, 0x80, 0, 0, 0, 0x80, 0x12, 0x34, 0x56, 0x38})
	}
	f.Fuzz(func(t *testing.T, which uint16, how uint8, data []byte) {
		d := all[int(which)%len(all)]
		recipe, err := quant.Parse(d.Name)
		if err != nil {
			t.Fatal(err)
		}
		rows, cols := 3, 256
		if how&1 != 0 {
			cols = 250 // which groups do not divide
		}
		types := []checkpoint.DType{checkpoint.F32, checkpoint.BF16, checkpoint.F16}
		from := types[int(how>>1)%3]
		w := make([]float32, rows*cols)
		for i := range w[:2*cols] { // the last row is zeros
			if len(data) >= 4 {
				at := i * 4 % (len(data) - 3)
				w[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[at:]) ^ uint32(i)<<13)
			}
			if w[i]-w[i] != 0 {
				w[i] = 0
			}
		}
		from.Round(w)
		for _, v := range w {
			if v-v != 0 {
				return
			}
		}
		s := recipe.For(quant.Target{Name: "a.weight", Rows: rows, Cols: cols, DType: from})
		out := checkpoint.F32
		if o, ok := s.(quant.Outputting); ok {
			out = o.Output(from)
		}
		dense := quant.Dense{Rows: rows, Cols: cols, W: w}
		q, err := s.Fit(dense, out)
		if err != nil {
			return
		}
		whole, parts := make([]float32, len(w)), make([]float32, len(w))
		q.Dequantize(whole, quant.Piece{W: w, Width: cols})
		for i := range rows {
			q.Dequantize(parts[i*cols:][:cols], quant.Piece{W: w[i*cols:][:cols], Row: i, Width: cols})
		}
		for i, v := range whole {
			if v-v != 0 {
				t.Fatalf("%s of %v: weight %d = %g becomes %g", d.Name, from, i, w[i], v)
			}
			if v != parts[i] {
				t.Fatalf("%s of %v: weight %d becomes %g, and %g in a piece of its own", d.Name, from, i, v, parts[i])
			}
		}
		if m := quant.NewMeter(q); m != nil {
			m.Add(w, whole)
			_ = m.Errors()
		}
	})
}
