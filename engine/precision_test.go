package engine_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/open"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// planted returns a matrix whose singular values squared follow a power law of the
// given exponent: orthogonal-looking factors around a diagonal.
func planted(seed uint64, rows, cols int, alpha float64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 5))
	k := min(rows, cols)
	w := make([]float64, rows*cols)
	for i := range k {
		w[i*cols+i] = math.Pow(1-rng.Float64(), -0.5/(alpha-1))
	}
	// Reflections from both sides leave the singular values as they are.
	for range 4 {
		reflect(rng, rows, cols, func(i, j int) *float64 { return &w[i*cols+j] })
		reflect(rng, cols, rows, func(i, j int) *float64 { return &w[j*cols+i] })
	}
	x := make([]float32, len(w))
	for i, v := range w {
		x[i] = float32(v)
	}
	return x
}

func reflect(rng *rand.Rand, n, m int, at func(i, j int) *float64) {
	u, norm := make([]float64, n), 0.0
	for i := range u {
		u[i] = rng.NormFloat64()
		norm += u[i] * u[i]
	}
	for j := range m {
		dot := 0.0
		for i := range u {
			dot += u[i] * *at(i, j)
		}
		for i := range u {
			*at(i, j) -= 2 * dot / norm * u[i]
		}
	}
}

// compareSingle holds a run in precision single to one in double: no rank may differ,
// and rows that were computed in float64 are the rows of double. It returns how many
// rows have float32 eigenvalues and the largest move of an exponent.
func compareSingle(t *testing.T, single, double *engine.Result) (inFloat32 int, move float64) {
	t.Helper()
	for k := range double.Rows {
		for i := range double.Rows[k] {
			s, d := &single.Rows[k][i], &double.Rows[k][i]
			if s.Get("matrix_rank") != d.Get("matrix_rank") || s.Get("rank_loss") != d.Get("rank_loss") || s.Status != d.Status || !sameErrors(s, d) {
				t.Errorf("%v %s: in float32\n%+v, in double\n%+v", d.Level, d.Layer.LongName, s, d)
			}
			if s.Method == spectrum.GramFloat32 {
				inFloat32++
				move = max(move, math.Abs(s.Get("alpha")-d.Get("alpha")))
			} else if s.Get("alpha") != d.Get("alpha") && !(math.IsNaN(s.Get("alpha")) && math.IsNaN(d.Get("alpha"))) {
				t.Errorf("%v %s: by %s, alpha %v, in double %v", d.Level, d.Layer.LongName, s.Method, s.Get("alpha"), d.Get("alpha"))
			}
		}
	}
	return inFloat32, move
}

// TestSingleSynthetic: spectra with planted exponents, of noise, rank-deficient ones.
func TestSingleSynthetic(t *testing.T) {
	m := newMemory()
	for i, alpha := range []float64{1.5, 2, 3, 4, 6} {
		m.add("planted"+string(rune('a'+i))+".weight", planted(uint64(i), 200+10*i, 120, alpha), 200+10*i, 120)
	}
	m.add("noise.weight", gaussian(3, 300*100), 300, 100)
	m.add("square.weight", gaussian(4, 100*100), 100, 100)
	m.add("conv.weight", gaussian(5, 30*20*9), 30, 20, 3, 3)
	low := gaussian(6, 150*90)
	for i := range low { // the last third of the columns repeats the first
		if i%90 >= 60 {
			low[i] = low[i-60]
		}
	}
	m.add("low.weight", low, 150, 90)
	run := func(p spectrum.Precision) *engine.Result {
		return m.analyze(t, "fp16,8,4,2", func(o *engine.Options) { o.Precision = p })
	}
	if n, move := compareSingle(t, run(spectrum.Single), run(spectrum.Double)); n < 10 || move > 1e-3 {
		t.Errorf("%d rows in float32, alpha moves by %.1e", n, move)
	}
}

// TestSingleSample does the same over the bundled sample.
func TestSingleSample(t *testing.T) {
	run := func(p spectrum.Precision) *engine.Result {
		src, _, err := open.Open("../examples/gosrc-lm", open.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		opts := engine.DefaultOptions()
		opts.Precision = p
		res, err := engine.Analyze(context.Background(), src, opts)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	n, move := compareSingle(t, run(spectrum.Single), run(spectrum.Double))
	t.Logf("%d rows in float32, alpha moves by %.1e at most", n, move)
	if n < 100 || move > 1e-3 {
		t.Errorf("%d rows in float32, alpha moves by %.1e", n, move)
	}
}
