package metric_test

import (
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/engine/weights"
)

var nan, inf = math.NaN(), math.Inf(1)

// input returns a layer of matrices with n rows, each with the given singular values,
// ascending.
func input(n int, scale float64, sigmas ...[]float64) *metric.Input {
	var matrices []metric.Matrix
	for _, sigma := range sigmas {
		s := &spectrum.Spectrum{Sigma: sigma}
		for _, v := range sigma {
			s.Lambda = append(s.Lambda, v*v)
		}
		matrices = append(matrices, metric.Matrix{Spectrum: s, Weights: &weights.Tensor{Rows: n, Cols: len(sigma)}})
	}
	return metric.NewInput(matrices, scale)
}

// heavy returns singular values whose squares are quantiles of a power law.
func heavy(n int) []float64 {
	sigma := make([]float64, n)
	for i := range sigma {
		sigma[i] = 0.1 * math.Pow(1-(float64(i)+0.5)/float64(n), -0.4)
	}
	return sigma
}

// defined computes the columns by their definitions, each for itself.
func defined(n int, scale float64, sigmas ...[]float64) map[string]float64 {
	var evals []float64
	svMax, svMin, loss := 0.0, math.Inf(-1), 0
	for _, sigma := range sigmas {
		for _, s := range sigma {
			evals = append(evals, s*s*scale)
			if s <= slices.Max(sigma)*float64(n)*0x1p-52 {
				loss++
			}
		}
		svMax, svMin = max(svMax, slices.Max(sigma)), max(svMin, slices.Min(sigma))
	}
	slices.Sort(evals)
	top, sum := slices.Max(evals), 0.0
	rank, weak := 0, 0
	for _, l := range evals {
		sum += l
		if math.Sqrt(l) > math.Sqrt(top)*float64(n)*0x1p-52 {
			rank++
		}
		if l < 1e-6 {
			weak++
		}
	}
	entropy := nan
	if rank > 1 {
		entropy = 0
		for _, l := range evals {
			p := l/sum + 1e-10
			entropy -= p * math.Log(p) / math.Log(float64(rank)+1e-10)
		}
	}
	want := map[string]float64{
		"norm": sum, "log_norm": logarithm(sum), "lambda_max": top, "spectral_norm": top, "log_spectral_norm": logarithm(top),
		"stable_rank": nan, "sv_max": svMax * math.Sqrt(scale), "sv_min": svMin * math.Sqrt(scale),
		"matrix_rank": float64(rank), "rank_loss": float64(loss), "weak_rank_loss": float64(weak), "entropy": entropy,
	}
	if top > 0 {
		want["stable_rank"] = sum / top
	}
	fit(want, min(n, len(sigmas[0])), evals)
	return want
}

func logarithm(x float64) float64 {
	if x == 0 {
		return nan
	}
	return math.Log10(x)
}

