package report_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/open"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/report"
)

var analysed = sync.OnceValues(func() (*engine.Result, error) {
	src, _, err := open.Open("../../examples/gosrc-lm", open.Options{})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	opts := engine.DefaultOptions()
	opts.Levels, _ = quant.ParseLevels(engine.DefaultLevels + ",4bit-asym")
	return engine.Analyze(context.Background(), src, opts)
})

func sample(t *testing.T) *engine.Result {
	t.Helper()
	res, err := analysed()
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestComparisonAgainstStudy holds the comparison table to the one that the
// study's Python makes from WeightWatcher's results.
func TestComparisonAgainstStudy(t *testing.T) {
	dir := t.TempDir()
	if _, err := report.Write(dir, sample(t), report.Options{Model: "m", Compat: true}); err != nil {
		t.Fatal(err)
	}
	got := readCSV(t, filepath.Join(dir, "metrics", "quantization_comparison.csv"))
	want := readCSV(t, "../testdata/gosrc-lm/quantization_comparison.csv")
	byLevel := map[string][]string{}
	for _, row := range got[1:] {
		byLevel[strings.ReplaceAll(row[0], "-", "_")] = row
	}
	for _, w := range want[1:] {
		g := byLevel[w[0]]
		if g == nil {
			t.Errorf("no level %s", w[0])
			continue
		}
		for i, name := range want[0][1:] {
			j := slices.Index(got[0], name)
			if j < 0 {
				t.Fatalf("no column %s", name)
			}
			a, _ := strconv.ParseFloat(g[j], 64)
			b, _ := strconv.ParseFloat(w[i+1], 64)
			if math.Abs(a-b) > 1e-8*math.Max(1, math.Abs(b)) {
				t.Errorf("%s: %s = %s, the study has %s", w[0], name, g[j], w[i+1])
			}
		}
	}
}

// TestColumns checks names and order against WeightWatcher's own file, and that a
// script that reads one reads the other.
func TestColumns(t *testing.T) {
	dir := t.TempDir()
	if _, err := report.Write(dir, sample(t), report.Options{Model: "m"}); err != nil {
		t.Fatal(err)
	}
	got := readCSV(t, filepath.Join(dir, "metrics", "results_4bit.csv"))
	want := readCSV(t, "../testdata/gosrc-lm/results_4bit.csv")
	header := slices.Concat(want[0], []string{"model_name", "quantization", "timestamp"})
	if !slices.Equal(got[0], header) {
		t.Errorf("columns\n%v, want\n%v", got[0], header)
	}
	if len(got) != len(want) {
		t.Errorf("%d rows, want %d", len(got)-1, len(want)-1)
	}
	for _, row := range got[1:] {
		for i, name := range got[0][:32] {
			if row[i] == "" && name != "warning" {
				t.Errorf("%s: %s is empty", row[1], name)
			}
		}
	}
	f, err := os.Open("../testdata/gosrc-lm/results_4bit.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table, err := report.ReadCSV(f)
	if err != nil || len(table.Records) != 31 {
		t.Errorf("WeightWatcher's file: %d records, %v", len(table.Records), err)
	}
}

// TestRoundTrip reads back what was written: the same summaries follow.
func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	want, err := report.Write(dir, sample(t), report.Options{Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := report.Rewrite(dir, report.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%v: %+v, want %+v", want[i].Level, got[i], want[i])
		}
	}
}

// row returns a row of a layer called name.
func row(name string, change func(*engine.Row)) engine.Row {
	r := engine.Row{
		Layer: &engine.Layer{LongName: name, Type: engine.Dense, Rows: 20, Cols: 30, Slices: 1, Quantized: true},
		Level: quant.FP16, Status: engine.FitSuccess, Alpha: 3, AlphaWeighted: 6, SpectralNorm: 100,
	}
	if change != nil {
		change(&r)
	}
	return r
}

func failed(r *engine.Row) {
	r.Status, r.Reason = engine.FitFailed, "too few"
	r.Alpha, r.AlphaWeighted, r.D, r.Sigma, r.XMin, r.XMax, r.LogAlphaNorm = math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()
}

// TestFailedFits: a failed fit is an empty cell with a reason and in no mean; in
// compat mode it is -1 everywhere.
func TestFailedFits(t *testing.T) {
	res := &engine.Result{
		Levels: []quant.Level{quant.FP16},
		Rows: [][]engine.Row{{row("a", nil), row("b", failed), row("c", func(r *engine.Row) {
			r.Status, r.Reason = engine.FitDegenerate, "equal"
			r.Alpha, r.AlphaWeighted = math.NaN(), math.NaN()
		})}},
	}
	s := report.Compare(report.FromResult(res, "m", false))[0]
	if s.Layers != 3 || s.Failed != 2 || s.Mean != 3 || s.Below != 0 || s.Optimal != 1 {
		t.Errorf("summary %+v", s)
	}
	s = report.Compare(report.FromResult(res, "m", true))[0]
	if s.Layers != 3 || s.Failed != 1 || !math.IsInf(s.Mean, 1) || s.Below != 1 || s.Min != -1 {
		t.Errorf("compat summary %+v", s)
	}
	var b bytes.Buffer
	if err := report.WriteCSV(&b, res.Rows[0], "m", res.Started, false); err != nil {
		t.Fatal(err)
	}
	rows, _ := csv.NewReader(&b).ReadAll()
	at := func(r int, name string) string { return rows[r][slices.Index(rows[0], name)] }
	if at(2, "alpha") != "" || at(2, "warning") != "too few" || at(2, "status") != "failed" {
		t.Errorf("failed row: %q", rows[2])
	}
	b.Reset()
	if err := report.WriteCSV(&b, res.Rows[0], "m", res.Started, true); err != nil {
		t.Fatal(err)
	}
	rows, _ = csv.NewReader(&b).ReadAll()
	if at(2, "alpha") != "-1" || at(2, "warning") != "over-trained" || at(2, "num_pl_spikes") != "-1" || at(2, "alpha_weighted") != "-2" {
		t.Errorf("failed row in compat: %q", rows[2])
	}
	if at(3, "alpha") != "inf" || at(3, "warning") != "under-trained" || at(3, "status") != "success" {
		t.Errorf("degenerate row in compat: %q", rows[3])
	}
}

// TestFormulas: names that a spreadsheet would run are disarmed.
func TestFormulas(t *testing.T) {
	var b bytes.Buffer
	if err := report.WriteCSV(&b, []engine.Row{row("=cmd()", nil)}, "@m", sample(t).Started, false); err != nil {
		t.Fatal(err)
	}
	if s := b.String(); strings.Contains(s, ",=cmd") || strings.Contains(s, ",@m") {
		t.Errorf("%s", s)
	}
}

// TestPictures draws all pictures of odd studies: they must be images, whatever
// is missing.
func TestPictures(t *testing.T) {
	level := func(s string) quant.Level {
		l, err := quant.ParseLevel(s)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	nan, inf := math.NaN(), math.Inf(1)
	record := func(id int, alpha float64) report.Record {
		return report.Record{ID: id, LongName: strconv.Itoa(id), Alpha: alpha, AlphaWeighted: alpha, LogNorm: alpha, LogSpectralNorm: alpha}
	}
	many := []report.Table{{Level: quant.FP16}}
	for bits := 2; bits <= 12; bits++ {
		many = append(many, report.Table{Level: level(strconv.Itoa(bits)), Records: []report.Record{record(0, 2), record(1, float64(bits))}})
	}
	for name, tables := range map[string][]report.Table{
		"one level":   {{Level: level("4"), Records: []report.Record{record(0, 2), record(1, 3)}}},
		"one layer":   {{Level: quant.FP16, Records: []report.Record{record(0, 2)}}, {Level: level("4"), Records: []report.Record{record(0, 3)}}},
		"no layer":    {{Level: quant.FP16}, {Level: level("4")}},
		"all failed":  {{Level: quant.FP16, Records: []report.Record{record(0, nan), record(1, nan)}}},
		"infinite":    {{Level: quant.FP16, Records: []report.Record{record(0, inf), record(1, -1), record(2, 1e6)}}},
		"many levels": many,
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range report.FigureNames() {
				var b bytes.Buffer
				if err := report.WriteFigure(&b, f, tables, report.Compare(tables)); err != nil {
					t.Errorf("%s: %v", f, err)
					continue
				}
				if _, err := png.DecodeConfig(&b); err != nil {
					t.Errorf("%s: %v", f, err)
				}
			}
		})
	}
}

// TestRunJSON checks that every tensor is in run.json and the file is JSON.
func TestRunJSON(t *testing.T) {
	var b bytes.Buffer
	if err := report.WriteRunJSON(&b, sample(t), false); err != nil {
		t.Fatal(err)
	}
	var run struct {
		Files []struct {
			HeaderSHA256 string `json:"header_sha256"`
		}
		Tensors     []struct{ Name, Status string }
		Rows        []any
		Environment engine.Environment
	}
	if err := json.Unmarshal(b.Bytes(), &run); err != nil {
		t.Fatal(err)
	}
	if len(run.Tensors) != 40 || len(run.Rows) != 31*8 || len(run.Files) != 2 || len(run.Files[0].HeaderSHA256) != 64 {
		t.Errorf("%d tensors, %d rows, files %v", len(run.Tensors), len(run.Rows), run.Files)
	}
}

func TestReadCSVErrors(t *testing.T) {
	for _, s := range []string{"", "a,b\n1,2\n", "layer_id,longname,alpha,alpha_weighted,log_norm,log_spectral_norm,status,warning\n0,a,x,1,1,1,s,w\n"} {
		if _, err := report.ReadCSV(strings.NewReader(s)); err == nil {
			t.Errorf("%q was read", s)
		}
	}
}

func TestReadDirErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := report.ReadDir(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that is not there was read")
	}
	if _, err := report.ReadDir(dir); err == nil {
		t.Error("an empty folder was read")
	}
	if _, err := report.Write(dir, sample(t), report.Options{Model: "m"}); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(filepath.Join(dir, "metrics", "results_4bit.csv"))
	if err := os.WriteFile(filepath.Join(dir, "metrics", "results_x.csv"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := report.ReadDir(dir); err == nil || !strings.Contains(err.Error(), "occurs twice") {
		t.Errorf("a level twice: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "metrics", "results_x.csv"), bytes.ReplaceAll(data, []byte(",m,"), []byte(",n,")), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := report.ReadDir(dir); err == nil || !strings.Contains(err.Error(), "model") {
		t.Errorf("two models: %v", err)
	}
}
