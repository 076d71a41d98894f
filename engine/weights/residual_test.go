package weights

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// shift is a quantizer that adds errors to weights.
type shift struct {
	errors []float32
	cols   int
}

func (q shift) Dequantize(dst []float32, p quant.Piece) {
	p.EachRow(func(row, col, at, n int) {
		for i := range n {
			dst[at+i] = p.W[at+i] + q.errors[row*q.cols+col+i]
		}
	})
}

// TestCoherence: the norm of errors is the largest singular value of their matrix, to 1 % but
// where the first vector of the iteration happens to miss its direction: of noise, of
// heavy-tailed noise and of errors with a direction, whatever their scale is.
func TestCoherence(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 28))
	var r Residual
	off := 0
	for _, of := range []struct {
		name  string
		noise func(i, j int) float64
	}{
		{"Gaussian", func(int, int) float64 { return rng.NormFloat64() }},
		{"uniform", func(int, int) float64 { return rng.Float64() - 0.5 }},
		{"heavy-tailed", func(int, int) float64 { return rng.NormFloat64() * math.Exp(rng.NormFloat64()) }},
		{"biased", func(int, int) float64 { return rng.NormFloat64() + 0.3 }},
		{"one row larger", func(i, _ int) float64 { return rng.NormFloat64() * float64(30-29*min(i, 1)) }},
		{"equal columns", func(i, _ int) float64 { return math.Sin(float64(3 * i)) }},
		{"signs", func(i, j int) float64 { return math.Sin(float64(3*i)) * float64(1-2*(j%2*((i/2)%3/2))) }},
		{"one element", func(i, j int) float64 { return float64((1 - min(i, 1)) * (1 - min(j, 1))) }},
	} {
		for _, shape := range [][2]int{{1, 1}, {1, 50}, {64, 2}, {64, 16}, {64, 64}, {300, 40}, {96, 500}, {400, 384}} {
			for _, scale := range []float64{1, 1e-6, 1e-30, 1e30} {
				rows, cols := shape[0], shape[1]
				e := make([]float32, rows*cols)
				sum := 0.0
				for i := range e {
					e[i] = float32(of.noise(i/cols, i%cols) * scale)
					sum += float64(e[i]) * float64(e[i])
				}
				data := make([]byte, 4*len(e))
				m := Matrix(&Tensor{Data: data, Encoding: checkpoint.F32.Encoding(), Rows: rows, Cols: cols},
					View{Quantizer: shift{e, cols}, Residual: &r}, new(Buffers))
				read(m)
				sp, err := spectrum.Of(rows, cols, e)
				if err != nil {
					t.Fatal(err)
				}
				s := math.Sqrt(sum / float64(len(e)))
				want := sp.Sigma[len(sp.Sigma)-1] / (s * (math.Sqrt(float64(rows)) + math.Sqrt(float64(cols))))
				got := r.Coherence()
				if math.Abs(got/want-1) > 0.01 {
					off++
				}
				if math.Abs(got/want-1) > 0.025 {
					t.Errorf("%s %dx%d times %g: coherence %.4f, want %.4f", of.name, rows, cols, scale, got, want)
				}
			}
		}
	}
	if off > 1 {
		t.Errorf("%d of 256 matrices are off by more than 1 %%", off)
	}
	e := make([]float32, 12)
	read(Matrix(&Tensor{Data: make([]byte, 48), Encoding: checkpoint.F32.Encoding(), Rows: 3, Cols: 4}, View{Quantizer: shift{e, 4}, Residual: &r}, new(Buffers)))
	if c := r.Coherence(); !math.IsNaN(c) {
		t.Errorf("coherence %g without errors", c)
	}
}

// read reads all panels of a matrix.
func read(m spectrum.Matrix) {
	rows, cols := m.Dims()
	length := spectrum.PanelLength(min(rows, cols), m.Align())
	buf := make([]float32, length*min(rows, cols))
	for first := 0; first < max(rows, cols); first += length {
		count := min(length, max(rows, cols)-first)
		m.Panel(buf[:count*min(rows, cols)], first, count)
	}
}
