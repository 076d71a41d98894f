package powerlaw

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// direct evaluates the definition in the comment of Scan term by term: logarithms of
// ratios, every distance in full. It returns the fit, without the other one, and the
// distance of each candidate.
func direct(x []float64) (fit Fit, dist []float64) {
	n := len(x)
	fit.D = math.Inf(1)
	for i := range n - 1 {
		sum := 0.0
		for _, v := range x[i:] {
			sum += math.Log(v / x[i])
		}
		tail := float64(n - i)
		alpha, d := 1+tail/sum, 1.0
		if alpha > 1 {
			d = 0
			for k, v := range x[i:] {
				model := 0.0
				if math.Log(v/x[i]) != 0 {
					model = 1 - math.Pow(v/x[i], 1-alpha)
				}
				d = max(d, math.Abs(model-float64(k)/tail))
			}
		}
		dist = append(dist, d)
		if d < fit.D {
			fit = Fit{Alpha: alpha, D: d, XMin: x[i], XMax: x[n-1], Tail: n - i, Start: i}
		}
	}
	fit.Sigma = (fit.Alpha - 1) / math.Sqrt(float64(fit.Tail))
	return fit, dist
}

func near(a, b, rel float64) bool {
	return a == b || math.Abs(a-b) <= rel*math.Max(math.Abs(a), math.Abs(b))
}

// TestWeightWatcher compares Scan with numbers that pl_fit of WeightWatcher 0.7.5.5 gave
// for these values, as one-dimensional arrays.
func TestWeightWatcher(t *testing.T) {
	power := make([]float64, 100)
	for k := range power {
		power[k] = math.Pow(float64(100-k)/100, -0.8)
	}
	for _, tc := range []struct {
		name string
		x    []float64
		want Fit
	}{
		{"power", power, Fit{Alpha: 2.291620627133304, D: 0.01204836370663831, Sigma: 0.1291620627133304, XMin: 1, XMax: 39.810717055349734, Tail: 100}},
		{"ties", []float64{1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 8}, Fit{Alpha: 1.865617024533378, D: 0.28213912142113123, Sigma: 0.24988211106473437, XMin: 1, XMax: 8, Tail: 12}},
		{"all equal", []float64{2, 2, 2, 2, 2}, Fit{Alpha: math.Inf(1), D: 0.5, Sigma: math.Inf(1), XMin: 2, XMax: 2, Tail: 2}},
		{"two", []float64{1, 5}, Fit{Alpha: 2.242669869119224, D: 0.3646647167633874, Sigma: 0.8787002912304027, XMin: 1, XMax: 5, Tail: 2}},
	} {
		got, err := Scan(tc.x, 0)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		for _, c := range []struct {
			col       string
			got, want float64
		}{
			{"alpha", got.Alpha, tc.want.Alpha}, {"D", got.D, tc.want.D}, {"sigma", got.Sigma, tc.want.Sigma},
			{"xmin", got.XMin, tc.want.XMin}, {"xmax", got.XMax, tc.want.XMax}, {"tail", float64(got.Tail), float64(tc.want.Tail)},
		} {
			if !near(c.got, c.want, 1e-13) {
				t.Errorf("%s: %s: got %v, want %v", tc.name, c.col, c.got, c.want)
			}
		}
	}
}

// spectra returns test spectra of length n in ascending order.
func spectra(rng *rand.Rand, n int) map[string][]float64 {
	m := map[string][]float64{}
	add := func(name string, f func() float64) {
		x := make([]float64, n)
		for i := range x {
			x[i] = f()
		}
		slices.Sort(x)
		m[name] = x
	}
	add("pareto", func() float64 { return math.Pow(1-rng.Float64(), -1/1.5) })
	add("lognormal", func() float64 { return math.Exp(2 * rng.NormFloat64()) })
	add("uniform", func() float64 { return 1e-5 + rng.Float64() })
	add("few values", func() float64 { return float64(1 + rng.IntN(5)) })
	add("wide", func() float64 { return math.Exp(30 * rng.NormFloat64()) })
	add("narrow", func() float64 { return 1 + 1e-12*rng.Float64() })
	return m
}

