package stats_test

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/stats"
)

var nan, inf = math.NaN(), math.Inf(1)

// result returns one with a table of exponents for each level; alpha_weighted is ten
// times, log_norm a hundred times the exponent.
func result(t *testing.T, levels string, alphas ...[]float64) *engine.Result {
	t.Helper()
	recipes, err := quant.ParseList(levels)
	if err != nil {
		t.Fatal(err)
	}
	res := &engine.Result{Levels: recipes}
	for k := range recipes {
		var rows []engine.Row
		for i, a := range alphas[k] {
			r := engine.Row{Layer: &engine.Layer{ID: i, Rows: 90, Cols: 60, Slices: 1, Quantized: true}, Level: recipes[k], Status: engine.RowSuccess, Values: metric.None()}
			r.Set("alpha", a)
			r.Set("alpha_weighted", 10*a)
			r.Set("log_norm", 100*a)
			if math.IsNaN(a) {
				r.Status = engine.RowDegenerate
				r.Set("log_norm", 1)
			}
			rows = append(rows, r)
		}
		res.Rows = append(res.Rows, rows)
	}
	return res
}

// check fails the test if a summary is not as it should be: numbers to 1e-14, all NaN
// being one.
func check(t *testing.T, name string, got, want stats.Summary) {
	t.Helper()
	got.Paired, got.Largest, got.WithoutLargest = 0, nil, 0  // TestPairs
	got.AlphaHatMedian, got.LogNormMedian, got.SNR = 0, 0, 0 // TestMedians
	got.Distance, got.Coherence = 0, 0                       // TestDamage
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range w.NumField() {
		field := w.Type().Field(i).Name
		if w.Field(i).Kind() == reflect.Float64 {
			a, b := g.Field(i).Float(), w.Field(i).Float()
			if a != b && !(math.IsNaN(a) && math.IsNaN(b)) && !(math.Abs(a-b) <= 1e-14*max(1, math.Abs(b))) {
				t.Errorf("%s: %s = %v, want %v", name, field, a, b)
			}
		} else if !reflect.DeepEqual(g.Field(i).Interface(), w.Field(i).Interface()) {
			t.Errorf("%s: %s = %v, want %v", name, field, g.Field(i), w.Field(i))
		}
	}
}

// TestCompare holds summaries to numbers computed by hand.
func TestCompare(t *testing.T) {
	// The ranks are 1 2 3 4 and 2 1 3 4: rho = 1 - 6*2/(4*15).
	res := result(t, "fp16,4bit", []float64{1, 2, 4, 9}, []float64{3, 2, 6, 7})
	s := stats.Compare(res)
	if len(s) != 2 {
		t.Fatalf("%d summaries", len(s))
	}
	check(t, "baseline", s[0], stats.Summary{
		Level: res.Levels[0], Layers: 4, Mean: 4, Std: math.Sqrt((9. + 4 + 0 + 25) / 3), Min: 1, Max: 9, Median: 3,
		Below: 1, Above: 1, Optimal: 2, AlphaHat: 40, LogNorm: 400, Pearson: 1, Spearman: 1,
	})
	check(t, "4bit", s[1], stats.Summary{
		Level: res.Levels[1], Layers: 4, Mean: 4.5, Std: math.Sqrt((2.25 + 6.25 + 2.25 + 6.25) / 3), Min: 2, Max: 7, Median: 4.5,
		Below: 0, Above: 1, Optimal: 3, AlphaHat: 45, LogNorm: 450,
		// Deviations -3 -2 0 5 and -1.5 -2.5 1.5 2.5.
		Pearson: 22 / math.Sqrt(38*17), Spearman: 0.8, MeanChange: 0.125, MedianChange: 0.25,
	})
}