// fit computes the columns of the power law by their definitions, for matrices whose
// smaller side is m.
func fit(want map[string]float64, m int, evals []float64) {
	var x []float64
	for _, l := range evals {
		if l > 1e-5 {
			x = append(x, l)
		}
	}
	if len(x) < 2 {
		return
	}
	n := len(x)
	alphas, distances, best := make([]float64, n-1), make([]float64, n-1), 0
	for i := range n - 1 {
		logs := 0.0
		for _, v := range x[i:] {
			logs += math.Log(v / x[i])
		}
		alphas[i] = 1 + float64(n-i)/logs
		for k, v := range x[i:] {
			distances[i] = max(distances[i], math.Abs(1-math.Pow(v/x[i], 1-alphas[i])-float64(k)/float64(n-i)))
		}
		if math.IsInf(alphas[i], 1) {
			distances[i] = float64(n-i-1) / float64(n-i)
		}
		if distances[i] < distances[best] {
			best = i
		}
	}
	alpha, xmin := alphas[best], x[best]
	want["D"], want["xmin"], want["xmax"], want["num_pl_spikes"] = distances[best], xmin, x[n-1], float64(n-best)
	want["xmin_ties"], want["xmin_ties_left_out"] = 0, 0
	for i, v := range x {
		if math.Abs(v-xmin) <= min(float64(m)*0x1p-52*x[n-1], 1e-6*xmin) {
			want["xmin_ties"]++
			if i < best {
				want["xmin_ties_left_out"]++
			}
		}
	}
	other := inf
	for i := range alphas {
		sizes := float64(n-i) / float64(n-best)
		if (sizes > 1.5 || 1/sizes > 1.5) && !math.IsInf(alphas[i], 1) && distances[i] < other {
			other = distances[i]
			want["alpha_other"], want["other_gap"] = alphas[i], other-distances[best]
		}
	}
	if math.IsInf(alpha, 1) {
		return
	}
	want["alpha"], want["sigma"] = alpha, (alpha-1)/math.Sqrt(float64(n-best))
	want["alpha_weighted"] = alpha * math.Log10(slices.Max(evals))
	powers := 0.0
	for _, l := range evals {
		powers += math.Pow(l, alpha)
	}
	want["log_alpha_norm"] = math.Log10(powers)
}

// known are the columns that this test has a definition of. Those of other metrics have
// tests of their own.
var known = strings.Fields(`norm log_norm lambda_max spectral_norm log_spectral_norm stable_rank sv_max sv_min
	matrix_rank rank_loss weak_rank_loss entropy
	alpha D sigma xmin xmax num_pl_spikes alpha_weighted log_alpha_norm alpha_other other_gap xmin_ties xmin_ties_left_out
	scale unique_values mse mae max_abs_error snr_db relative_error`)

// check fails the test for each column that is not as it should be: to 1e-12, or NaN
// where want does not have it.
func check(t *testing.T, name string, got []float64, want map[string]float64) {
	t.Helper()
	for _, column := range known {
		w, ok := want[column]
		if !ok {
			w = nan
		}
		g := got[at(t, column)]
		if g != w && !(math.IsNaN(g) && math.IsNaN(w)) && !(math.Abs(g-w) <= 1e-12*math.Abs(w)) && !(column == "other_gap" && math.Abs(g-w) <= 1e-14) {
			t.Errorf("%s: %s = %v, want %v", name, column, g, w)
		}
	}
}