// TestAgainstDefinition compares the pruned scan with the definition. The two round
// differently and may choose different candidates; their distances must then be equal to
// rounding.
func TestAgainstDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{2, 3, 4, 5, 10, 31, 33, 34, 65, 66, 100, 300, 700} {
		for name, x := range spectra(rng, n) {
			got, err := Scan(x, 0)
			want, dist := direct(x)
			if err != nil {
				t.Fatalf("%s %d: %v", name, n, err)
			}
			tol := 1e-12
			if name == "narrow" {
				tol = 1e-3 // the logarithms differ by 1e-12 and are accurate to 1e-16
			}
			if math.Abs(got.D-want.D) > tol {
				t.Errorf("%s %d: D = %v at %d, want %v at %d", name, n, got.D, got.Start, want.D, want.Start)
			}
			if got.Start != want.Start && math.Abs(dist[got.Start]-want.D) > tol {
				t.Errorf("%s %d: start %d with D = %v, want %d with %v", name, n, got.Start, dist[got.Start], want.Start, want.D)
			}
			if got.Start == want.Start && !near(got.Alpha, want.Alpha, 10*tol) {
				t.Errorf("%s %d: alpha = %v, want %v", name, n, got.Alpha, want.Alpha)
			}
			checkOther(t, name, x, &got, dist, tol)
		}
	}
}

// checkOther compares the other fit with the definition: its distance is the least of all
// candidates with a tail of another size, and its exponent is that of a candidate with
// this distance. dist holds the distance of each candidate.
func checkOther(t *testing.T, name string, x []float64, got *Fit, dist []float64, tol float64) {
	t.Helper()
	alpha := func(i int) float64 {
		sum := 0.0
		for _, v := range x[i:] {
			sum += math.Log(v / x[i])
		}
		return 1 + float64(len(x)-i)/sum
	}
	want := math.Inf(1)
	other := func(i int) bool {
		n := len(x) - i
		return (2*n > 3*got.Tail || 2*got.Tail > 3*n) && !math.IsInf(alpha(i), 1)
	}
	for i, d := range dist {
		if other(i) {
			want = min(want, d)
		}
	}
	if math.IsInf(want, 1) {
		if !math.IsNaN(got.OtherGap) || !math.IsNaN(got.OtherAlpha) {
			t.Errorf("%s %d: other fit with gap %v and alpha %v where there is none", name, len(x), got.OtherGap, got.OtherAlpha)
		}
		return
	}
	if got.OtherGap < 0 || !(math.Abs(got.D+got.OtherGap-want) <= tol) {
		t.Errorf("%s %d: other distance %v, want %v; the best has %v", name, len(x), got.D+got.OtherGap, want, got.D)
	}
	for i, d := range dist {
		if other(i) && d <= want+tol && near(got.OtherAlpha, alpha(i), 10*tol) {
			return
		}
	}
	t.Errorf("%s %d: other alpha %v is that of no candidate with distance %v", name, len(x), got.OtherAlpha, want)
}

// TestLump fits power laws with some values close together below them. In these spectra
// the largest difference of many candidates lies right after the first value of the tail,
// inside the first interval of the search.
func TestLump(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	inside := 0
	for range 300 {
		n := 60 + rng.IntN(301)
		lump, noise := 1+rng.IntN(n/12), 0.1*rng.Float64()
		x := make([]float64, n)
		for i := range x {
			if i < lump {
				x[i] = 1 + 0.001*rng.Float64()
				continue
			}
			quantile := (float64(i-lump) + 0.5) / float64(n-lump)
			x[i] = 1.002 * math.Pow(1-quantile, -1/1.5) * math.Exp(noise*rng.NormFloat64())
		}
		slices.Sort(x)
		got, _ := Scan(x, 0)
		want, dist := direct(x)
		if math.Abs(got.D-want.D) > 1e-12 || math.Abs(dist[got.Start]-want.D) > 1e-12 ||
			got.Start == want.Start && !near(got.Alpha, want.Alpha, 1e-11) {
			t.Errorf("n = %d, %d in a lump: %+v, want %+v", n, lump, got, want)
		}
		checkOther(t, "lump", x, &got, dist, 1e-12)
		if got.Start < lump {
			inside++
		}
	}
	if inside == 0 {
		t.Error("no tail begins in a lump")
	}
}

// TestUnpruned compares the pruned search with the maximum over all k of the same
// differences: candidate and distance must be identical, not only equal to rounding.
func TestUnpruned(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{2, 33, 64, 500, 1500} {
		for name, x := range spectra(rng, n) {
			s := newScan(x, 0)
			best, bestD := 0, math.Inf(1)
			for i := range n - 1 {
				d := 1.0
				if s.valid(i) {
					d = 0
					for k := range n - i {
						d = max(d, s.at(i, k, 1/float64(n-i)))
					}
				}
				if d < bestD {
					best, bestD = i, d
				}
			}
			if got, _ := Scan(x, 0); got.Start != best || got.D != bestD {
				t.Errorf("%s %d: start %d, D %v; unpruned %d, %v", name, n, got.Start, got.D, best, bestD)
			}
		}
	}
}