// TestBaseline: changes are measured from the level that quantizes nothing, wherever it
// stands, and there are none without one.
func TestBaseline(t *testing.T) {
	a, b, c := []float64{2, 3, 7}, []float64{4, 5, 6}, []float64{1, 5, 3}
	s := stats.Compare(result(t, "4bit,fp16,2bit", b, a, c))
	for k, want := range []stats.Summary{
		{MeanChange: 0.25, MedianChange: 2. / 3, Pearson: 5 / math.Sqrt(14*2), Spearman: 1},
		{Pearson: 1, Spearman: 1},
		{MeanChange: -0.25, MedianChange: -0.5, Pearson: 2 / math.Sqrt(14*8), Spearman: 0.5},
	} {
		got := stats.Summary{MeanChange: s[k].MeanChange, MedianChange: s[k].MedianChange, Pearson: s[k].Pearson, Spearman: s[k].Spearman}
		check(t, s[k].Level.Name(), got, want)
	}
	for _, s := range stats.Compare(result(t, "4bit,2bit", a, b)) {
		got := stats.Summary{MeanChange: s.MeanChange, MedianChange: s.MedianChange, Pearson: s.Pearson, Spearman: s.Spearman}
		check(t, "without a baseline", got, stats.Summary{MeanChange: nan, MedianChange: nan, Pearson: nan, Spearman: nan})
	}
	for levels, want := range map[string]int{"fp16": 0, "4bit": -1, "8bit,fp16": 1, "8bit,stored,fp16": 1} {
		recipes, err := quant.ParseList(levels)
		if res := (engine.Result{Levels: recipes}); err != nil || res.Baseline() != want {
			t.Errorf("the baseline of %s is %d", levels, res.Baseline())
		}
	}
	res := result(t, "4bit,fp16,2bit", b, a, c)
	res.Options.Baseline = res.Levels[2]
	if s := stats.Compare(res); math.Abs(s[0].MeanChange-15./9+1) > 1e-14 || math.Abs(s[1].MeanChange-12./9+1) > 1e-14 || s[2].MeanChange != 0 {
		t.Errorf("changes from 2bit: %v, %v, %v", s[0].MeanChange, s[1].MeanChange, s[2].MeanChange)
	}
}

// TestMedians: a median stands beside every mean.
func TestMedians(t *testing.T) {
	s := stats.Compare(result(t, "fp16,4bit", []float64{1, 2, 9}, []float64{4, nan, 6}))
	if s[0].AlphaHatMedian != 20 || s[0].LogNormMedian != 200 || s[1].AlphaHatMedian != 50 || s[1].LogNormMedian != 400 {
		t.Errorf("medians %v, %v; %v, %v", s[0].AlphaHatMedian, s[0].LogNormMedian, s[1].AlphaHatMedian, s[1].LogNormMedian)
	}
}

// TestPairs: changes compare layers that are quantized and have an exponent at both levels,
// and say which of them moves the mean most.
func TestPairs(t *testing.T) {
	res := result(t, "fp16,4bit", []float64{2, 2, 4, nan, 2}, []float64{3, 6, 5, 5, 2})
	for k := range res.Rows {
		l := *res.Rows[k][4].Layer
		l.Quantized = false
		res.Rows[k][4].Layer = &l
		res.Rows[k][1].Layer.Cols = 49
	}
	res.Rows[1][2].Set("other_gap", 0.004)
	res.Rows[1][2].Set("alpha_other", 9)
	s := stats.Compare(res)
	if s[0].Paired != 3 || s[0].Largest != nil || s[0].Unquantized != 1 || s[0].Layers != 5 || s[0].Failed != 1 || s[0].Short != 1 || s[0].Mean != 8./3 {
		t.Errorf("baseline %+v", s[0])
	}
	if w := s[1]; w.Paired != 3 || w.Largest == nil || w.Largest.Layer.ID != 2 || w.WithoutLargest != 9./4-1 || math.Abs(w.MeanChange-0.75) > 1e-14 ||
		w.Undetermined != 1 || w.Short != 1 || w.Mean != 19./4 {
		t.Errorf("4bit %+v", w)
	}
	// As WeightWatcher counts, all count; and where nothing is quantized, too.
	res.Options.Compat = true
	if s := stats.Compare(res); s[0].Unquantized != 0 || s[0].Mean != 2.5 {
		t.Errorf("like WeightWatcher: %+v", s[0])
	}
	res.Options.Compat = false
	res.Levels, res.Rows = res.Levels[:1], res.Rows[:1]
	if s := stats.Compare(res); s[0].Unquantized != 0 || s[0].Mean != 2.5 {
		t.Errorf("unquantized levels alone: %+v", s[0])
	}
}