// TestDefinitions holds every column to its definition; some spectra are so small that
// numbers are known.
func TestDefinitions(t *testing.T) {
	for name, tc := range map[string]struct {
		n      int
		scale  float64
		sigmas [][]float64
		known  map[string]float64
		fit    metric.Fit
	}{
		"three": {5, 1, [][]float64{{1, 2, 3}}, map[string]float64{
			"norm": 14, "lambda_max": 9, "spectral_norm": 9, "stable_rank": 14. / 9, "log_norm": math.Log10(14), "log_spectral_norm": 2 * math.Log10(3),
			"sv_max": 3, "sv_min": 1, "matrix_rank": 3, "rank_loss": 0, "weak_rank_loss": 0, "xmax": 9,
		}, metric.FitSuccess},
		"two slices": {5, 0.5, [][]float64{{0, 1, 2}, {0.5, 1.5, 4}}, map[string]float64{
			"norm": 11.75, "lambda_max": 8, "sv_max": 4 * math.Sqrt2 / 2, "sv_min": math.Sqrt2 / 4, "matrix_rank": 5, "rank_loss": 1, "weak_rank_loss": 1,
		}, metric.FitSuccess},
		"the largest in the first": {9, 0.5, [][]float64{{1, 7}, {2, 3}}, map[string]float64{
			"sv_max": 7 * math.Sqrt2 / 2, "sv_min": math.Sqrt2, "spectral_norm": 24.5,
		}, metric.FitSuccess},
		"ranks of slices": {100, 1, [][]float64{{1e-15, 1e-13, 1}, {1, 2, 1e8}}, map[string]float64{
			// In the first, 1e-15 is below 100*2^-52; of all together, 1e-13 too.
			"rank_loss": 1, "matrix_rank": 4, "weak_rank_loss": 2,
		}, metric.FitSuccess},
		"weak slices": {9, 0.5, [][]float64{{1e-3, 1.2e-3, 1}, {1.5e-3, 2}}, map[string]float64{
			// The limit is one of eigenvalues, which are halved: 5e-7, 7.2e-7 and 1.1e-6.
			"weak_rank_loss": 2, "rank_loss": 0, "matrix_rank": 5,
		}, metric.FitSuccess},
		"deficient": {1000, 1, [][]float64{{0, 1e-20, 4e-4, 2e-3, 1, 5}}, map[string]float64{
			"matrix_rank": 4, "rank_loss": 2, "weak_rank_loss": 3,
		}, metric.FitSuccess},
		"at the limit": {1 << 52, 1, [][]float64{{1, 1, 2, 4}}, map[string]float64{
			// Singular values above N*2^-52 of the largest: none is.
			"matrix_rank": 0, "rank_loss": 4, "entropy": nan,
		}, metric.FitSuccess},
		"one": {7, 1, [][]float64{{3}}, map[string]float64{
			"norm": 9, "stable_rank": 1, "sv_max": 3, "sv_min": 3, "matrix_rank": 1, "entropy": nan, "alpha": nan, "D": nan, "num_pl_spikes": nan,
		}, metric.FitFailed},
		"one above the threshold": {7, 1, [][]float64{{1e-3, 3e-3, 3}}, map[string]float64{"matrix_rank": 3, "xmin": nan}, metric.FitFailed},
		"two above the threshold": {7, 1, [][]float64{{3e-3, 4e-3, 3}}, map[string]float64{"num_pl_spikes": 2, "alpha_other": nan, "other_gap": nan}, metric.FitSuccess},
		"equal": {7, 0.5, [][]float64{{2, 2}, {2, 2}}, map[string]float64{
			"alpha": nan, "sigma": nan, "alpha_weighted": nan, "log_alpha_norm": nan, "D": 0.5, "xmin": 2, "xmax": 2, "num_pl_spikes": 2,
			"xmin_ties": 4, "xmin_ties_left_out": 2, "alpha_other": nan, "other_gap": nan, "norm": 8, "matrix_rank": 4, "stable_rank": 4,
		}, metric.FitDegenerate},
		"zero": {7, 1, [][]float64{{0, 0, 0}}, map[string]float64{
			"norm": 0, "log_norm": nan, "lambda_max": 0, "log_spectral_norm": nan, "stable_rank": nan, "sv_max": 0, "sv_min": 0,
			"matrix_rank": 0, "rank_loss": 3, "weak_rank_loss": 3, "entropy": nan, "alpha": nan,
		}, metric.FitFailed},
		"small":        {7, 1, [][]float64{{0.01, 0.02, 0.05, 0.3}}, nil, metric.FitSuccess},
		"heavy":        {300, 1, [][]float64{heavy(200)}, nil, metric.FitSuccess},
		"heavy slices": {80, 0.5, [][]float64{heavy(60), heavy(59)[:50], heavy(70)}, nil, metric.FitSuccess},
	} {
		values, finding := metric.Measure(input(tc.n, tc.scale, tc.sigmas...))
		want := defined(tc.n, tc.scale, tc.sigmas...)
		check(t, name, values, want)
		for column, w := range tc.known {
			want[column] = w
		}
		check(t, name+", by hand", values, want)
		if finding.Fit != tc.fit || (finding.Reason == "") != (tc.fit == metric.FitSuccess) {
			t.Errorf("%s: finding %+v, want %s", name, finding, tc.fit)
		}
	}
}

// TestFlat: the entropy of equal eigenvalues is that of a flat spectrum.
func TestFlat(t *testing.T) {
	values, _ := metric.Measure(input(50, 1, slices.Repeat([]float64{0.7}, 40)))
	if got := values[at(t, "entropy")]; math.Abs(got-1) > 1e-7 {
		t.Errorf("entropy %v", got)
	}
}

