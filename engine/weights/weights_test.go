package weights

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// blocks is an encoding of n weights in a block: a float32 scale, and a byte for each.
type blocks int

func (b blocks) Name() string      { return "blocks" }
func (b blocks) Block() (int, int) { return int(b), 4 + int(b) }

func (b blocks) Decode(dst []float32, src []byte) {
	n, size := b.Block()
	if len(dst)/n != len(src)/size || len(dst)%n != 0 {
		panic("parts of a block")
	}
	for i := range dst {
		block := src[i/n*size:]
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(block)) * float32(int8(block[4+i%n]))
	}
}

// stored returns a tensor of random weights in an encoding, and its weights.
func stored(enc checkpoint.Encoding, rows, cols int) (*Tensor, []float32) {
	rng := rand.New(rand.NewPCG(uint64(rows), uint64(cols)))
	n := rows * cols
	t := &Tensor{Encoding: enc, Rows: rows, Cols: cols}
	if b, ok := enc.(blocks); ok {
		for range (n + int(b) - 1) / int(b) { // the last block may be longer
			t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(rng.Float32()/64))
			for range int(b) {
				t.Data = append(t.Data, byte(rng.IntN(255)-127))
			}
		}
	} else {
		w := make([]float32, n)
		for i := range w {
			w[i] = float32(math.Round(rng.NormFloat64()*100)) / 1024
		}
		d, _ := checkpoint.ParseDType(enc.Name())
		t.Data = make([]byte, n*d.Bits()/8)
		d.Encode(t.Data, w)
	}
	perBlock, _ := enc.Block()
	w := make([]float32, (n+perBlock-1)/perBlock*perBlock)
	enc.Decode(w, t.Data)
	return t, w[:n]
}

// shapes are on both sides of the length of a piece, tall, wide and square.
var shapes = [][2]int{{1, 64}, {64, 32}, {32, 96}, {300, 64}, {64, 320}, {3, 20000 - 20000%64}, {9000, 32}, {128, 128}, {96, 8256}, {37, 75}, {75, 37}, {3, 9001}, {9001, 3}}

var encodings = []checkpoint.Encoding{checkpoint.F32.Encoding(), checkpoint.F16.Encoding(), checkpoint.BF16.Encoding(), checkpoint.F64.Encoding(), blocks(8), blocks(32)}

// TestEach: pieces give every weight once, in row-major order, at the place that they
// say, and cut rows at multiples of the alignment only.
func TestEach(t *testing.T) {
	for _, enc := range encodings {
		for _, s := range shapes {
			for _, align := range []int{1, 16, 48, 64, 20000} {
				tensor, want := stored(enc, s[0], s[1])
				where := fmt.Sprintf("%s %d×%d aligned to %d", enc.Name(), s[0], s[1], align)
				at := 0
				tensor.Each(align, func(p quant.Piece) {
					if p.First != 0 || p.Width != s[1] || p.Row*s[1]+p.Col != at || p.Col%align != 0 {
						t.Fatalf("%s: a piece at row %d, column %d, behind %d weights: %d+%d", where, p.Row, p.Col, at, p.First, p.Width)
					}
					if !slices.Equal(p.W, want[at:at+len(p.W)]) {
						t.Fatalf("%s: other weights from %d on", where, at)
					}
					if at += len(p.W); at%s[1] != 0 && at%s[1]%align != 0 {
						t.Fatalf("%s: a row is cut at column %d", where, at%s[1])
					}
					clear(p.W) // pieces belong to the caller while it looks at them
				})
				if at != len(want) {
					t.Errorf("%s: %d weights of %d", where, at, len(want))
				}
			}
		}
	}
}

func TestRange(t *testing.T) {
	tensor, w := stored(checkpoint.F32.Encoding(), 200, 90)
	if r := tensor.Range(); r.Min != slices.Min(w) || r.Max != slices.Max(w) || r.NonFinite != 0 {
		t.Errorf("range %+v, want %v to %v", r, slices.Min(w), slices.Max(w))
	}
	binary.LittleEndian.PutUint32(tensor.Data[4*17000:], math.Float32bits(float32(math.NaN())))
	binary.LittleEndian.PutUint32(tensor.Data[4*3:], math.Float32bits(float32(math.Inf(-1))))
	if r := tensor.Range(); r.NonFinite != 2 {
		t.Errorf("range %+v, want 2 weights that are not finite", r)
	}
	tensor.Bounds = &quant.Range{Min: -5, Max: 7}
	if r := tensor.Range(); r != *tensor.Bounds {
		t.Errorf("range %+v, told %+v", r, *tensor.Bounds)
	}
}