// TestMissing: rows that were not reached are no layers, those without an exponent are,
// and correlations are over the layers that have one at both levels.
func TestMissing(t *testing.T) {
	res := result(t, "fp16,4bit", []float64{1, 2, 3, 4, nan}, []float64{2, nan, 6, 8, 5})
	res.Rows[1][3] = engine.Row{Layer: &engine.Layer{}, Status: engine.RowMissing, Values: metric.None()}
	// What WeightWatcher writes for a failed fit is a number, and failed.
	res.Rows[1][2].Status = engine.RowFailed
	s := stats.Compare(res)
	check(t, "baseline", s[0], stats.Summary{
		Level: res.Levels[0], Layers: 5, Failed: 1, Mean: 2.5, Std: math.Sqrt(5. / 3), Min: 1, Max: 4, Median: 2.5,
		Below: 1, Optimal: 3, AlphaHat: 25, LogNorm: 1001. / 5, Pearson: 1, Spearman: 1,
	})
	check(t, "4bit", s[1], stats.Summary{
		Level: res.Levels[1], Layers: 4, Failed: 2, Mean: 13. / 3, Std: math.Sqrt(13. / 3), Min: 2, Max: 6, Median: 5,
		Optimal: 3, AlphaHat: 130. / 3, LogNorm: 1301. / 4,
		Pearson: 1, Spearman: 1, MeanChange: 1, MedianChange: 1,
	})
	reached := stats.Reached(res.Rows[1])
	if len(reached) != 4 || len(res.Rows[1]) != 5 || res.Rows[1][3].Status != engine.RowMissing {
		t.Errorf("%d of %d rows", len(reached), len(res.Rows[1]))
	}
	if v := stats.Values(res.Rows[1], "alpha"); !slices.Equal(v, []float64{2, 6, 5}) {
		t.Errorf("values %v", v)
	}
}

// TestFew: what does not exist for few layers is NaN, not a number.
func TestFew(t *testing.T) {
	for name, tc := range map[string]struct {
		base, alphas []float64
		want         stats.Summary
	}{
		"no layer": {nil, nil, stats.Summary{Mean: nan, Std: nan, Min: nan, Max: nan, Median: nan, AlphaHat: nan, LogNorm: nan, Pearson: nan, Spearman: nan, MeanChange: nan, MedianChange: nan}},
		"one layer": {[]float64{2}, []float64{3}, stats.Summary{
			Layers: 1, Mean: 3, Std: nan, Min: 3, Max: 3, Median: 3, Optimal: 1, AlphaHat: 30, LogNorm: 300, Pearson: nan, Spearman: nan, MeanChange: 0.5, MedianChange: 0.5,
		}},
		"one without an exponent": {[]float64{2}, []float64{nan}, stats.Summary{
			Layers: 1, Failed: 1, Mean: nan, Std: nan, Min: nan, Max: nan, Median: nan, AlphaHat: nan, LogNorm: 1, Pearson: nan, Spearman: nan, MeanChange: nan, MedianChange: nan,
		}},
		"none in common": {[]float64{2, nan}, []float64{nan, 2}, stats.Summary{
			Layers: 2, Failed: 1, Mean: 2, Std: nan, Min: 2, Max: 2, Median: 2, Optimal: 1, AlphaHat: 20, LogNorm: 100.5, Pearson: nan, Spearman: nan, MeanChange: nan, MedianChange: nan,
		}},
		"two layers": {[]float64{2, 3}, []float64{6, 5}, stats.Summary{
			Layers: 2, Mean: 5.5, Std: math.Sqrt(0.5), Min: 5, Max: 6, Median: 5.5, Optimal: 2, AlphaHat: 55, LogNorm: 550, Pearson: -1, Spearman: -1, MeanChange: 1.2, MedianChange: 4. / 3,
		}},
		"infinite": {[]float64{2, 3, 4}, []float64{3, inf, -1}, stats.Summary{
			Layers: 3, Mean: inf, Std: nan, Min: -1, Max: inf, Median: 3, Below: 1, Above: 1, Optimal: 1, AlphaHat: inf, LogNorm: inf, Pearson: nan, Spearman: -0.5, MeanChange: inf, MedianChange: 0.5,
		}},
	} {
		res := result(t, "fp16,4bit", tc.base, tc.alphas)
		tc.want.Level = res.Levels[1]
		check(t, name, stats.Compare(res)[1], tc.want)
	}
}