// TestUnits: weights in another unit have the same exponent, and logarithms that are
// moved, even where the powers of the eigenvalues overflow.
func TestUnits(t *testing.T) {
	base, _ := metric.Measure(input(60, 1, heavy(40)))
	for _, unit := range []float64{0x1p10, 0x1p-3, 0x1p300, 0x1p500} {
		sigma := heavy(40)
		for i := range sigma {
			sigma[i] *= unit
		}
		values, finding := metric.Measure(input(60, 1, sigma))
		moved := 2 * math.Log10(unit)
		want := map[string]float64{}
		for i, c := range metric.Columns() {
			want[c.Name] = base[i]
			switch c.Name {
			case "norm", "lambda_max", "spectral_norm", "xmin", "xmax":
				want[c.Name] *= unit * unit
			case "sv_max", "sv_min":
				want[c.Name] *= unit
			case "log_norm", "log_spectral_norm":
				want[c.Name] += moved
			case "alpha_weighted", "log_alpha_norm":
				want[c.Name] += base[at(t, "alpha")] * moved
			}
		}
		check(t, "unit", values, want)
		if finding.Fit != metric.FitSuccess {
			t.Errorf("finding %+v", finding)
		}
	}
}

// TestOverflow: a sum beyond numbers has no logarithm, and what is not finite has no fit.
func TestOverflow(t *testing.T) {
	values, finding := metric.Measure(input(9, 1, []float64{1.2e154, 1.3e154}))
	if x := values[at(t, "norm")]; !math.IsInf(x, 1) {
		t.Errorf("norm %v", x)
	}
	for _, name := range []string{"log_norm", "stable_rank"} {
		if x := values[at(t, name)]; !math.IsNaN(x) {
			t.Errorf("%s = %v", name, x)
		}
	}
	if finding.Fit != metric.FitSuccess {
		t.Errorf("finding %+v", finding)
	}
	values, finding = metric.Measure(input(9, 1, []float64{1, 2, inf}))
	if finding.Fit != metric.FitFailed || !strings.Contains(finding.Reason, "not finite") || !math.IsNaN(values[at(t, "alpha")]) || !math.IsNaN(values[at(t, "log_spectral_norm")]) {
		t.Errorf("finding %+v", finding)
	}
}

func at(t *testing.T, name string) int {
	t.Helper()
	i, ok := metric.Index(name)
	if !ok {
		t.Fatalf("no column %s", name)
	}
	return i
}

// plain is a quantizer whose steps differ.
type plain struct{}

func (plain) Dequantize([]float32, quant.Piece) {}

// stepped is a quantizer with one step.
type stepped struct{ plain }

func (stepped) Step() float32 { return 0.25 }

// TestErrors: errors of quantization are those of the meter, and the step is that of the
// first matrix.
func TestErrors(t *testing.T) {
	columns := []string{"scale", "unique_values", "mse", "mae", "max_abs_error", "snr_db", "relative_error"}
	e := quant.Errors{Unique: 9, MSE: 2, MAE: 3, MaxAbs: 4, SNR: 5, Relative: 6}
	for name, tc := range map[string]struct {
		unique    int
		quantizer quant.Quantizer
		want      []float64
	}{
		"one step":          {9, stepped{}, []float64{0.25, 9, 2, 3, 4, 5, 6}},
		"steps that differ": {0, plain{}, []float64{nan, 0, 2, 3, 4, 5, 6}},
		"too many values":   {-1, stepped{}, []float64{0.25, nan, 2, 3, 4, 5, 6}},
		"none":              {9, nil, []float64{nan, 9, 2, 3, 4, 5, 6}},
	} {
		in := input(5, 1, []float64{1, 2}, []float64{3, 4})
		e.Unique = tc.unique
		in.Errors, in.Matrices[0].Quantizer = &e, tc.quantizer
		want := defined(5, 1, []float64{1, 2}, []float64{3, 4})
		for i, c := range columns {
			want[c] = tc.want[i]
		}
		values, _ := metric.Measure(in)
		check(t, name, values, want)
	}
}

