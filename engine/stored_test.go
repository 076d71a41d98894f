package engine_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// wide is a checkpoint of float64 tensors.
type wide struct {
	*memory
	values map[string][]float64
}

func newWide() wide { return wide{newMemory(), map[string][]float64{}} }

func (w wide) add(name string, x []float64, shape ...int) wide {
	w.addAs(checkpoint.F64, name, make([]float32, len(x)), shape...)
	w.values[name] = x
	return w
}

func (w wide) ReadTensor(dst []byte, t *checkpoint.Tensor) error {
	for i, v := range w.values[t.Name] {
		binary.LittleEndian.PutUint64(dst[8*i:], math.Float64bits(v))
	}
	return nil
}

// values returns n numbers in float64 that float32 does not hold.
func values(seed uint64, n int, scale float64) []float64 {
	x := lcg(n, seed)
	for i := range x {
		x[i] = scale * (x[i] - 0.5)
	}
	return x
}

// singular returns the largest and the smallest singular value of a matrix by another way.
func singular(x []float64, rows, cols int) (top, low float64) {
	var svd mat.SVD
	if !svd.Factorize(mat.NewDense(rows, cols, x), mat.SVDNone) {
		panic("no singular values")
	}
	s := svd.Values(nil)
	return s[0], s[len(s)-1]
}

// TestStored: the level stored analyses the weights as they are in the file.
func TestStored(t *testing.T) {
	// Of rank 5, exact in float32, and of full rank after a cast to float16.
	const rows, cols = 64, 96
	low, big := make([]float32, rows*cols), gaussian(3, 48*64)
	u, v := lcg(rows*5, 5), lcg(5*cols, 6)
	for i := range rows {
		for j := range cols {
			sum := 0.0
			for k := range 5 {
				sum += math.Round(511*(u[i*5+k]-0.5)) * math.Round(511*(v[k*cols+j]-0.5))
			}
			low[i*cols+j] = float32(sum / (1 << 20))
		}
	}
	big[5] = 1e6 // beyond float16
	res := newMemory().add("low.weight", low, rows, cols).add("big.weight", big, 48, 64).add("embed.weight", big, 48, 64).
		analyze(t, "fp16,stored,8bit", nil)
	if res.Levels[0] != quant.Stored || res.Baseline() != 0 {
		t.Fatalf("levels %v, baseline %d", res.Levels, res.Baseline())
	}
	stored, cast := table(t, res, "stored"), table(t, res, "fp16")
	if r := stored["low"].Get("matrix_rank"); r != 5 {
		t.Errorf("rank as stored: %v", r)
	}
	if r := cast["low"].Get("matrix_rank"); r != rows {
		t.Errorf("rank after a cast: %v", r)
	}
	if s := stored["big"]; s.Status != engine.RowSuccess || !math.IsNaN(s.Get("mse")) {
		t.Errorf("a weight beyond float16, as stored: %+v", s)
	}
	if s := cast["big"]; s.Status != engine.RowRefused {
		t.Errorf("a weight beyond float16, cast: %+v", s)
	}
	// What is not quantized is analysed as it is stored at every level.
	for _, level := range []string{"stored", "fp16", "8bit"} {
		if r := table(t, res, level)["embed"]; r.Status != engine.RowSuccess || r.Get("spectral_norm") != stored["big"].Get("spectral_norm") {
			t.Errorf("an embedding at %s: %s, %v", level, r.Status, r.Get("spectral_norm"))
		}
	}
}

