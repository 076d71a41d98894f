package results

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// odd is a text that a format may trip over.
const odd = "=é\n\t\x00\x1b\"\\<\u2028>"

// headers is a checkpoint of which there are headers only.
type headers []checkpoint.Tensor

func (h headers) Format() string                              { return "headers" }
func (h headers) Path() string                                { return "models/" + odd }
func (h headers) Tensors() []checkpoint.Tensor                { return h }
func (h headers) ReadTensor([]byte, *checkpoint.Tensor) error { return errors.New("no bytes") }
func (h headers) Close() error                                { return nil }

func (h headers) Files() []checkpoint.File {
	return []checkpoint.File{{Name: "one" + odd, Size: 12, HeaderSHA256: "ab"}, {Name: "two", Size: 34, HeaderSHA256: "cd"}}
}

func tensor(name string, shape ...int) checkpoint.Tensor {
	t := checkpoint.Tensor{Name: name, DType: checkpoint.F16, Shape: shape, File: "one", Encoding: checkpoint.F16.Encoding()}
	t.Size = 2 * t.Elements()
	return t
}

// planned returns a checkpoint, options and the plan of them: a matrix with an odd name,
// a convolution, two experts, and what is not analysed.
func planned(t testing.TB) (headers, engine.Options, *engine.Plan) {
	t.Helper()
	src := headers{
		tensor("a"+odd+".weight", 24, 30), tensor("c.weight", 12, 16, 3, 3), tensor("d.experts", 2, 20, 30),
		tensor("e.weight", 24, 30), tensor("f.weight", 40, 30), tensor("g.bias", 30),
	}
	opts := engine.DefaultOptions()
	opts.KeepDuplicates = false
	var err error
	if opts.Levels, err = quant.ParseList("fp16,4bit"); err != nil {
		t.Fatal(err)
	}
	plan, err := engine.Describe(src, opts)
	if err != nil {
		t.Fatal(err)
	}
	return src, opts, plan
}

// specials are numbers that a format may trip over.
var specials = []float64{
	math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0, math.SmallestNonzeroFloat64, -0x1p-1030,
	math.MaxFloat64, -math.MaxFloat64, 0.1, 1.0 / 3, 1 << 53, 1e21, 1e-7,
}

// rowsOf returns a row for every layer of the planned tensors and every level, in which
// every number and text is another one. The fields that are set are all of a Row, so that
// one which is added needs a place in the store.
func rowsOf(plan *engine.Plan, levels []quant.Recipe) []engine.Row {
	var rows []engine.Row
	n := 0
	for i := range plan.Tensors {
		for j := range plan.Tensors[i].Layers {
			for _, level := range levels {
				r := engine.Row{Layer: &plan.Tensors[i].Layers[j], Level: level, Status: statuses[len(rows)%len(statuses)], Values: metric.None()}
				v := reflect.ValueOf(&r).Elem()
				for f := range v.NumField() {
					switch v.Type().Field(f).Name {
					case "Layer", "Level", "Status", "Values":
					case "SHA256":
						r.SHA256 = fmt.Sprintf("%064x", i+1)
					case "Eigenvalues": // are not kept
					default:
						fill(v.Field(f), &n)
					}
				}
				for c, column := range metric.Columns() {
					if n++; column.Kind == metric.Count {
						r.Values[c] = float64(n)
					} else if c%2 == 0 {
						r.Values[c] = specials[(n/2)%len(specials)]
					} else {
						r.Values[c] = float64(n) / 7
					}
				}
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// fill sets a value, with all that it holds, to what no other value is set to.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint(*n, odd))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n)*1_000_000_007 + 1)
	case reflect.Float64:
		v.SetFloat(float64(*n) / 7)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 3, 4, 5, 6, *n, 123456789, time.FixedZone("", 3600))))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	default:
		panic("a field of kind " + v.Kind().String() + ": teach it to fill")
	}
}

// same reports whether two numbers are equal to the last bit, all NaN being one.
func same(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
}

// sameRow fails the test if two rows differ in anything that is kept.
func sameRow(t *testing.T, got, want *engine.Row) {
	t.Helper()
	g, w := reflect.ValueOf(*got), reflect.ValueOf(*want)
	for i := range w.NumField() {
		switch name := w.Type().Field(i).Name; name {
		case "Eigenvalues":
		case "Values":
			for c, column := range metric.Columns() {
				if !same(got.Values[c], want.Values[c]) {
					t.Errorf("%s = %v, want %v", column.Name, got.Values[c], want.Values[c])
				}
			}
		default:
			if !reflect.DeepEqual(g.Field(i).Interface(), w.Field(i).Interface()) {
				t.Errorf("%s = %+v, want %+v", name, g.Field(i), w.Field(i))
			}
		}
	}
}

