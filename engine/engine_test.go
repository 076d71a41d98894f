package engine_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// gaussian returns weights that float16 holds exactly.
func gaussian(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 7))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(math.Round(rng.NormFloat64()*100)) / 1024
	}
	return w
}

func describe(t *testing.T, m *memory, change func(*engine.Options)) map[string]engine.TensorStatus {
	t.Helper()
	opts := engine.DefaultOptions()
	if change != nil {
		change(&opts)
	}
	plan, err := engine.Describe(m, opts)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]engine.TensorStatus{}
	for _, ts := range plan.Tensors {
		all[ts.Name] = ts
	}
	return all
}

// TestSelection accounts for every kind of tensor.
func TestOptions(t *testing.T) {
	for name, change := range map[string]func(*engine.Options){
		"no levels":      func(o *engine.Options) { o.Levels = nil },
		"min above max":  func(o *engine.Options) { o.MinEvals, o.MaxEvals = 20000, 15000 },
		"N below evals":  func(o *engine.Options) { o.MaxEvals, o.MaxN = 15000, 100 },
		"no such base":   func(o *engine.Options) { o.Baseline = quant.Stored },
		"negative":       func(o *engine.Options) { o.Threads = -1 },
		"memory":         func(o *engine.Options) { o.Memory = -1 },
		"level twice":    func(o *engine.Options) { o.Levels = append(o.Levels, o.Levels[0]) },
		"bad type":       func(o *engine.Options) { o.Include = []engine.LayerType{"x"} },
		"integer output": func(o *engine.Options) { o.DequantDType = checkpoint.I8 },
	} {
		opts := engine.DefaultOptions()
		change(&opts)
		if opts.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	opts := engine.DefaultOptions()
	if err := opts.Validate(); err != nil {
		t.Error(err)
	}
	opts.LAPACK = "none"
	if _, err := engine.Analyze(context.Background(), newMemory(), opts); err == nil {
		t.Error("an unknown backend was taken")
	}
}

// TestRefusals: what cannot be analysed is named, the rest goes on.
func TestRefusals(t *testing.T) {
	nan, big := gaussian(1, 600), gaussian(2, 600)
	nan[5] = float32(math.NaN())
	big[5] = 1e6
	m := newMemory().add("a.weight", gaussian(3, 600), 20, 30).add("b.weight", nan, 20, 30).
		add("c.weight", big, 20, 30).add("d.weight", gaussian(3, 600), 20, 30)
	res := m.analyze(t, "fp16,4bit", nil)
	want := map[string]engine.Status{"a.weight": engine.Analysed, "b.weight": engine.Refused, "c.weight": engine.Refused, "d.weight": engine.Skipped}
	for _, ts := range res.Tensors {
		if ts.Status != want[ts.Name] {
			t.Errorf("%s: %s (%s), want %s", ts.Name, ts.Status, ts.Reason, want[ts.Name])
		}
	}
	if !res.Partial() {
		t.Error("the run is not called partial")
	}
	// c overflows float16 but not 4 bits; d is a duplicate and in no table.
	for k, level := range res.Levels {
		if len(res.Rows[k]) != 3 {
			t.Fatalf("%v: %d rows", level, len(res.Rows[k]))
		}
		for i, r := range res.Rows[k] {
			if r.Layer.ID != i {
				t.Errorf("row %d has layer id %d", i, r.Layer.ID)
			}
			refused := r.Layer.Tensor == "b.weight" || r.Layer.Tensor == "c.weight" && level == quant.FP16
			if (r.Status == engine.RowRefused) != refused {
				t.Errorf("%v %s: %s (%s)", level, r.Layer.Tensor, r.Status, r.Reason)
			}
		}
	}
}

// TestDegenerate: zero, constant and rank-deficient matrices have the spectra
// that they must have.
func TestDegenerate(t *testing.T) {
	const rows, cols = 40, 24
	zero, ones := make([]float32, rows*cols), make([]float32, rows*cols)
	low := make([]float32, rows*cols)
	u, v := gaussian(8, 3*rows), gaussian(9, 3*cols)
	for i := range ones {
		ones[i] = 0.5
		for r := range 3 {
			// Products of two small integers over 2^20: exact in float32.
			low[i] += u[r*rows+i/cols] * v[r*cols+i%cols]
		}
	}
	m := newMemory().add("a.weight", zero, rows, cols).add("b.weight", ones, rows, cols)
	res := m.analyze(t, "fp16,4bit,2bit", nil)
	for k := range res.Levels {
		z, o := res.Rows[k][0], res.Rows[k][1]
		if z.Status != engine.RowFailed || z.Get("matrix_rank") != 0 || z.Get("rank_loss") != cols || z.Get("norm") != 0 || !math.IsNaN(z.Get("log_norm")) {
			t.Errorf("zero matrix: %+v", z)
		}
		if o.Status != engine.RowFailed || o.Get("matrix_rank") != 1 || o.Get("rank_loss") != cols-1 || math.Abs(o.Get("norm")-rows*cols/4) > 1e-9 || !math.IsNaN(o.Get("entropy")) {
			t.Errorf("constant matrix: %+v", o)
		}
		if o.Get("unique_values") != 1 && k > 0 || o.Get("mse") != 0 {
			t.Errorf("constant matrix changed: %+v", o)
		}
	}
	row := analyzeExact(t, low, rows, cols, 1, engine.Dense)
	if row.Get("matrix_rank") != 3 || row.Get("rank_loss") != cols-3 || row.Method != spectrum.GramRank {
		t.Errorf("rank 3: rank %v, loss %v, by %s", row.Get("matrix_rank"), row.Get("rank_loss"), row.Method)
	}
}

// TestCancel: what is finished is kept.
func TestCancel(t *testing.T) {
	m := newMemory()
	for i := range 12 {
		m.add(strings.Repeat("x", i+1)+".weight", gaussian(uint64(i+10), 3600), 60, 60)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	opts := engine.DefaultOptions()
	opts.Threads = 2
	var seen atomic.Int64
	opts.Progress = func(p engine.Progress) {
		if seen.Add(1) == 10 {
			cancel()
		}
	}
	res, err := engine.Analyze(ctx, m, opts)
	if !errors.Is(err, context.Canceled) || res == nil || !res.Interrupted {
		t.Fatalf("result %v, error %v", res != nil, err)
	}
	done, missing := 0, 0
	for k := range res.Rows {
		for _, r := range res.Rows[k] {
			if r.Status == engine.RowMissing {
				missing++
			} else {
				done++
			}
		}
	}
	if done < 10 || missing == 0 {
		t.Errorf("%d rows finished, %d missing", done, missing)
	}
}

// brokenSource fails to read one tensor.
type brokenSource struct{ *memory }

func (b brokenSource) ReadTensor(dst []byte, t *checkpoint.Tensor) error {
	if t.Name == "b.weight" {
		return checkpoint.Corruptf("the file became shorter")
	}
	return b.memory.ReadTensor(dst, t)
}

func TestReadError(t *testing.T) {
	m := newMemory().add("a.weight", gaussian(1, 600), 20, 30).add("b.weight", gaussian(2, 600), 20, 30)
	res, err := engine.Analyze(context.Background(), brokenSource{m}, engine.DefaultOptions())
	if !errors.Is(err, checkpoint.ErrCorrupt) || res == nil {
		t.Fatalf("error %v", err)
	}
}

// TestProgress: the count reaches the total and never goes back.
func TestProgress(t *testing.T) {
	m := newMemory().add("a.weight", gaussian(1, 600), 20, 30).add("b.weight", gaussian(1, 600), 20, 30).
		add("embed.weight", gaussian(2, 600), 20, 30)
	var last engine.Progress
	m.analyze(t, "fp16,4bit", func(o *engine.Options) {
		o.Progress = func(p engine.Progress) {
			if p.Done < last.Done || p.Work < last.Work {
				t.Errorf("%+v after %+v", p, last)
			}
			last = p
		}
	})
	if last.Done != 6 || last.Total != 6 || math.Abs(last.Work-1) > 1e-9 {
		t.Errorf("at the end: %+v", last)
	}
}

// TestMetamorphic: transposing, permuting and changing signs leave the spectrum
// as it is, and scaling by a power of two scales it.
func TestMetamorphic(t *testing.T) {
	const rows, cols = 50, 30
	w := gaussian(5, rows*cols)
	same := func(name string, x []float32, r, c int, scale float64) {
		t.Helper()
		a, b := analyzeExact(t, w, rows, cols, 1, engine.Dense), analyzeExact(t, x, r, c, 1, engine.Dense)
		for i := range a.Eigenvalues {
			if d := math.Abs(a.Eigenvalues[i]*scale - b.Eigenvalues[i]); d > 1e-13*scale*a.Get("spectral_norm") {
				t.Errorf("%s: eigenvalue %d moves by %g", name, i, d)
			}
		}
		if math.Abs(a.Get("alpha")-b.Get("alpha")) > 1e-9 || a.Get("matrix_rank") != b.Get("matrix_rank") {
			t.Errorf("%s: alpha %v and %v, rank %v and %v", name, a.Get("alpha"), b.Get("alpha"), a.Get("matrix_rank"), b.Get("matrix_rank"))
		}
	}
	transposed, permuted, flipped, scaled := make([]float32, len(w)), make([]float32, len(w)), make([]float32, len(w)), make([]float32, len(w))
	rng := rand.New(rand.NewPCG(1, 1))
	perm := rng.Perm(rows)
	for i := range rows {
		for j := range cols {
			v := w[i*cols+j]
			transposed[j*rows+i] = v
			permuted[perm[i]*cols+j] = v
			flipped[i*cols+j] = v * float32(1-2*(j%2))
			scaled[i*cols+j] = v * 4
		}
	}
	same("transpose", transposed, cols, rows, 1)
	same("permutation", permuted, rows, cols, 1)
	same("signs", flipped, rows, cols, 1)
	same("scale", scaled, rows, cols, 16)
}

func TestValidate(t *testing.T) {
	opts := engine.DefaultOptions()
	opts.Levels, _ = quant.ParseList("fp16,8,6,5,4,3,2,16,4-asym,2-asym")
	checks, err := engine.Validate(context.Background(), nil, opts)
	if err != nil || len(checks) != 18 {
		t.Fatalf("%d checks, %v", len(checks), err)
	}
	for _, c := range checks {
		if !c.Passed() {
			t.Errorf("%v: %v", c.Level, c.Failures)
		}
	}
	bad := gaussian(1, 600)
	bad[0] = float32(math.Inf(1))
	checks, err = engine.Validate(context.Background(), newMemory().add("a.weight", bad, 20, 30), opts)
	if err != nil || len(checks) == 0 || checks[0].Passed() {
		t.Errorf("infinite weights: %+v, %v", checks, err)
	}
}

// sameErrors reports whether the errors of quantization agree in every digit.
func sameErrors(a, b *engine.Row) bool {
	for _, name := range []string{"scale", "unique_values", "mse", "mae", "max_abs_error", "snr_db", "relative_error"} {
		if x, y := a.Get(name), b.Get(name); x != y && !(math.IsNaN(x) && math.IsNaN(y)) {
			return false
		}
	}
	return true
}

// TestIntegerRoute: where dequantized weights are multiples of a unit the Gram matrix
// is summed in integers. They are those of the float route, and so are the results: to
// rounding for narrow types, to the rounding of each product to float32 for float32.
func TestIntegerRoute(t *testing.T) {
	w := gaussian(21, 80*120)
	for i := range w {
		w[i] *= 1 + float32(i%7)/8
	}
	m := newMemory().add("a.weight", w, 80, 120).add("b.weight", append([]float32(nil), w[:60*80]...), 80, 60)
	for _, tc := range []struct {
		out               checkpoint.DType
		alpha, eigenvalue float64 // tolerances, relative
	}{
		{checkpoint.F32, 1e-5, 1e-6},
		{checkpoint.BF16, 1e-10, 1e-13},
		{checkpoint.F16, 1e-10, 1e-13},
	} {
		const levels = "8,6,5,4,3,2,8-asym,4-asym"
		integer := m.analyze(t, levels, func(o *engine.Options) { o.DequantDType = tc.out })
		float := m.analyze(t, levels, func(o *engine.Options) {
			o.DequantDType = tc.out
			engine.WithFloatGram(o)
		})
		for k := range integer.Rows {
			for i := range integer.Rows[k] {
				a, b := integer.Rows[k][i], float.Rows[k][i]
				if !sameErrors(&a, &b) || a.Get("matrix_rank") != b.Get("matrix_rank") || math.Abs(a.Get("alpha")/b.Get("alpha")-1) > tc.alpha {
					t.Errorf("%v %v %s: alpha %v and %v, rank %v and %v, values %v and %v", tc.out, a.Level, a.Layer.LongName,
						a.Get("alpha"), b.Get("alpha"), a.Get("matrix_rank"), b.Get("matrix_rank"), a.Values, b.Values)
				}
				for j := range a.Eigenvalues {
					if d := math.Abs(a.Eigenvalues[j] - b.Eigenvalues[j]); d > tc.eigenvalue*b.Get("spectral_norm") {
						t.Errorf("%v %v %s: eigenvalue %d differs by %g", tc.out, a.Level, a.Layer.LongName, j, d)
					}
				}
			}
		}
	}
}
