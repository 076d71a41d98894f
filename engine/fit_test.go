package engine_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// paired returns a 2m×2n matrix all of whose singular values are double: a complex m×n
// matrix stored as a real one.
func paired(rng *rand.Rand, m, n int) []float32 {
	w := make([]float32, 4*m*n)
	for i := range m {
		for j := range n {
			re, im := float32(rng.NormFloat64()), float32(rng.NormFloat64())
			w[i*2*n+j], w[(m+i)*2*n+n+j] = re, re
			w[i*2*n+n+j], w[(m+i)*2*n+j] = -im, im
		}
	}
	return w
}

// skew returns an n×n matrix equal to its negative transpose.
func skew(rng *rand.Rand, n int) []float32 {
	w := make([]float32, n*n)
	for i := range n {
		for j := range i {
			x := float32(rng.NormFloat64())
			w[i*n+j], w[j*n+i] = x, -x
		}
	}
	return w
}

// circulant returns an n×n matrix of which each row is the one above, moved by one.
func circulant(rng *rand.Rand, n int) []float32 {
	row, w := make([]float32, n), make([]float32, n*n)
	for i := range row {
		row[i] = float32(rng.NormFloat64())
	}
	for i := range n {
		for j := range n {
			w[i*n+j] = row[(j-i+n)%n]
		}
	}
	return w
}

// TestDoubleSingularValues: layers whose singular values come in pairs have an exponent,
// the same with every backend, though the values of a pair differ in their last digits or
// not at all.
func TestDoubleSingularValues(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	m := newMemory()
	for i := range 6 {
		m.addAs(checkpoint.F16, fmt.Sprintf("complex%d.weight", i), paired(rng, 32, 48), 64, 96)
		m.addAs(checkpoint.F16, fmt.Sprintf("square%d.weight", i), paired(rng, 48, 48), 96, 96)
		m.addAs(checkpoint.F16, fmt.Sprintf("skew%d.weight", i), skew(rng, 96), 96, 96)
		m.addAs(checkpoint.F16, fmt.Sprintf("circulant%d.weight", i), circulant(rng, 96), 96, 96)
	}
	var first *engine.Result
	for _, backend := range lapack.Names() {
		res := m.analyze(t, "fp16,8bit,3bit", func(o *engine.Options) {
			if err := o.UseBackend(backend); err != nil {
				t.Fatal(err)
			}
		})
		if first == nil {
			first = res
		}
		for k := range res.Rows {
			for i := range res.Rows[k] {
				got, want := &res.Rows[k][i], &first.Rows[k][i]
				where := fmt.Sprintf("%s: %s at %s", backend, got.Layer.LongName, got.Level.Name())
				if got.Status != engine.RowSuccess || !(relative(got.Get("alpha"), want.Get("alpha")) <= 1e-6) {
					t.Errorf("%s: %s, alpha %v, with %s %v", where, got.Status, got.Get("alpha"), lapack.Names()[0], want.Get("alpha"))
				}
				checkTail(t, where, got)
			}
		}
	}
}

// checkTail fails unless the columns that depend on the number of eigenvalues in the tail
// agree with one another, and with the eigenvalues.
func checkTail(t *testing.T, where string, r *engine.Row) {
	t.Helper()
	tail, ties, left := r.Get("num_pl_spikes"), r.Get("xmin_ties"), r.Get("xmin_ties_left_out")
	if s := (r.Get("alpha") - 1) / math.Sqrt(tail); !(relative(s, r.Get("sigma")) <= 1e-12) {
		t.Errorf("%s: sigma %v, by the tail of %v %v", where, r.Get("sigma"), tail, s)
	}
	least, most := 0.0, 0.0 // eigenvalues above xmin, and not below it, but for rounding
	slack := float64(r.Layer.M()) * 0x1p-52 * r.Get("xmax")
	for _, l := range r.Eigenvalues {
		if l > r.Get("xmin")+slack {
			least++
		}
		if l >= r.Get("xmin")-slack {
			most++
		}
	}
	if ties != most-least || tail != most-left || !(left < ties) {
		t.Errorf("%s: a tail of %v and %v of %v ties before it; %v eigenvalues are above xmin, %v at least as large", where, tail, left, ties, least, most)
	}
	if warned := len(r.Doubts()) > 0; left > 0 && !warned {
		t.Errorf("%s: %v ties are left out without a word", where, left)
	}
}

