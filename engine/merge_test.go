package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	goreflect "reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// mixed is a checkpoint with tied weights, an embedding, a convolution, experts, weights
// that are not finite, twice, and some that overflow float16.
func mixed() *memory {
	nan, big := gaussian(1, 600), gaussian(2, 600)
	nan[5], big[5] = float32(math.NaN()), 1e6
	m := newMemory().add("a.weight", gaussian(3, 900), 30, 30).add("b.weight", gaussian(4, 600), 20, 30).
		add("c.weight", gaussian(3, 900), 30, 30).add("d.weight", nan, 20, 30).add("e.weight", nan, 20, 30).
		add("embed.weight", gaussian(4, 600), 20, 30).add("f.weight", big, 20, 30).
		add("g.weight", gaussian(5, 12*6*9), 12, 6, 3, 3).add("h.experts", gaussian(6, 3*16*24), 3, 16, 24).
		add("i.weight", gaussian(4, 600), 20, 30).add("j.bias", gaussian(7, 30), 30)
	slices.SortFunc(m.tensors, func(a, b checkpoint.Tensor) int { return strings.Compare(a.Name, b.Name) })
	return m
}

func mixedOptions(t *testing.T) engine.Options {
	t.Helper()
	opts := engine.DefaultOptions()
	var err error
	if opts.Levels, err = quant.ParseList("4bit,fp16,2bit,4bit-asym"); err != nil {
		t.Fatal(err)
	}
	return opts
}

// tables returns what a merged result says, without what differs from run to run.
func tables(tensors []engine.TensorStatus, rows [][]engine.Row) string {
	var b strings.Builder
	for i := range tensors {
		ts := &tensors[i]
		fmt.Fprintf(&b, "%s %s %s %q %d layers\n", ts.Name, ts.Type, ts.Status, ts.Reason, len(ts.Layers))
	}
	for k := range rows {
		for _, r := range rows[k] {
			fmt.Fprintf(&b, "%d %s %v %s %q %s %v %v\n", r.Layer.ID, r.Layer.LongName, r.Level, r.Status, r.Reason, r.SHA256, r.Method, r.Values)
		}
	}
	return b.String()
}

// TestMerge: processes that each analyse a part of a plan, which may have been written to
// a file, agree with one that analyses it all, in whatever order their rows come.
func TestMerge(t *testing.T) {
	src, opts := mixed(), mixedOptions(t)
	whole, err := engine.Analyze(context.Background(), src, opts)
	if err != nil {
		t.Fatal(err)
	}
	want := tables(whole.Tensors, whole.Rows)
	for _, line := range []string{
		`c.weight dense skipped "same weights as \"a.weight\", which is analysed" 0 layers`,
		`d.weight dense refused "1 of 600 weights are NaN or infinite" 1 layers`,
		`e.weight dense refused "1 of 600 weights are NaN or infinite" 1 layers`,
		`embed.weight embedding analysed "" 1 layers`, // the weights of b, which is quantized
		`i.weight dense skipped "same weights as \"b.weight\", which is analysed" 0 layers`,
		`f.weight dense refused "at fp16: largest weight 1e+06, float16 ends at 65504: overflows to infinity" 1 layers`,
		`h.experts dense analysed "" 3 layers`,
		`j.bias  skipped "a vector or scalar (bias, norm)" 0 layers`,
		`9 h.experts[2] fp16 success`,
	} {
		if !strings.Contains(want, line) {
			t.Errorf("the whole does not say %q", line)
		}
	}
	plan, err := engine.Describe(src, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 2, 3, 20} {
		var all engine.Memory
		planned := 0
		for _, part := range plan.Split(n) {
			data, err := json.Marshal(part)
			if err != nil {
				t.Fatal(err)
			}
			read := &engine.Plan{}
			if err := json.Unmarshal(data, read); err != nil {
				t.Fatal(err)
			}
			planned += len(read.Tensors)
			var m engine.Memory
			if _, err := engine.Run(context.Background(), src, read, opts, &m); err != nil {
				t.Fatal(err)
			}
			all.Rows, all.Records = append(m.Rows, all.Rows...), append(m.Records, all.Records...)
		}
		if planned != len(plan.Tensors) {
			t.Errorf("%d parts have %d tensors, the plan %d", n, planned, len(plan.Tensors))
		}
		tensors, rows := engine.Merge(plan, &opts, all.Rows, all.Records)
		if got := tables(tensors, rows); got != want {
			t.Errorf("%d parts (-whole +merged):\n%s", n, cmp.Diff(want, got))
		}
	}
	if again, err := engine.Describe(src, opts); err != nil || fmt.Sprint(again) != fmt.Sprint(plan) {
		t.Error("the plan was changed")
	}
}

