package engine_test

import (
	"archive/zip"
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/open"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

const sample = "../examples/gosrc-lm"

// goldenLevels maps the levels of the golden files to ours.
var goldenLevels = map[string]string{
	"fp16": "fp16", "8bit": "8bit", "6bit": "6bit", "5bit": "5bit",
	"4bit": "4bit", "3bit": "3bit", "2bit": "2bit", "4bit_asym": "4bit-asym",
}

// runSample analyses the sample at all golden levels.
func runSample(change func(*engine.Options)) (*engine.Result, error) {
	src, _, err := open.Open(sample, open.Options{})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	opts := engine.DefaultOptions()
	if opts.Levels, err = quant.ParseList(engine.DefaultLevels + ",4bit-asym"); err != nil {
		return nil, err
	}
	opts.KeepEigenvalues = true
	if change != nil {
		change(&opts)
	}
	return engine.Analyze(context.Background(), src, opts)
}

func analyzeSample(t *testing.T, change func(*engine.Options)) *engine.Result {
	t.Helper()
	res, err := runSample(change)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

var sampleOnce = sync.OnceValues(func() (*engine.Result, error) { return runSample(nil) })

func sampleResult(t *testing.T) *engine.Result {
	t.Helper()
	res, err := sampleOnce()
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// table returns the rows of one level by long name.
func table(t *testing.T, res *engine.Result, level string) map[string]*engine.Row {
	t.Helper()
	for k, l := range res.Levels {
		if l.Name() == level {
			m := map[string]*engine.Row{}
			for i := range res.Rows[k] {
				m[res.Rows[k][i].Layer.LongName] = &res.Rows[k][i]
			}
			return m
		}
	}
	t.Fatalf("no level %s", level)
	return nil
}

// goldenRows reads a CSV file into one map a row.
func goldenRows(t *testing.T, file string) []map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, r := range records[1:] {
		m := map[string]string{}
		for i, v := range r {
			m[records[0][i]] = v
		}
		rows = append(rows, m)
	}
	return rows
}

func num(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// relative returns |a-b| / max(|a|, |b|).
func relative(a, b float64) float64 {
	if a == b {
		return 0
	}
	return math.Abs(a-b) / math.Max(math.Abs(a), math.Abs(b))
}

// compareRow holds a row against WeightWatcher's columns.
func compareRow(t *testing.T, where string, got *engine.Row, want map[string]string) {
	t.Helper()
	k, n := float64(got.Layer.M()), float64(got.Layer.N())
	svTol := k * 0x1p-52 * got.Get("spectral_norm") / num(t, want["sv_min"])
	for _, c := range []struct {
		col string
		got float64
		tol float64
	}{
		{"alpha", got.Get("alpha"), 1e-6}, {"D", got.Get("D"), 1e-6}, {"sigma", got.Get("sigma"), 1e-6}, {"xmin", got.Get("xmin"), 1e-6},
		{"N", n, 0}, {"M", k, 0}, {"Q", n / k, 0}, {"rf", float64(got.Layer.Slices), 0},
		{"num_evals", float64(got.Layer.NumEvals()), 0},
		{"matrix_rank", got.Get("matrix_rank"), 0},
		{"rank_loss", got.Get("rank_loss"), 0}, {"weak_rank_loss", got.Get("weak_rank_loss"), 0},
		{"alpha_weighted", got.Get("alpha_weighted"), 1e-8}, {"entropy", got.Get("entropy"), 1e-8},
		{"lambda_max", got.Get("spectral_norm"), 1e-8}, {"log_alpha_norm", got.Get("log_alpha_norm"), 1e-8},
		{"log_norm", got.Get("log_norm"), 1e-8}, {"log_spectral_norm", got.Get("log_spectral_norm"), 1e-8},
		{"norm", got.Get("norm"), 1e-8}, {"spectral_norm", got.Get("spectral_norm"), 1e-8},
		{"stable_rank", got.Get("stable_rank"), 1e-8}, {"sv_max", got.Get("sv_max"), 1e-8}, {"xmax", got.Get("xmax"), 1e-8},
	} {
		w := num(t, want[c.col])
		if r := relative(c.got, w); !(r <= c.tol) {
			t.Errorf("%s: %s = %v, WeightWatcher has %v (relative %.1e, allowed %.1e)", where, c.col, c.got, w, r, c.tol)
		}
	}
	// WeightWatcher counts the eigenvalues of at least xmin: of equal ones also those
	// before the tail, as far as the last digit of the eigensolver does not part them.
	left := got.Get("xmin_ties_left_out")
	if w, tail := num(t, want["num_pl_spikes"]), got.Get("num_pl_spikes"); !(w >= tail && w <= tail+left) {
		t.Errorf("%s: num_pl_spikes = %v, and %v ties before; WeightWatcher has %v", where, tail, left, w)
	}
	if w := num(t, want["sv_min"]); !(math.Abs(got.Get("sv_min")-w) <= svTol) {
		t.Errorf("%s: sv_min = %v, WeightWatcher has %v (allowed %.1e)", where, got.Get("sv_min"), w, svTol)
	}
	if string(got.Status) != want["status"] || got.Warning() != want["warning"] {
		t.Errorf("%s: status %q, warning %q; WeightWatcher has %q, %q", where, got.Status, got.Warning(), want["status"], want["warning"])
	}
	if string(got.Layer.Type) != want["layer_type"] {
		t.Errorf("%s: type %s, WeightWatcher has %s", where, got.Layer.Type, want["layer_type"])
	}
}

func TestSampleAgainstWeightWatcher(t *testing.T) {
	res := sampleResult(t)
	for golden, level := range goldenLevels {
		t.Run(golden, func(t *testing.T) {
			rows := table(t, res, level)
			want := goldenRows(t, filepath.Join("testdata/gosrc-lm", "results_"+golden+".csv"))
			if len(rows) != len(want) {
				t.Errorf("%d layers, WeightWatcher has %d", len(rows), len(want))
			}
			for _, w := range want {
				got := rows[w["longname"]]
				if got == nil {
					t.Errorf("no layer %s", w["longname"])
					continue
				}
				compareRow(t, level+" "+w["longname"], got, w)
			}
		})
	}
}

func TestSampleEigenvalues(t *testing.T) {
	res := sampleResult(t)
	z, err := zip.OpenReader("testdata/gosrc-lm/evals.npz")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	n := 0
	for _, f := range z.File {
		golden, name, _ := strings.Cut(strings.TrimSuffix(f.Name, ".npy"), "/")
		want := readNPY(t, f)
		got := table(t, res, goldenLevels[golden])[name].Eigenvalues
		if len(got) != len(want) {
			t.Errorf("%s: %d eigenvalues, want %d", f.Name, len(got), len(want))
			continue
		}
		top := want[len(want)-1]
		for i := range want {
			if d := math.Abs(got[i] - want[i]); !(d <= 1e-10*top) {
				t.Errorf("%s: eigenvalue %d = %v, want %v (%.1e of the largest)", f.Name, i, got[i], want[i], d/top)
				break
			}
		}
		n++
	}
	if want := len(goldenLevels) * 31; n != want {
		t.Errorf("compared %d spectra, want %d", n, want)
	}
}

// readNPY reads a one-dimensional little-endian float64 array.
func readNPY(t *testing.T, f *zip.File) []float64 {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	n := 10 + int(binary.LittleEndian.Uint16(data[8:]))
	m := regexp.MustCompile(`'descr': '<f8'.*'shape': \((\d+),\)`).FindStringSubmatch(string(data[10:n]))
	if m == nil {
		t.Fatalf("%s: header %q", f.Name, data[10:n])
	}
	count, _ := strconv.Atoi(m[1])
	x := make([]float64, count)
	for i := range x {
		x[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[n+8*i:]))
	}
	return x
}

func TestSampleQuantizationErrors(t *testing.T) {
	res := sampleResult(t)
	data, err := os.ReadFile("testdata/gosrc-lm/quantization_errors.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]map[string]struct {
		Unique   int     `json:"unique"`
		MSE      float64 `json:"mse"`
		MAE      float64 `json:"mae"`
		SNR      float64 `json:"snr_db"`
		Relative float64 `json:"relative_error"`
		Max      float64 `json:"max_abs_error"`
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	for golden, tensors := range want {
		rows := table(t, res, goldenLevels[golden])
		for name, w := range tensors {
			got := rows[strings.TrimSuffix(name, ".weight")]
			if unique := got.Get("unique_values"); unique != float64(w.Unique) {
				t.Errorf("%s %s: %v unique values, want %d", golden, name, unique, w.Unique)
			}
			for _, c := range []struct {
				what      string
				got, want float64
			}{{"mse", got.Get("mse"), w.MSE}, {"mae", got.Get("mae"), w.MAE}, {"snr", got.Get("snr_db"), w.SNR}, {"relative", got.Get("relative_error"), w.Relative}, {"max", got.Get("max_abs_error"), w.Max}} {
				if relative(c.got, c.want) > 1e-12 {
					t.Errorf("%s %s: %s = %v, want %v", golden, name, c.what, c.got, c.want)
				}
			}
		}
	}
}

// TestThreads shows that results do not depend on the number of threads: every
// metric is the same to the last bit.
func TestThreads(t *testing.T) {
	want := analyzeSample(t, func(o *engine.Options) { o.Threads = 1 })
	for _, threads := range []int{2, 5} {
		got := analyzeSample(t, func(o *engine.Options) { o.Threads = threads })
		if a, b := dump(got), dump(want); a != b {
			t.Errorf("%d threads give other results than one", threads)
		}
	}
}

// dump prints all rows with every digit.
func dump(res *engine.Result) string {
	var b strings.Builder
	for k := range res.Rows {
		for _, r := range res.Rows[k] {
			l := *r.Layer
			r.Layer, r.Seconds, r.Bytes = nil, 0, 0
			fmt.Fprintf(&b, "%v %+v\n", l, r)
		}
	}
	return b.String()
}