// TestStoredWide: float64 weights are analysed in float64, also where float32 cannot hold
// them; levels that quantize refuse those.
func TestStoredWide(t *testing.T) {
	const rows, cols = 30, 20
	large, small, fine := values(1, rows*cols, 1e60), values(2, rows*cols, 1e-60), values(3, rows*cols, 1)
	constant := slices.Repeat([]float64{0.1}, rows*cols)
	nan := slices.Clone(fine)
	nan[7] = math.NaN()
	src := newWide().add("constant.weight", constant, rows, cols).add("fine.weight", fine, rows, cols).
		add("large.weight", large, rows, cols).add("nan.weight", nan, rows, cols).add("small.weight", small, rows, cols)
	opts := engine.DefaultOptions()
	opts.Levels, _ = quant.ParseList("stored,8bit")
	res, err := engine.Analyze(context.Background(), src, opts)
	if err != nil {
		t.Fatal(err)
	}
	stored, eight := table(t, res, "stored"), table(t, res, "8bit")
	for name, x := range map[string][]float64{"large": large, "small": small, "fine": fine} {
		top, low := singular(x, rows, cols)
		r := stored[name]
		if relative(r.Get("sv_max"), top) > 1e-13 || relative(r.Get("sv_min"), low) > 1e-9 {
			t.Errorf("%s: singular values %v to %v, want %v to %v", name, r.Get("sv_min"), r.Get("sv_max"), low, top)
		}
	}
	for name, says := range map[string]string{"large": "is beyond float32", "small": "is below float32"} {
		if r := eight[name]; r.Status != engine.RowRefused || !strings.Contains(r.Reason, says) {
			t.Errorf("%s at 8 bits: %s, %s", name, r.Status, r.Reason)
		}
	}
	for _, r := range []*engine.Row{stored["nan"], eight["nan"]} {
		if r.Status != engine.RowRefused || !strings.Contains(r.Reason, "1 of 600 weights are NaN") {
			t.Errorf("NaN: %s, %s", r.Status, r.Reason)
		}
	}
	// A constant tensor stays as it is, not as float32 has it.
	want := 0.1 * math.Sqrt(rows*cols)
	for _, r := range []*engine.Row{stored["constant"], eight["constant"]} {
		if relative(r.Get("sv_max"), want) > 1e-14 {
			t.Errorf("constant at %s: %v, want %v", r.Level.Name(), r.Get("sv_max"), want)
		}
	}
}