// TestSplit: parts have about the same cost.
func TestSplit(t *testing.T) {
	m := newMemory()
	for i := range 40 {
		m.add(fmt.Sprintf("%02d.weight", i), nil, 100+10*(i%7), 200)
	}
	plan, err := engine.Describe(m, engine.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range plan.Split(4) {
		if n := len(part.Layers()); n < 9 || n > 11 {
			t.Errorf("a quarter of 40 equal layers has %d", n)
		}
	}
}

// TestCodecs: a plan and options read back as they were written.
func TestCodecs(t *testing.T) {
	opts := engine.Options{
		Levels: mixedOptions(t).Levels, MinEvals: 1, MaxEvals: 2000, MaxN: 3000, Layers: []string{"a*", "b"},
		Include: []engine.LayerType{engine.Dense, engine.Conv2D}, Exclude: []engine.LayerType{engine.Embedding},
		QuantizeEmbeddings: true, KeepDuplicates: true, Compat: true, Baseline: quant.FP16, DequantDType: checkpoint.BF16, Threads: 3, Memory: 1 << 40,
		Precision: spectrum.Single, Reproducible: true, BLAS: "gonum", LAPACK: "gonum", KeepEigenvalues: true,
	}
	for i := range goreflect.TypeFor[engine.Options]().NumField() {
		// Progress is a function.
		if f := goreflect.TypeFor[engine.Options]().Field(i); f.IsExported() && f.Name != "Progress" && goreflect.ValueOf(opts).Field(i).IsZero() {
			t.Errorf("the option %s is zero: the test is not of it", f.Name)
		}
	}
	data, err := json.Marshal(opts)
	if err != nil {
		t.Fatal(err)
	}
	var back engine.Options
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(opts.Levels, quant.Compare)
	if got, want := fmt.Sprintf("%+v", back), fmt.Sprintf("%+v", opts); got != want {
		t.Errorf("options\n%s, want\n%s", got, want)
	}
	if data, err = json.Marshal(engine.DefaultOptions()); err != nil || !strings.Contains(string(data), `"dequant_dtype":"source","precision":"double"`) {
		t.Errorf("the defaults are %s, %v", data, err)
	}
	for _, bad := range []string{`{"quantizations":["7.5bit"]}`, `{"dequant_dtype":"F7"}`, `{"min_evals":"x"}`, `[]`} {
		if json.Unmarshal([]byte(bad), &back) == nil {
			t.Errorf("%s was read", bad)
		}
	}

	plan, err := engine.Describe(mixed(), mixedOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	if data, err = json.Marshal(plan); err != nil {
		t.Fatal(err)
	}
	read := &engine.Plan{}
	if err := json.Unmarshal(data, read); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(read)
	if err != nil || string(again) != string(data) {
		t.Errorf("plan (-want +got):\n%s", cmp.Diff(string(data), string(again)))
	}
	if a, b := fmt.Sprint(plan.Layers()), fmt.Sprint(read.Layers()); a != b {
		t.Errorf("layers\n%s, want\n%s", b, a)
	}
	if a, b := plan.PeakBytes(3), read.PeakBytes(3); a != b {
		t.Errorf("%d bytes, want %d", b, a)
	}
	for _, bad := range []string{
		`{"name":"a","status":"planned","layers":[{"rows":0,"cols":3,"slices":1}]}`, `{"name":"a","status":"planned"}`,
		`{"name":"a","status":"skipped","layers":[{"rows":1,"cols":3,"slices":1}]}`, `{"name":3}`,
	} {
		if json.Unmarshal([]byte(bad), new(engine.TensorStatus)) == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

// TestForgedTensors: layers that are not those of the tensor are refused when they are
// read, since work on them would go beyond its weights.
func TestForgedTensors(t *testing.T) {
	good := `{"name":"a","shape":[2,20,30],"type":"dense","status":"planned","layers":[` +
		`{"longname":"a[0]","rows":20,"cols":30,"slices":1,"quantized":true},{"longname":"a[1]","index":1,"rows":20,"cols":30,"slices":1,"quantized":true}]}`
	if err := json.Unmarshal([]byte(good), new(engine.TensorStatus)); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ old, new, says string }{
		{`"planned"`, `"lost"`, `unknown status "lost"`},
		{`"planned"`, `"skipped"`, "skipped with 2 layers"},
		{`"dense"`, `"round"`, `unknown layer type "round"`},
		{`"shape"`, `"bytes":-1,"shape"`, "-1 bytes"},
		{`"shape"`, `"worker_bytes":-1,"shape"`, "of a worker -1"},
		{`[2,20,30]`, `[2,20,31]`, "2 layers of 1 times 20×30 in the shape [2 20 31]"},
		{`[2,20,30]`, `[-2,-20,30]`, "in the shape [-2 -20 30]"},
		{`[2,20,30]`, `[2,20,30,4294967296,4294967296]`, "in the shape"},
		{`"rows":20,"cols":30,"slices":1,"quantized":true}]`, `"rows":30,"cols":20,"slices":1,"quantized":true}]`, "layer 1 is unlike layer 0"},
		{`"quantized":true}]`, `"quantized":false}]`, "layer 1 is unlike layer 0"},
		{`a[1]`, `a[0]`, `two layers are called "a[0]"`},
		{`"index":1`, `"index":0`, "2 layers of 1 times 20×30 in the shape [2 20 30]"},
		{`"index":1`, `"index":2`, "2 layers of 1 times 20×30 in the shape [2 20 30]"},
		{`"index":1`, `"index":-1`, "2 layers of 1 times 20×30 in the shape [2 20 30]"},
	} {
		err := json.Unmarshal([]byte(strings.Replace(good, tc.old, tc.new, 1)), new(engine.TensorStatus))
		if err == nil || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), `tensor "a"`) {
			t.Errorf("%s: %v, want %s", tc.new, err, tc.says)
		}
	}
	// The product of the dimensions is 2^64, and so 0 to whoever does not look.
	huge := `{"name":"a","shape":[8589934592,2147483648],"type":"dense","status":"planned","layers":[{"longname":"a","rows":8589934592,"cols":2147483648,"slices":1}]}`
	if err := json.Unmarshal([]byte(huge), new(engine.TensorStatus)); err == nil || !strings.Contains(err.Error(), "in the shape") {
		t.Errorf("a matrix beyond integers: %v", err)
	}
	// Both slices and experts, with as many elements as the tensor.
	both := strings.NewReplacer(`[2,20,30]`, `[4,20,30]`, `"slices":1`, `"slices":2`).Replace(good)
	if err := json.Unmarshal([]byte(both), new(engine.TensorStatus)); err == nil {
		t.Error("experts that are convolutions were read")
	}
}

// TestForgedPlan: no run is of a plan that has a tensor twice, or one that is analysed.
func TestForgedPlan(t *testing.T) {
	m, opts := newMemory().add("a.weight", gaussian(1, 600), 20, 30), engine.DefaultOptions()
	plan, err := engine.Describe(m, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Validate(); err != nil {
		t.Error(err)
	}
	analysed := plan.Tensors[0]
	analysed.Status = engine.Analysed
	for says, p := range map[string]*engine.Plan{
		`tensor "a.weight" is in the plan twice`:    {Tensors: append(plan.Tensors[:1:1], plan.Tensors[0])},
		`tensor "a.weight" is analysed in the plan`: {Tensors: []engine.TensorStatus{analysed}},
	} {
		outcome, err := engine.Run(context.Background(), m, p, opts, new(engine.Memory))
		if err == nil || outcome != nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want %s", err, says)
		}
	}
}

// TestForeignPlan: a plan of another checkpoint is refused before any work.
func TestForeignPlan(t *testing.T) {
	opts := engine.DefaultOptions()
	plan, err := engine.Describe(newMemory().add("a.weight", nil, 20, 30), opts)
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*memory{
		"no such tensor": newMemory().add("b.weight", gaussian(1, 600), 20, 30),
		"another shape":  newMemory().add("a.weight", gaussian(1, 600), 30, 20),
		"another type":   mistyped(newMemory().add("a.weight", gaussian(1, 600), 20, 30)),
	} {
		var sink engine.Memory
		outcome, err := engine.Run(context.Background(), m, plan, opts, &sink)
		if err == nil || outcome != nil || len(sink.Rows) != 0 || !strings.Contains(err.Error(), "another checkpoint") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func mistyped(m *memory) *memory {
	m.tensors[0].DType = checkpoint.U32
	return m
}

// fullSink takes a number of rows and records, and no more.
type fullSink struct{ room int }

var errFull = errors.New("no room")

func (s *fullSink) take() error {
	if s.room--; s.room < 0 {
		return errFull
	}
	return nil
}

func (s *fullSink) Row(engine.Row) error             { return s.take() }
func (s *fullSink) Tensor(engine.TensorRecord) error { return s.take() }

// TestSinkFails: a sink that fails, at whatever it is given, ends the run with its error.
func TestSinkFails(t *testing.T) {
	src, opts := mixed(), mixedOptions(t)
	plan, err := engine.Describe(src, opts)
	if err != nil {
		t.Fatal(err)
	}
	for room := range 36 { // of 32 rows and 4 records
		outcome, err := engine.Run(context.Background(), src, plan, opts, &fullSink{room})
		if !errors.Is(err, errFull) || outcome == nil || !outcome.Interrupted {
			t.Fatalf("with room for %d: %v", room, err)
		}
	}
	if _, err := engine.Run(context.Background(), src, plan, opts, &fullSink{1000}); err != nil {
		t.Error(err)
	}
}

// TestBaseline: a metric that asks for it gets the spectrum of the baseline of its own
// layer, whichever worker computes that; none at the baseline, of layers that are not
// quantized, and where no level quantizes nothing.
func TestBaseline(t *testing.T) {
	for _, levels := range []string{"fp16,4bit,2bit,3bit-asym", "4bit,2bit"} {
		var mu sync.Mutex
		with, without := map[*metric.Input][]float64{}, 0
		m := newMemory()
		for i := range 12 {
			m.add(fmt.Sprintf("%02d.weight", i), gaussian(uint64(i+50), 900), 30, 30)
		}
		m.add("embed.weight", gaussian(4, 600), 20, 30)
		m.add("experts", gaussian(70, 3*900), 3, 30, 30)
		m.analyze(t, levels, func(o *engine.Options) {
			o.Threads = 4
			engine.WithMetric(o, func(in *metric.Input) ([]float64, metric.Finding) {
				mu.Lock()
				defer mu.Unlock()
				if in.Baseline == nil {
					without++
				} else {
					with[in] = in.Baseline.Eigenvalues
					if in.Baseline.N != in.N || in.Baseline.Matrices[0].Weights != nil || len(in.Baseline.Eigenvalues) != len(in.Eigenvalues) {
						t.Errorf("baseline %+v", in.Baseline)
					}
				}
				return metric.Measure(in)
			})
		})
		if levels[0] == '4' {
			if len(with) != 0 || without != 15*2+1 {
				t.Errorf("%s: %d with a baseline, %d without", levels, len(with), without)
			}
			continue
		}
		if len(with) != 15*3 || without != 15+1 {
			t.Errorf("%s: %d with a baseline, %d without", levels, len(with), without)
		}
		for in, base := range with {
			// The baseline of a layer has nearly its spectrum, and that of no other one.
			top := base[len(base)-1]
			if d := math.Abs(in.Eigenvalues[len(base)-1] - top); d > 0.9*top {
				t.Errorf("the largest eigenvalue is %v, at the baseline %v", in.Eigenvalues[len(base)-1], top)
			}
		}
	}
}

// reads is a checkpoint that notes what is read.
type reads struct {
	*memory
	names []string
}

func (r *reads) ReadTensor(dst []byte, t *checkpoint.Tensor) error {
	r.names = append(r.names, t.Name)
	return r.memory.ReadTensor(dst, t)
}

// TestOrder: the most costly tensor is read first, so that none is left to a single worker
// at the end; those of the same cost in the order of their names.
func TestOrder(t *testing.T) {
	src := &reads{memory: newMemory().add("a.weight", gaussian(1, 600), 20, 30).add("b.weight", gaussian(2, 1600), 40, 40).
		add("c.weight", gaussian(3, 600), 20, 30).add("d.weight", gaussian(4, 900), 30, 30)}
	if _, err := engine.Analyze(context.Background(), src, engine.DefaultOptions()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"b.weight", "d.weight", "a.weight", "c.weight"}; !slices.Equal(src.names, want) {
		t.Errorf("read %q, want %q", src.names, want)
	}
}

// TestRecords: rows carry the hash of the stored bytes, and what they took.
func TestRecords(t *testing.T) {
	res := newMemory().add("a.weight", gaussian(1, 600), 20, 30).add("embed.weight", gaussian(2, 600), 20, 30).analyze(t, "fp16,4bit", nil)
	for k := range res.Rows {
		a, e := res.Rows[k][0], res.Rows[k][1]
		if len(a.SHA256) != 64 || a.SHA256 != res.Rows[0][0].SHA256 || a.SHA256 == e.SHA256 {
			t.Errorf("hashes %s, %s", a.SHA256, e.SHA256)
		}
		if !(a.Seconds > 0) || a.Bytes < 2400 || (e.Seconds > 0) != (k == 0) || (e.Bytes > 0) != (k == 0) {
			t.Errorf("level %d: %v s, %d bytes; of the embedding %v s, %d bytes", k, a.Seconds, a.Bytes, e.Seconds, e.Bytes)
		}
	}
}

// TestAlikeBytes: equal bytes in equal shapes that are read as other layers are no
// duplicates.
func TestAlikeBytes(t *testing.T) {
	w := gaussian(9, 12*14*16)
	res := newMemory().add("a.conv.weight", w, 12, 14, 16).add("b.experts.weight", w, 12, 14, 16).add("c.experts.weight", w, 12, 14, 16).
		analyze(t, "4bit", nil)
	for i, want := range []engine.Status{engine.Analysed, engine.Analysed, engine.Skipped} {
		if got := res.Tensors[i].Status; got != want {
			t.Errorf("%s: %s (%s), want %s", res.Tensors[i].Name, got, res.Tensors[i].Reason, want)
		}
	}
	if n := len(res.Rows[0]); n != 1+12 {
		t.Errorf("%d rows", n)
	}
}

// TestPartial: rows that are missing make a result partial, whoever lost them.
func TestPartial(t *testing.T) {
	opts := engine.DefaultOptions()
	plan, err := engine.Describe(newMemory().add("a.weight", nil, 20, 30), opts)
	if err != nil {
		t.Fatal(err)
	}
	res := engine.Result{Levels: opts.Levels}
	res.Tensors, res.Rows = engine.Merge(plan, &opts, nil, nil)
	if !res.Partial() || res.Rows[0][0].Status != engine.RowMissing {
		t.Errorf("partial is %v, the row %s", res.Partial(), res.Rows[0][0].Status)
	}
}