// TestTies: where many eigenvalues are equal, as in matrices of few rows that are
// repeated, there is one tail for all columns.
func TestTies(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 24))
	m := newMemory()
	for i := range 12 {
		// A block diagonal of random signs and magnitudes: groups of equal eigenvalues.
		const n = 60
		w := make([]float32, n*n)
		for j := range n {
			w[j*n+j] = float32(1+rng.IntN(4+i)) / 4
		}
		m.add(fmt.Sprintf("ties%d.weight", i), w, n, n)
	}
	res := m.analyze(t, "fp16,4bit,2bit", nil)
	tied := 0
	for k := range res.Rows {
		for i := range res.Rows[k] {
			if r := &res.Rows[k][i]; r.Status == engine.RowSuccess {
				checkTail(t, r.Layer.LongName+" at "+r.Level.Name(), r)
				if r.Get("xmin_ties_left_out") > 0 {
					tied++
				}
			}
		}
	}
	if tied == 0 {
		t.Error("no tail begins inside a run of equal eigenvalues: nothing was tested")
	}
}

// TestEqualBlocks: blocks of equal weights have eigenvalues that are equal but for rounding,
// and no exponent that is made of that.
func TestEqualBlocks(t *testing.T) {
	m := newMemory()
	for _, d := range [][3]int{{8, 64, 64}, {37, 300, 300}, {4, 37, 130}, {32, 257, 520}} {
		n, rows, cols := d[0], d[1], d[2]
		w := make([]float32, rows*cols)
		for i := range rows {
			for j := range cols {
				if i/9 == j/9 && i/9 < n {
					w[i*cols+j] = 0.5
				}
			}
		}
		m.add(fmt.Sprintf("blocks%d.weight", n), w, rows, cols)
	}
	for _, backend := range lapack.Names() {
		res := m.analyze(t, "stored,8bit,4bit,2bit", func(o *engine.Options) { _ = o.UseBackend(backend) })
		for k := range res.Rows {
			for i := range res.Rows[k] {
				if r := &res.Rows[k][i]; r.Status == engine.RowSuccess && r.Get("alpha") > 100 {
					t.Errorf("%s: %s at %s: alpha %v", backend, r.Layer.LongName, r.Level.Name(), r.Get("alpha"))
				}
			}
		}
	}
}

// orthogonal returns an n×n orthogonal matrix: the product of random reflections.
func orthogonal(rng *rand.Rand, n int) []float64 {
	q := make([]float64, n*n)
	for i := range n {
		q[i*n+i] = 1
	}
	v, dot := make([]float64, n), make([]float64, n)
	for range n {
		norm := 0.0
		for i := range v {
			v[i] = rng.NormFloat64()
			norm += v[i] * v[i]
		}
		clear(dot)
		for i := range n {
			for j := range n {
				dot[j] += v[i] * q[i*n+j]
			}
		}
		for i := range n {
			for j := range n {
				q[i*n+j] -= 2 * v[i] * dot[j] / norm
			}
		}
	}
	return q
}

// TestRoundingIsNoSpectrum: eigenvalues that would be equal but for the rounding of the
// stored weights have no exponent; a spread that rounding does not explain has one.
func TestRoundingIsNoSpectrum(t *testing.T) {
	rng := rand.New(rand.NewPCG(25, 26))
	for _, n := range []int{48, 160} {
		u, v := orthogonal(rng, n), orthogonal(rng, n)
		for name, spread := range map[string]float64{"orthogonal": 0, "nearly": 2e-4, "narrow": 0.1} {
			w := make([]float32, n*n)
			for i := range n {
				for j := range n {
					x := 0.0
					for k := range n {
						s := 1 + spread*math.Pow(float64(k)/float64(n), 3)
						x += u[i*n+k] * s * v[k*n+j]
					}
					w[i*n+j] = float32(x)
				}
			}
			for _, d := range []checkpoint.DType{checkpoint.F32, checkpoint.F16, checkpoint.BF16, checkpoint.F64} {
				res := newMemory().addAs(d, "w.weight", w, n, n).analyze(t, "stored", nil)
				r := &res.Rows[0][0]
				if want := name == "narrow"; (r.Status == engine.RowSuccess) != want || (r.Reason == "") != want || !want && r.Status != engine.RowDegenerate {
					t.Errorf("%s, %d, %s: %s, alpha %v, %s", name, n, d, r.Status, r.Get("alpha"), r.Reason)
				}
			}
		}
	}
}