// TestPairs fits spectra in which every value is there twice, the second a last digit
// larger: the logarithms of both are equal, the values are not. An exponent that is
// infinite for the pair at the end must not win because its distance is no number.
func TestPairs(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	for _, scale := range []float64{1, 3, 1e4, 1e9, 1e-3} {
		for range 40 {
			var x []float64
			for range 50 {
				v := scale * math.Pow(1-rng.Float64(), -1/1.5)
				x = append(x, v, math.Nextafter(v, math.Inf(1)))
			}
			slices.Sort(x)
			got, err := Scan(x, 0)
			if err != nil {
				t.Fatal(err)
			}
			want, dist := direct(x)
			if math.IsNaN(want.D) || math.Abs(got.D-want.D) > 1e-12 || math.Abs(dist[got.Start]-want.D) > 1e-12 || math.IsInf(got.Alpha, 0) {
				t.Errorf("scale %g: %+v, want %+v", scale, got, want)
			}
		}
	}
}

// TestResolution: values that differ by less than the resolution count as equal, so that
// their exponent is infinite and no candidate, whatever the last digits are.
func TestResolution(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	noise := func(v float64) float64 { return v * (1 + 1e-15*rng.Float64()) }
	for _, n := range []int{2, 5, 64, 300} {
		var flat, topped []float64
		for range n {
			flat = append(flat, noise(4))
			topped = append(topped, noise(4))
		}
		for i := range n {
			topped = append(topped, 0.01+float64(i)/float64(n))
		}
		slices.Sort(flat)
		slices.Sort(topped)
		if fit, _ := Scan(flat, 1e-13); !math.IsInf(fit.Alpha, 1) || fit.Tied != n || !math.IsNaN(fit.OtherAlpha) {
			t.Errorf("%d equal values: %+v", n, fit)
		}
		if fit, _ := Scan(topped, 1e-13); math.IsInf(fit.Alpha, 1) || fit.Tail <= n && n > 2 {
			t.Errorf("%d equal values above as many others: %+v", n, fit)
		}
	}
}

// TestTied: a tail that begins inside a run of equal values says so.
func TestTied(t *testing.T) {
	x := []float64{1, 1.5, 2, 2, 2, 2, 3, 7}
	s := newScan(x, 1e-13)
	for i, want := range [][2]int{{1, 0}, {1, 0}, {4, 0}, {4, 1}, {4, 2}, {4, 3}, {1, 0}, {1, 0}} {
		if all, below := s.tied(i); all != want[0] || below != want[1] {
			t.Errorf("x[%d]: %d equal values, %d before, want %v", i, all, below, want)
		}
	}
}

// TestScaling multiplies a spectrum by powers of two, which is exact: the exponent may
// change only by the rounding of logarithms.
func TestScaling(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	x := spectra(rng, 400)["pareto"]
	want, _ := Scan(x, 0)
	for _, f := range []float64{0x1p-20, 2, 0x1p40} {
		y := make([]float64, len(x))
		for i := range y {
			y[i] = f * x[i]
		}
		got, _ := Scan(y, 0)
		if got.Start != want.Start || !near(got.Alpha, want.Alpha, 1e-12) || got.XMin != f*want.XMin {
			t.Errorf("scaled by %v: %+v, want %+v", f, got, want)
		}
	}
}

