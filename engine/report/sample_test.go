package report_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint/open"
	"github.com/wwq-fast/wwq-fast/engine/report"
)

// writeSample writes the result of the bundled sample and returns the folder.
func writeSample(t *testing.T, opts report.Options) string {
	t.Helper()
	dir := t.TempDir()
	if _, err := report.Write(dir, sample(t), opts); err != nil {
		t.Fatal(err)
	}
	return dir
}

// goldenLevels are the levels of the golden files, by our names.
var goldenLevels = map[string]string{
	"fp16": "fp16", "8bit": "8bit", "6bit": "6bit", "5bit": "5bit",
	"4bit": "4bit", "3bit": "3bit", "2bit": "2bit", "4bit-asym": "4bit_asym",
}

// byColumn reads a CSV file into one map a row, by the value of the column key.
func byColumn(t *testing.T, path, key string) map[string]map[string]string {
	t.Helper()
	rows := readCSV(t, path)
	all := map[string]map[string]string{}
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, name := range rows[0] {
			m[name] = row[i]
		}
		all[m[key]] = m
	}
	if len(all) != len(rows)-1 {
		t.Fatalf("%s: %d different %s in %d rows", path, len(all), key, len(rows)-1)
	}
	return all
}

func float(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// near reports whether two numbers differ by no more than a part of the larger one.
func near(a, b, tolerance float64) bool {
	return a == b || math.Abs(a-b) <= tolerance*math.Max(math.Abs(a), math.Abs(b))
}

// TestSampleTables holds every cell of every results_<level>.csv of the sample to
// WeightWatcher's file. The tolerances are those of the engine's own comparison with it
// (engine/golden_test.go): 1e-6 for what follows from the choice of xmin, rounding of
// the Gram matrix for the smallest singular value, 1e-8 for the other metrics.
func TestSampleTables(t *testing.T) {
	dir := writeSample(t, report.Options{Model: "m"})
	fit := []string{"alpha", "D", "sigma", "xmin"}
	exact := []string{"M", "N", "Q", "has_esd", "layer_type", "longname", "matrix_rank", "num_evals", "rank_loss", "rf", "status", "warning", "weak_rank_loss"}
	for level, golden := range goldenLevels {
		got := byColumn(t, filepath.Join(dir, "metrics", "results_"+level+".csv"), "longname")
		want := byColumn(t, filepath.Join("../testdata/gosrc-lm", "results_"+golden+".csv"), "longname")
		if len(got) != len(want) || len(got) != 31 {
			t.Errorf("%s: %d layers, WeightWatcher has %d", level, len(got), len(want))
		}
		ids := map[string]bool{}
		for name, w := range want {
			g := got[name]
			if g == nil {
				t.Errorf("%s: no layer %s", level, name)
				continue
			}
			if len(w) != 32 || len(g) < 35 {
				t.Fatalf("%s: %d columns, WeightWatcher has %d", level, len(g), len(w))
			}
			for column, cell := range w {
				ok := false
				switch {
				case column == "layer_id":
					// WeightWatcher counts modules, we count layers.
					ids[g[column]], ok = true, true
				case column == "name":
					// WeightWatcher gives the class of the module.
					ok = g[column] == name[strings.LastIndexByte(name, '.')+1:]
				case column == "num_pl_spikes":
					// WeightWatcher counts ties at xmin that are before the tail, as far as
					// the last digit of the eigensolver does not part them.
					tied := strings.Contains(g["warning"], "xmin tied")
					ok = g[column] == cell || tied && float(t, cell) > float(t, g[column])
				case column == "warning":
					// Ours has doubts, too.
					own, doubts, _ := strings.Cut(g[column], "xmin ")
					ok = strings.TrimSuffix(own, "; ") == cell && (doubts == "" || strings.HasPrefix(doubts, "undetermined: ") || strings.HasPrefix(doubts, "tied: "))
				case slices.Contains(exact, column):
					a, errA := strconv.ParseFloat(g[column], 64)
					b, errB := strconv.ParseFloat(cell, 64)
					ok = g[column] == cell || errA == nil && errB == nil && a == b
				case column == "sv_min":
					a, b := float(t, g[column]), float(t, cell)
					ok = math.Abs(a-b) <= float(t, w["M"])*0x1p-52*float(t, w["spectral_norm"])/b
				case slices.Contains(fit, column):
					ok = near(float(t, g[column]), float(t, cell), 1e-6)
				default:
					ok = near(float(t, g[column]), float(t, cell), 1e-8)
				}
				if !ok {
					t.Errorf("%s %s: %s = %s, WeightWatcher has %s", level, name, column, g[column], cell)
				}
			}
			if g["model_name"] != "m" || g["quantization"] != level || len(g["timestamp"]) != len("2006-01-02T15:04:05.000000") {
				t.Errorf("%s %s: model %q, level %q, time %q", level, name, g["model_name"], g["quantization"], g["timestamp"])
			}
		}
		for i := range len(want) {
			if !ids[strconv.Itoa(i)] {
				t.Errorf("%s: no layer_id %d", level, i)
			}
		}
	}
}

// weightsOf returns the weights of every tensor of the sample.
func weightsOf(t *testing.T) map[string][]float32 {
	t.Helper()
	src, _, err := open.Open("../../examples/gosrc-lm", open.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	all := map[string][]float32{}
	for _, ts := range src.Tensors() {
		data := make([]byte, ts.Size)
		if err := src.ReadTensor(data, &ts); err != nil {
			t.Fatal(err)
		}
		w := make([]float32, ts.Elements())
		ts.Encoding.Decode(w, data)
		all[ts.Name] = w
	}
	return all
}

// TestSampleErrors holds every cell of quantization_errors.csv to the golden statistics
// to 1e-12, and the step to the range of the weights.
func TestSampleErrors(t *testing.T) {
	dir := writeSample(t, report.Options{Model: "m"})
	data, err := os.ReadFile("../testdata/gosrc-lm/quantization_errors.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]map[string]map[string]float64
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	weights := weightsOf(t)
	rows := readCSV(t, filepath.Join(dir, "metrics", "quantization_errors.csv"))
	if want := len(goldenLevels) * len(golden["4bit"]); len(rows)-1 != want || want != 8*29 {
		t.Errorf("%d rows, want %d", len(rows)-1, want)
	}
	seen := map[string]bool{}
	for _, row := range rows[1:] {
		cells := map[string]string{}
		for i, name := range rows[0] {
			cells[name] = row[i]
		}
		level, tensor := cells["quantization"], cells["longname"]+".weight"
		where := level + " " + tensor
		if seen[where] {
			t.Errorf("%s: twice", where)
		}
		seen[where] = true
		w := weights[tensor]
		if w == nil {
			t.Errorf("%s: no such tensor", where)
			continue
		}
		if level == "fp16" {
			// The weights are stored as float16 and stay as they are.
			different := map[float32]bool{}
			for _, v := range w {
				different[v] = true
			}
			if cells["unique_values"] != strconv.Itoa(len(different)) || cells["scale"] != "0" || cells["mse"] != "0" || cells["mae"] != "0" ||
				cells["max_abs_error"] != "0" || cells["snr_db"] != "inf" || cells["relative_error"] != "0" {
				t.Errorf("%s: %v, with %d different weights", where, cells, len(different))
			}
			continue
		}
		want := golden[goldenLevels[level]][tensor]
		columns := map[string]string{"unique": "unique_values"}
		if len(want) != 6 {
			t.Errorf("%s: %d golden numbers", where, len(want))
		}
		for name, x := range want {
			column := name
			if c, ok := columns[name]; ok {
				column = c
			}
			if got := float(t, cells[column]); !near(got, x, 1e-12) {
				t.Errorf("%s: %s = %v, want %v", where, column, got, x)
			}
		}
		low, high := slices.Min(w), slices.Max(w)
		steps, span := float32(int(1)<<(level[0]-'1')-1), max(high, -low)
		if strings.HasSuffix(level, "-asym") {
			steps, span = float32(int(1)<<(level[0]-'0')-1), high-low
		}
		if got := float(t, cells["scale"]); got != float64(span/steps) {
			t.Errorf("%s: scale = %v, want %v", where, got, span/steps)
		}
	}
}