// TestConstant: exponents that are all the same have no correlation, whatever rounding
// makes of their deviations.
func TestConstant(t *testing.T) {
	varied := []float64{2, 3, 5, 7, 6, 2.5, 4}
	for _, c := range []float64{3, 2.1, 0.1, 1e-3, 1.0 / 3, 1e17} {
		for n := 2; n <= len(varied); n++ {
			constant := slices.Repeat([]float64{c}, n)
			for name, res := range map[string]*engine.Result{
				"level":    result(t, "fp16,4bit", varied[:n], constant),
				"baseline": result(t, "fp16,4bit", constant, varied[:n]),
				"both":     result(t, "fp16,4bit", constant, constant),
			} {
				s := stats.Compare(res)[1]
				if !math.IsNaN(s.Pearson) || !math.IsNaN(s.Spearman) {
					t.Errorf("%d times %v as %s: correlations %v, %v", n, c, name, s.Pearson, s.Spearman)
				}
			}
		}
	}
}

// TestTies: equal exponents share their mean rank.
func TestTies(t *testing.T) {
	// The ranks are 1 2.5 2.5 4 and 3.5 1 3.5 2, deviations -1.5 0 0 1.5 and 1 -1.5 1 -0.5.
	s := stats.Compare(result(t, "fp16,4bit", []float64{2, 3, 3, 5}, []float64{9, 1, 9, 4}))[1]
	if want := -2.25 / math.Sqrt(4.5*4.5); math.Abs(s.Spearman-want) > 1e-15 {
		t.Errorf("Spearman %v, want %v", s.Spearman, want)
	}
	// Three that are equal, at the end: 1 3 3 3 against 4 1 2 3.
	s = stats.Compare(result(t, "fp16,4bit", []float64{2, 8, 8, 8}, []float64{7, 2, 3, 4}))[1]
	if want := -3 / math.Sqrt(3*5); math.Abs(s.Spearman-want) > 1e-15 {
		t.Errorf("Spearman %v, want %v", s.Spearman, want)
	}
}

// TestLimits: 2 and 6 are between 2 and 6.
func TestLimits(t *testing.T) {
	s := stats.Compare(result(t, "fp16", []float64{math.Nextafter(2, 0), 2, 6, math.Nextafter(6, 7)}))[0]
	if s.Below != 1 || s.Optimal != 2 || s.Above != 1 {
		t.Errorf("%d below, %d between, %d above", s.Below, s.Optimal, s.Above)
	}
}

// TestSizes: bits are those of the quantized layers by their weights, bytes those of the whole
// checkpoint, and the signal-to-noise ratio is a median.
func TestSizes(t *testing.T) {
	res := result(t, "fp16,4bit", []float64{1, 2, 9}, []float64{4, 5, 6})
	for i := range res.Rows[1] {
		l := *res.Rows[1][i].Layer
		l.Tensor, l.Rows, l.Cols, l.Slices, l.Quantized = string(rune('a'+i)), 10, 8*(i+1), 1, i < 2
		r := &res.Rows[1][i]
		r.Layer, r.Bits = &l, 4+float64(i)
		r.Set("snr_db", float64(10*i))
	}
	res.Tensors = []engine.TensorStatus{{}, {}, {}, {}}
	for i := range res.Tensors {
		res.Tensors[i].Name, res.Tensors[i].Size = string(rune('a'+i)), 1000
	}
	// 80 weights of 4 bits and 160 of 5; two tensors stay as they are.
	if s := stats.Compare(res)[1]; s.Bits != (80*4+160*5)/240. || s.Bytes != 40+100+2000 || s.SNR != 10 {
		t.Errorf("%v bits, %d bytes, %v dB", s.Bits, s.Bytes, s.SNR)
	}
}

// TestDamage: the distance of a level is the median of those of its layers, the coherence the
// largest, and of layers that count only.
func TestDamage(t *testing.T) {
	res := result(t, "fp16,4bit", []float64{1, 2, 3, 4}, []float64{1, 2, 3, 4})
	for i, damage := range [][2]float64{{0.5, 1.1}, {nan, nan}, {0.2, 1.3}, {0.1, 1.25}} {
		res.Rows[1][i].Set("w1_log", damage[0])
		res.Rows[1][i].Set("coherence", damage[1])
	}
	s := stats.Compare(res)
	if got := s[1]; got.Distance != 0.2 || got.Coherence != 1.3 || got.Coherent != 2 || got.MostCoherent.Layer.ID != 2 {
		t.Errorf("distance %g, coherence %g of layer %v, %d above the limit", got.Distance, got.Coherence, got.MostCoherent, got.Coherent)
	}
	if base := s[0]; !math.IsNaN(base.Distance) || !math.IsNaN(base.Coherence) || base.MostCoherent != nil || base.CoherentName() != "" {
		t.Errorf("the baseline: distance %g, coherence %g", base.Distance, base.Coherence)
	}
}