// TestErrors: each class of input that cannot be fitted has its error, which names the
// first value at fault.
func TestErrors(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, tc := range []struct {
		x     []float64
		want  error
		named string
	}{
		{nil, ErrTooFew, "0, want at least 2"},
		{[]float64{1}, ErrTooFew, "1, want at least 2"},
		{[]float64{nan}, ErrTooFew, "1, want at least 2"},
		{[]float64{nan, 1, 2}, ErrNotFinite, "x[0] = NaN"},
		{[]float64{1, nan, 2}, ErrNotFinite, "x[1] = NaN"},
		{[]float64{1, 2, nan}, ErrNotFinite, "x[2] = NaN"},
		{[]float64{1, 2, inf}, ErrNotFinite, "x[2] = +Inf"},
		{[]float64{-inf, 1, 2}, ErrNotFinite, "x[0] = -Inf"},
		{[]float64{0, 1, 2}, ErrNotPositive, "x[0] = 0"},
		{[]float64{math.Copysign(0, -1), 1}, ErrNotPositive, "x[0] = -0"},
		{[]float64{-1, 1, 2}, ErrNotPositive, "x[0] = -1"},
		{[]float64{1, 2, -3}, ErrNotPositive, "x[2] = -3"},
		{[]float64{2, 1}, ErrNotSorted, "x[1] = 1 is below x[0] = 2"},
		{[]float64{1, 1, 3, 2}, ErrNotSorted, "x[3] = 2 is below x[2] = 3"},
		{[]float64{1, 3, 2, nan}, ErrNotSorted, "x[2] = 2 is below x[1] = 3"},
	} {
		fit, err := Scan(tc.x, 0)
		if !errors.Is(err, tc.want) || !strings.HasSuffix(err.Error(), ": "+tc.named) {
			t.Errorf("Scan(%v): error %q, want %q naming %q", tc.x, err, tc.want, tc.named)
		}
		if fit != (Fit{}) {
			t.Errorf("Scan(%v): %+v beside an error", tc.x, fit)
		}
	}
	for _, x := range [][]float64{{1, 1}, {math.SmallestNonzeroFloat64, 1}, {1, math.MaxFloat64}} {
		if _, err := Scan(x, 0); err != nil {
			t.Errorf("Scan(%v): %v", x, err)
		}
	}
}

// TestFitTail: the order of the eigenvalues and the values up to the threshold do not
// matter, the eigenvalues stay as they are, and no value that is not finite is dropped.
func TestFitTail(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for name, x := range spectra(rng, 200) {
		x = AboveThreshold(x)
		want, err := Scan(x, float64(len(x)+5)*0x1p-52)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		evals := append([]float64{-1, 0, -1e-18, 1e-9, MinEigenvalue}, x...)
		rng.Shuffle(len(evals), func(i, j int) { evals[i], evals[j] = evals[j], evals[i] })
		before := slices.Clone(evals)
		got, err := FitTail(evals)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
		if !slices.Equal(evals, before) {
			t.Errorf("%s: FitTail has changed its input", name)
		}
	}
	for _, tc := range []struct {
		evals []float64
		want  error
	}{
		{nil, ErrTooFew},
		{[]float64{0, -2, 1e-5, 3}, ErrTooFew},
		{[]float64{3, math.NaN(), 2}, ErrNotFinite},
		{[]float64{3, math.Inf(1), 2}, ErrNotFinite},
		{[]float64{3, math.Inf(-1), 2}, ErrNotFinite},
	} {
		if _, err := FitTail(tc.evals); !errors.Is(err, tc.want) {
			t.Errorf("FitTail(%v): error %q, want %q", tc.evals, err, tc.want)
		}
	}
}

func TestAboveThreshold(t *testing.T) {
	x := []float64{0, 1e-6, 1e-5, 1.1e-5, 2}
	if got := AboveThreshold(x); len(got) != 2 || got[0] != 1.1e-5 {
		t.Errorf("got %v", got)
	}
	if got := AboveThreshold(nil); len(got) != 0 {
		t.Errorf("got %v of nothing", got)
	}
}

// FuzzScan fits arbitrary finite spectra and checks the ranges of the results.
func FuzzScan(f *testing.F) {
	f.Add(uint64(1), uint16(40), uint8(3))
	f.Add(uint64(9), uint16(2), uint8(0))
	f.Fuzz(func(t *testing.T, seed uint64, n uint16, digits uint8) {
		rng := rand.New(rand.NewPCG(seed, 1))
		x := make([]float64, n%600)
		step := math.Pow(10, float64(digits%17))
		for i := range x {
			// Rounding the values makes ties.
			x[i] = math.Ceil(math.Exp(20*rng.NormFloat64())*step) / step
		}
		slices.Sort(x)
		x = AboveThreshold(x)
		fit, err := Scan(x, 0)
		if errors.Is(err, ErrTooFew) != (len(x) < 2) || err != nil && !errors.Is(err, ErrTooFew) {
			t.Fatalf("error %v for %d values", err, len(x))
		}
		if err == nil && !(fit.D >= 0 && fit.D <= 1 && fit.Alpha > 1 || fit.D == 1) {
			t.Fatalf("fit %+v", fit)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{384, 896, 4096, 16384} {
		for name, x := range spectra(rng, n) {
			if name == "narrow" || name == "wide" {
				continue
			}
			b.Run("spectrum="+name+"/n="+strconv.Itoa(n), func(b *testing.B) {
				for b.Loop() {
					Scan(x, 0)
				}
			})
		}
	}
}