// fit returns a scheme fitted to a tensor.
func fit(t *testing.T, w *Tensor, level string, out checkpoint.DType) quant.Quantizer {
	t.Helper()
	recipe, err := quant.Parse(level)
	if err != nil {
		t.Fatal(err)
	}
	q, err := recipe.For(quant.Target{}).Fit(w, out)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// panelOf returns the part of a matrix that a panel holds.
func panelOf[T float32 | float64](w []T, rows, cols, first, count int) []T {
	if rows >= cols {
		return w[first*cols : (first+count)*cols]
	}
	var p []T
	for i := range rows {
		p = append(p, w[i*cols+first:][:count]...)
	}
	return p
}

// TestMatrix: panels hold what the quantizer makes of the weights, whatever they are read
// as, as often as they are read, and the meter sees every weight once.
func TestMatrix(t *testing.T) {
	var buf Buffers
	for _, enc := range []checkpoint.Encoding{checkpoint.F32.Encoding(), checkpoint.BF16.Encoding(), blocks(8)} {
		for _, s := range [][2]int{{300, 64}, {64, 320}, {128, 128}, {32, 8256}, {9000, 8}} {
			rows, cols := s[0], s[1]
			for _, level := range []string{"fp16", "8bit", "3bit", "2bit", "4bit-asym"} {
				tensor, w := stored(enc, rows, cols)
				q := fit(t, tensor, level, checkpoint.BF16)
				want := make([]float32, len(w))
				q.Dequantize(want, quant.Piece{W: w, Width: cols})
				errs := quant.NewMeter(q)
				errs.Add(w, want)
				for _, float := range []bool{true, false} {
					where := fmt.Sprintf("%s %d×%d at %s, float %v", enc.Name(), rows, cols, level, float)
					meter := quant.NewMeter(q)
					m := Matrix(tensor, View{Quantizer: q, Align: 8, Meter: meter, Float: float}, &buf)
					if r, c := m.Dims(); r != rows || c != cols {
						t.Fatalf("%s: %d×%d", where, r, c)
					}
					im, integers := m.(spectrum.IntMatrix)
					if integers && (float || level == "fp16") {
						t.Fatalf("%s: integers", where)
					}
					for range 2 {
						length := spectrum.PanelLength(min(rows, cols), m.Align())
						for first := 0; first < max(rows, cols); first += length {
							count := min(length, max(rows, cols)-first)
							panel := make([]float32, count*min(rows, cols))
							if integers {
								readIntegers(panel, im, first, count)
							} else {
								m.Panel(panel, first, count)
							}
							if !slices.Equal(panel, panelOf(want, rows, cols, first, count)) {
								t.Fatalf("%s: another panel from %d to %d", where, first, first+count)
							}
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

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-12*math.Abs(b) }

// readIntegers fills a panel with the integers of a matrix times their unit, and checks
// the sum of their squares.
func readIntegers(dst []float32, m spectrum.IntMatrix, first, count int) {
	sum, squares := 0.0, 0.0
	set := func(i int, v float64) {
		if math.Abs(v) > float64(m.Max()) {
			panic("an integer beyond the largest")
		}
		dst[i] = float32(v * m.Unit())
		sum += v * v
	}
	if m.Max() <= math.MaxInt8 {
		p := make([]int8, len(dst))
		squares = m.Panel8(p, first, count)
		for i, v := range p {
			set(i, float64(v))
		}
	} else {
		p := make([]int16, len(dst))
		squares = m.Panel16(p, first, count)
		for i, v := range p {
			set(i, float64(v))
		}
	}
	if sum != squares {
		panic("another sum of squares")
	}
}

// TestAlign: panels of wide matrices begin where no group of columns and no block of the
// encoding is parted; those of tall ones hold whole rows.
func TestAlign(t *testing.T) {
	for _, tc := range []struct {
		enc               checkpoint.Encoding
		rows, cols, align int
		want              int
	}{
		{blocks(8), 32, 96, 12, 24}, {blocks(8), 32, 96, 0, 8}, {checkpoint.F32.Encoding(), 32, 96, 32, 32},
		{checkpoint.F32.Encoding(), 32, 96, 0, 1}, {blocks(8), 96, 32, 12, 1},
	} {
		tensor, _ := stored(tc.enc, tc.rows, tc.cols)
		m := Matrix(tensor, View{Quantizer: fit(t, tensor, "4bit", checkpoint.F32), Align: tc.align}, &Buffers{})
		if got := m.Align(); got != tc.want {
			t.Errorf("%s %d×%d, groups of %d: aligned to %d, want %d", tc.enc.Name(), tc.rows, tc.cols, tc.align, got, tc.want)
		}
	}
}

// TestWide: weights that nothing changes are read as they are stored: in float64 where
// they are wider than float32.
func TestWide(t *testing.T) {
	for _, s := range [][2]int{{300, 70}, {70, 300}} {
		rows, cols := s[0], s[1]
		rng := rand.New(rand.NewPCG(1, 2))
		w, data := make([]float64, rows*cols), []byte(nil)
		for i := range w {
			w[i] = rng.NormFloat64() * 1e80
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(w[i]))
		}
		m := Matrix(&Tensor{Data: data, Encoding: checkpoint.F64.Encoding(), Rows: rows, Cols: cols}, View{}, &Buffers{})
		wide, ok := m.(spectrum.WideMatrix)
		if !ok {
			t.Fatal("float64 weights are not wide")
		}
		for first := 0; first < 300; first += 128 {
			count := min(128, 300-first)
			panel := make([]float64, 70*count)
			wide.Panel64(panel, first, count)
			if !slices.Equal(panel, panelOf(w, rows, cols, first, count)) {
				t.Errorf("%d×%d: another panel from %d on", rows, cols, first)
			}
		}
		plain, want := stored(checkpoint.BF16.Encoding(), rows, cols)
		m = Matrix(plain, View{}, &Buffers{})
		panel := make([]float32, 70*300)
		if m.Panel(panel, 0, 300); !slices.Equal(panel, want) {
			t.Errorf("%d×%d: bfloat16 weights are not read as they are", rows, cols)
		}
		if _, ok := m.(spectrum.WideMatrix); ok {
			t.Error("bfloat16 weights are wide")
		}
	}
}

// TestSlices: the slices of a convolution are gathered from their stored order, and the
// matrices of a stack are parts of it, in every encoding.
func TestSlices(t *testing.T) {
	const rows, cols, count = 16, 7, 9
	for _, enc := range encodings {
		tensor, w := stored(enc, rows*cols, count*32)
		all := Slices(tensor.Data, enc, rows*32, cols, count)
		stack := Matrices(tensor.Data, enc, rows*count, 32, cols)
		if len(all) != count || len(stack) != cols {
			t.Fatalf("%s: %d slices, %d matrices", enc.Name(), len(all), len(stack))
		}
		for s := range all {
			got := decode(&all[s])
			for i := range got {
				if got[i] != w[i*count+s] {
					t.Fatalf("%s: weight %d of slice %d is %v, want %v", enc.Name(), i, s, got[i], w[i*count+s])
				}
			}
		}
		for i := range stack {
			if n := rows * count * 32; !slices.Equal(decode(&stack[i]), w[i*n:(i+1)*n]) {
				t.Errorf("%s: another matrix %d", enc.Name(), i)
			}
		}
	}
}

func decode(t *Tensor) []float32 {
	var w []float32
	t.Each(1, func(p quant.Piece) { w = append(w, p.W...) })
	return w
}

// groups dequantizes groups of columns, each to its mean: what is parted has another one.
type groups int

func (g groups) Dequantize(dst []float32, p quant.Piece) {
	p.EachRow(func(_, col, at, n int) {
		if col%int(g) != 0 {
			panic("a group is parted")
		}
		for from := at; from < at+n; from += int(g) {
			end, sum := min(from+int(g), at+n), float32(0)
			for _, v := range p.W[from:end] {
				sum += v
			}
			for i := from; i < end; i++ {
				dst[i] = sum / float32(end-from)
			}
		}
	})
}

// TestGroups: weights that share parameters come to the quantizer together, in tall and in
// wide matrices, also where groups do not divide a row.
func TestGroups(t *testing.T) {
	var buf Buffers
	for _, enc := range []checkpoint.Encoding{checkpoint.BF16.Encoding(), blocks(8)} {
		for _, s := range [][2]int{{3000, 40}, {40, 3000}, {896, 4864 / 4}, {33, 1000}, {700, 700}, {5, 9000}} {
			for _, g := range []int{16, 32, 128} {
				tensor, w := stored(enc, s[0]*8, s[1])
				want := make([]float32, len(w))
				for row := range s[0] * 8 {
					groups(g).Dequantize(want[row*s[1]:][:s[1]], quant.Piece{W: w[row*s[1]:][:s[1]], Row: row, Width: s[1]})
				}
				m := Matrix(tensor, View{Quantizer: groups(g), Align: g}, &buf)
				rows, cols := m.Dims()
				length := spectrum.PanelLength(min(rows, cols), m.Align())
				for first := 0; first < max(rows, cols); first += length {
					count := min(length, max(rows, cols)-first)
					panel := make([]float32, count*min(rows, cols))
					if m.Panel(panel, first, count); !slices.Equal(panel, panelOf(want, rows, cols, first, count)) {
						t.Fatalf("%s %d×%d in groups of %d: another panel from %d to %d", enc.Name(), rows, cols, g, first, first+count)
					}
				}
			}
		}
	}
}