// TestDefaultLevels: the weights as they are stored stand in front where the level fp16 would
// change some that are analysed.
func TestDefaultLevels(t *testing.T) {
	for name, tc := range map[string]struct {
		other checkpoint.DType
		shape []int
		first quant.Recipe
	}{
		"float16":             {checkpoint.F16, []int{20, 30}, quant.FP16},
		"a float32 matrix":    {checkpoint.F32, []int{20, 30}, quant.Stored},
		"a bfloat16 matrix":   {checkpoint.BF16, []int{20, 30}, quant.Stored},
		"a float32 bias":      {checkpoint.F32, []int{20}, quant.FP16},
		"too few eigenvalues": {checkpoint.F32, []int{5, 30}, quant.FP16},
	} {
		m := newMemory().addAs(checkpoint.F16, "a.weight", nil, 20, 30).addAs(tc.other, "b.weight", nil, tc.shape...)
		plan, err := engine.Describe(m, engine.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		if levels := plan.DefaultLevels(); levels[0] != tc.first || levels[len(levels)-1].Name() != "2bit" {
			t.Errorf("%s: levels %v", name, levels)
		}
	}
}

// TestExperts: each matrix of a stack is quantized with a scale of its own, so that its rows
// are those of the same matrix in a tensor of its own.
func TestExperts(t *testing.T) {
	const n, rows, cols = 4, 24, 40
	stack := gaussian(11, n*rows*cols)
	for i := range rows * cols {
		stack[2*rows*cols+i] *= 50
	}
	m := newMemory().add("experts", stack, n, rows, cols)
	for i := range n {
		m.add(fmt.Sprintf("own%d.weight", i), stack[i*rows*cols:][:rows*cols], rows, cols)
	}
	const levels = "fp16,4bit,4bit-asym,2bit"
	res := m.analyze(t, levels, nil)
	for k := range res.Rows {
		rows := table(t, res, res.Levels[k].Name())
		for i := range n {
			got, want := rows[fmt.Sprintf("experts[%d]", i)], rows[fmt.Sprintf("own%d", i)]
			if fmt.Sprint(got.Values) != fmt.Sprint(want.Values) {
				t.Errorf("expert %d at %s:\n%v, want\n%v", i, got.Level.Name(), got.Values, want.Values)
			}
		}
	}
	// One of them alone is that one.
	one := m.analyze(t, levels, func(o *engine.Options) { o.Layers = []string{"experts[2]"} })
	for k := range one.Rows {
		if len(one.Rows[k]) != 1 || fmt.Sprint(one.Rows[k][0].Values) != fmt.Sprint(table(t, res, one.Levels[k].Name())["experts[2]"].Values) {
			t.Errorf("expert 2 alone at %s: %v", one.Levels[k].Name(), one.Rows[k])
		}
	}
	opts := engine.DefaultOptions()
	checks, err := engine.Validate(context.Background(), m, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if !c.Passed() {
			t.Errorf("%s at %s: %v %s", c.Tensor, c.Level.Name(), c.Failures, c.Refused)
		}
	}
	if want := 2 * n * 6; len(checks) != want {
		t.Errorf("%d checks, want %d", len(checks), want)
	}
}

// TestKeepDuplicates: tied weights have rows of their own, equal to those of the first, and
// are in the statistics as often as they are stored.
func TestKeepDuplicates(t *testing.T) {
	m := newMemory().add("a.weight", gaussian(1, 600), 20, 30).add("b.weight", gaussian(2, 600), 20, 30).add("c.weight", gaussian(1, 600), 20, 30)
	once := m.analyze(t, "fp16,4bit", nil)
	if once.Count(engine.Skipped) != 1 || len(once.Rows[1]) != 2 {
		t.Errorf("%d rows", len(once.Rows[1]))
	}
	all := m.analyze(t, "fp16,4bit", func(o *engine.Options) { o.KeepDuplicates = true })
	for k := range all.Rows {
		rows := table(t, all, all.Levels[k].Name())
		if len(rows) != 3 || fmt.Sprint(rows["a"].Values) != fmt.Sprint(rows["c"].Values) || rows["c"].Layer.ID != 2 {
			t.Errorf("%s: %d rows, %+v", all.Levels[k].Name(), len(rows), rows["c"])
		}
	}
	if ts := all.Tensors[2]; ts.Status != engine.Analysed || !ts.Duplicate {
		t.Errorf("c.weight: %+v", ts)
	}
}

// TestCodesOrRounded: the spectrum of a symmetric level of a float32 checkpoint is that of
// step times codes, so that ranks are those of the codes; with WeightWatcher's options it is
// that of the weights after rounding.
func TestCodesOrRounded(t *testing.T) {
	const rows, cols = 96, 64
	w := make([]float32, rows*cols)
	u, v := lcg(rows, 1), lcg(cols, 2)
	for i := range rows {
		for j := range cols {
			w[i*cols+j] = float32(math.Round(7*u[i]-3) * math.Round(5*v[j]-2) * 0.0123456)
		}
	}
	for _, level := range []string{"8bit", "4bit", "12bit"} {
		codes := newMemory().add("a.weight", w, rows, cols).analyze(t, level, nil).Rows[0][0]
		rounded := newMemory().add("a.weight", w, rows, cols).analyze(t, level, (*engine.Options).LikeWeightWatcher).Rows[0][0]
		d, step := make([]float32, len(w)), 0.0
		if e, err := quant.Apply(d, w, rows, cols, level); err != nil || e.Unique < 2 {
			t.Fatal(e, err)
		}
		step = codes.Get("scale")
		exact, stored := make([]float64, len(w)), make([]float64, len(w))
		for i := range d {
			exact[i], stored[i] = step*math.Round(float64(d[i])/step), float64(d[i])
		}
		a, _ := singular(exact, rows, cols)
		b, _ := singular(stored, rows, cols)
		if relative(codes.Get("sv_max"), a) > 1e-14 || relative(rounded.Get("sv_max"), b) > 1e-14 {
			t.Errorf("%s: %v of %v, rounded %v of %v", level, codes.Get("sv_max"), a, rounded.Get("sv_max"), b)
		}
		if codes.Get("matrix_rank") > rounded.Get("matrix_rank") {
			t.Errorf("%s: rank %v of the codes, %v after rounding", level, codes.Get("matrix_rank"), rounded.Get("matrix_rank"))
		}
	}
}