// TestColumns: names are unique words, meanings are sentences, and None is as long as the
// columns are many.
func TestColumns(t *testing.T) {
	columns, word := metric.Columns(), regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)
	for i, c := range columns {
		if j, ok := metric.Index(c.Name); !ok || j != i || !word.MatchString(c.Name) {
			t.Errorf("column %d, %q, is found at %d", i, c.Name, j)
		}
		if !strings.HasSuffix(c.Doc, ".") || strings.ContainsAny(c.Doc, "|\n") || len(c.Doc) < 2 {
			t.Errorf("%s: %q is no sentence for a table", c.Name, c.Doc)
		}
		if c.Kind != metric.Number && c.Kind != metric.Count {
			t.Errorf("%s is of kind %d, which is not that of a metric", c.Name, c.Kind)
		}
		if !slices.Contains([]metric.Table{metric.Results, metric.Errors, metric.Store}, c.Table) {
			t.Errorf("%s is in table %q", c.Name, c.Table)
		}
	}
	if i, ok := metric.Index("nothing"); ok || i != 0 {
		t.Errorf("an unknown column is found at %d", i)
	}
	none := metric.None()
	none[0] = 1
	if again := metric.None(); len(again) != len(columns) || slices.ContainsFunc(again, func(x float64) bool { return !math.IsNaN(x) }) {
		t.Errorf("nothing known: %v", again)
	}
}

// TestCounts: counts are whole numbers.
func TestCounts(t *testing.T) {
	in := input(80, 1, heavy(60))
	in.Errors = &quant.Errors{Unique: 3}
	in.Baseline = input(80, 1, heavy(60)).AsBaseline()
	values, _ := metric.Measure(in)
	for i, c := range metric.Columns() {
		if c.Kind == metric.Count && (values[i] != math.Trunc(values[i]) || values[i] < 0) {
			t.Errorf("%s = %v", c.Name, values[i])
		}
	}
}

// TestNewInput: the eigenvalues of all matrices are there, scaled and in order, and the
// larger dimension is N whichever way the matrices lie.
func TestNewInput(t *testing.T) {
	in := input(5, 0.5, []float64{1, 4}, []float64{2, 3})
	if !slices.Equal(in.Eigenvalues, []float64{0.5, 2, 4.5, 8}) || in.N != 5 || in.M != 2 || in.Scale != 0.5 || len(in.Matrices) != 2 || in.Errors != nil || in.Baseline != nil {
		t.Errorf("input %+v", in)
	}
	if in := input(2, 1, []float64{1, 2, 3}); in.N != 3 || in.M != 2 {
		t.Errorf("%d×%d", in.N, in.M)
	}
}

// TestAsBaseline: a baseline knows spectra, and neither weights nor errors.
func TestAsBaseline(t *testing.T) {
	in := input(5, 0.5, []float64{1, 4}, []float64{2, 3})
	in.Matrices[1].Quantizer, in.Errors, in.Baseline = stepped{}, &quant.Errors{}, &metric.Input{}
	in.Matrices[0].Weights.Encoding = checkpoint.F16.Encoding()
	b := in.AsBaseline()
	want := &metric.Input{
		N: 5, M: 2, Scale: 0.5, Eigenvalues: in.Eigenvalues,
		Matrices: []metric.Matrix{{Spectrum: in.Matrices[0].Spectrum}, {Spectrum: in.Matrices[1].Spectrum}},
	}
	if !reflect.DeepEqual(b, want) {
		t.Errorf("baseline %+v, want %+v", b, want)
	}
	if in.Matrices[0].Weights == nil || in.Matrices[1].Quantizer == nil || in.Errors == nil || in.Baseline == nil {
		t.Error("the input was changed")
	}
}