// outcome returns one in which every field is another one.
func outcome(t *testing.T) *engine.Outcome {
	t.Helper()
	var o engine.Outcome
	n := 0
	fill(reflect.ValueOf(&o).Elem(), &n)
	return &o
}

// begin begins a run in the folder dir.
func begin(t testing.TB, dir string) *Writer {
	t.Helper()
	src, opts, plan := planned(t)
	w, err := Create(dir, engine.Source(src), plan, opts, Labels{Model: "+" + odd, Compat: true})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// whole begins a run in the folder dir and writes all rows.
func whole(t testing.TB, dir string) *Writer {
	t.Helper()
	w := begin(t, dir)
	for _, r := range rowsOf(&engine.Plan{Tensors: w.run.Plan}, w.run.Options.Levels) {
		if err := w.Row(r); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// TestRows: every field of every row comes back as it was written, and so does what became
// of the tensors. The result of the end of a run is the one that is read.
func TestRows(t *testing.T) {
	w := whole(t, t.TempDir())
	defer w.Discard()
	finished, err := w.Finish(outcome(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range []*engine.Result{finished, open(t, w.temp)} {
		checkRows(t, w, res)
	}
}

// checkRows fails the test if a result is not that of the run of whole.
func checkRows(t *testing.T, w *Writer, res *engine.Result) {
	t.Helper()
	want := rowsOf(&engine.Plan{Tensors: w.run.Plan}, w.run.Options.Levels)
	n := len(w.run.Options.Levels)
	if len(res.Rows) != n || len(res.Rows[0])*n != len(want) || len(want) != 12 {
		t.Fatalf("%d levels with %d layers, want %d rows", len(res.Rows), len(res.Rows[0]), len(want))
	}
	for i := range want {
		sameRow(t, &res.Rows[i%n][i/n], &want[i])
	}
	var became []engine.Status
	for i := range res.Tensors {
		became = append(became, res.Tensors[i].Status)
	}
	if !slices.Equal(became, []engine.Status{engine.Analysed, engine.Refused, engine.Refused, engine.Analysed, engine.Refused, engine.Skipped}) {
		t.Errorf("tensors are %v", became)
	}
}

// TestRecords: every field of a record comes back as it was written.
func TestRecords(t *testing.T) {
	w := begin(t, t.TempDir())
	defer w.Discard()
	want := []engine.TensorRecord{{}, {}}
	n := 0
	for i := range want {
		fill(reflect.ValueOf(&want[i]).Elem(), &n)
		want[i].Tensor = w.run.Plan[i].Name
	}
	want[1].Reason = ""
	for _, r := range want {
		if err := w.Tensor(r); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(w.temp)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	r := newReader(&engine.Plan{Tensors: w.run.Plan}, w.run.Options.Levels)
	if err := r.file(root, w.run.RowFiles[0]); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(r.records, want) {
		t.Errorf("records %+v, want %+v", r.records, want)
	}
}

// TestRun: everything that is said of a run comes back as it was written; nothing in
// run.json is left at its zero value here.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	src, opts, plan := planned(t)
	opts.MinEvals, opts.MaxEvals, opts.MaxN, opts.Layers = 1, 2000, 3000, []string{odd, "*"}
	opts.Include, opts.Exclude = engine.LayerTypes, []engine.LayerType{engine.Embedding}
	opts.QuantizeEmbeddings, opts.DequantDType, opts.Threads, opts.Memory = true, checkpoint.BF16, 3, 1<<40
	opts.KeepDuplicates, opts.Compat, opts.Baseline = true, true, opts.Levels[0]
	for i := range plan.Tensors {
		ts := &plan.Tensors[i]
		ts.Kept, ts.Flag, ts.Chosen, ts.Duplicate = "kept"+odd, "--flag", true, true
		eachLayer(ts, func(l *engine.Layer) { l.InputFirst = true })
	}
	opts.Precision, opts.Reproducible, opts.BLAS, opts.LAPACK, opts.KeepEigenvalues = spectrum.Single, true, "b", "l", true
	plan.Model = quant.Model{Layers: 3, Heads: 8, KVHeads: 2, Experts: 4, Arch: odd}
	w, err := Create(dir, engine.Source(src), plan, opts, Labels{Model: "+" + odd, Compat: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	o := outcome(t)
	finished, err := w.Finish(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Publish(rendered("x")); err != nil {
		t.Fatal(err)
	}
	run, res, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	compare(t, "", reflect.ValueOf(*run), reflect.ValueOf(w.run))
	for _, got := range []*engine.Result{finished, res} {
		if !got.Started.Equal(o.Started) {
			t.Errorf("started %v, want %v", got.Started, o.Started)
		}
		got.Started = o.Started
		if !reflect.DeepEqual(got.Outcome, *o) {
			t.Errorf("outcome\n%+v, want\n%+v", got.Outcome, *o)
		}
		if !reflect.DeepEqual(got.Source, engine.Source(src)) {
			t.Errorf("source %+v", got.Source)
		}
	}
}

// unkept are the fields that a store does without: they are of a checkpoint that is open,
// or of one process.
var unkept = []string{"Encoding", "Refusal", "Offset", "DType", "TypeName", "Progress"}

// perTensor are the fields that some tensors and layers do not have, or have as zero.
var perTensor = []string{"ID", "Index", "Reason", "Type", "Layers", "Bytes", "Kept", "Flag", "Chosen", "Duplicate", "SHA256"}

// compare fails the test where a value that was read differs from the one written, or the
// one written is zero.
func compare(t *testing.T, path string, got, want reflect.Value) {
	t.Helper()
	if field := path[strings.LastIndexByte(path, '.')+1:]; want.IsZero() && !slices.Contains(perTensor, field) {
		t.Errorf("%s is zero: the test is not of it", path)
	}
	if want.Kind() == reflect.Pointer {
		got, want = got.Elem(), want.Elem()
	}
	switch {
	case want.Type() == reflect.TypeFor[time.Time]():
		if !got.Interface().(time.Time).Equal(want.Interface().(time.Time)) {
			t.Errorf("%s = %v, want %v", path, got, want)
		}
	case want.Kind() == reflect.Struct:
		for i := range want.NumField() {
			if f := want.Type().Field(i); f.IsExported() && !slices.Contains(unkept, f.Name) {
				compare(t, path+"."+f.Name, got.Field(i), want.Field(i))
			}
		}
	case want.Kind() == reflect.Slice && want.Type().Elem().Kind() == reflect.Struct:
		if got.Len() != want.Len() {
			t.Fatalf("%s has %d elements, want %d", path, got.Len(), want.Len())
		}
		for i := range want.Len() {
			compare(t, path, got.Index(i), want.Index(i))
		}
	case !reflect.DeepEqual(got.Interface(), want.Interface()):
		t.Errorf("%s = %v, want %v", path, got, want)
	}
}

// open opens a run that is as it should be.
func open(t *testing.T, dir string) *engine.Result {
	t.Helper()
	_, res, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// summary says all of a result that does not tell how it was computed.
func summary(t *testing.T, res *engine.Result) string {
	t.Helper()
	tensors, err := json.Marshal(res.Tensors)
	if err != nil {
		t.Fatal(err)
	}
	text := string(tensors)
	for k := range res.Rows {
		for _, r := range res.Rows[k] {
			text += fmt.Sprintf("\n%+v %v %s %s %v %s %v", *r.Layer, r.Level.Name(), r.Status, r.Reason, r.Values, r.SHA256, r.Method)
		}
	}
	return text
}

// TestTwoWriters: the files of two writers read like that of one, in either order. The
// environment is that of the first, the time the longest, the warnings those of both.
func TestTwoWriters(t *testing.T) {
	one := whole(t, t.TempDir())
	defer one.Discard()
	if err := one.Tensor(engine.TensorRecord{Tensor: "nothing"}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(one.temp, one.run.RowFiles[0]))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	lines = lines[:len(lines)-2] // without the record of a tensor that is not there
	first := `{"outcome":{"environment":{"version":"1"},"started":"2026-03-04T05:06:07Z","wall_seconds":1.5,"threads":2,"warnings":["a","b"]}}` + "\n"
	second := `{"outcome":{"environment":{"version":"2"},"started":"2026-03-04T05:06:08Z","wall_seconds":2.5,"threads":3,"warnings":["b","c"]}}` + "\n"

	// read returns the result of files of rows.
	read := func(files ...string) *engine.Result {
		dir, run := t.TempDir(), one.run
		run.RowFiles = nil
		if err := os.Mkdir(filepath.Join(dir, rowsName), 0o777); err != nil {
			t.Fatal(err)
		}
		for i, text := range files {
			run.RowFiles = append(run.RowFiles, fmt.Sprintf("rows/%d.jsonl", i))
			if err := os.WriteFile(filepath.Join(dir, run.RowFiles[i]), []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		f, err := os.Create(filepath.Join(dir, runName))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := run.write(f); err != nil {
			t.Fatal(err)
		}
		return open(t, dir)
	}
	want := read(strings.Join(lines, "") + first)
	if want.Interrupted || want.Elapsed != 1500*time.Millisecond {
		t.Errorf("outcome of one %+v", want.Outcome)
	}
	slices.Reverse(lines)
	for cut := range len(lines) {
		a, b := strings.Join(lines[:cut], ""), strings.Join(lines[cut:], "")
		both := read(a+first, b+second)
		if summary(t, both) != summary(t, want) {
			t.Fatalf("cut at %d:\n%s, want\n%s", cut, summary(t, both), summary(t, want))
		}
		if both.Interrupted || both.Elapsed != 2500*time.Millisecond || both.Threads != 2 || both.Env.Version != "1" ||
			!slices.Equal(both.Warnings, []string{"a", "b", "c"}) || !both.Started.Equal(want.Started) {
			t.Errorf("outcome of both %+v", both.Outcome)
		}
		if swapped := read(b+second, a+first); summary(t, swapped) != summary(t, want) || swapped.Env.Version != "2" || swapped.Elapsed != 2500*time.Millisecond {
			t.Errorf("cut at %d: the order of the files matters", cut)
		}
	}
	stopped := strings.Replace(second, `"threads"`, `"interrupted":true,"threads"`, 1)
	for name, res := range map[string]*engine.Result{
		"the second has no end":   read(strings.Join(lines, "")+first, ""),
		"the first has no end":    read(strings.Join(lines, ""), second),
		"the second was stopped":  read(first, strings.Join(lines, "")+stopped),
		"the first was stopped":   read(stopped, strings.Join(lines, "")+first),
		"neither came to its end": read("", ""),
	} {
		if !res.Interrupted {
			t.Errorf("%s: not interrupted", name)
		}
	}
}

// TestUnfinished: a run without outcome is interrupted, with what was finished.
func TestUnfinished(t *testing.T) {
	w := begin(t, t.TempDir())
	defer w.Discard()
	res := open(t, w.temp)
	if !res.Interrupted || !res.Partial() || res.Rows[0][0].Status != engine.RowMissing || res.Count(engine.Planned) != 5 {
		t.Errorf("without rows: %+v", res.Outcome)
	}
	if err := w.Row(rowsOf(&engine.Plan{Tensors: w.run.Plan}, w.run.Options.Levels)[2]); err != nil {
		t.Fatal(err)
	}
	// What was handed over is in the file at once.
	if res = open(t, w.temp); !res.Interrupted || res.Rows[0][1].Status != engine.RowDegenerate || res.Rows[1][1].Status != engine.RowMissing {
		t.Errorf("with one row: %v", res.Rows[0][1])
	}
	_, err := w.Finish(&engine.Outcome{})
	if err != nil {
		t.Fatal(err)
	}
	if res = open(t, w.temp); res.Interrupted {
		t.Error("interrupted, although the outcome says no")
	}
}

// TestWriteFails: an error of the file ends in the hands of whoever writes.
func TestWriteFails(t *testing.T) {
	w := whole(t, t.TempDir())
	defer w.Discard()
	w.file.Close()
	if err := w.Tensor(engine.TensorRecord{Tensor: w.run.Plan[0].Name}); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a record: %v", err)
	}
	if err := w.Row(rowsOf(&engine.Plan{Tensors: w.run.Plan}, w.run.Options.Levels)[0]); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a row: %v", err)
	}
	if res, err := w.Finish(outcome(t)); !errors.Is(err, fs.ErrClosed) || res != nil {
		t.Errorf("the end: %v", err)
	}
	// One that comes when the file is closed is an error, too.
	closed := begin(t, t.TempDir())
	defer closed.Discard()
	closed.file.Close()
	closed.out = bufio.NewWriter(io.Discard)
	closed.enc = json.NewEncoder(closed.out)
	if res, err := closed.Finish(outcome(t)); !errors.Is(err, fs.ErrClosed) || res != nil {
		t.Errorf("the end of a file that is not closed well: %v", err)
	}
	if err := copyFile(io.Discard, filepath.Join(w.temp, "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("copy of nothing: %v", err)
	}
}
