package bench

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/engine/powerlaw"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// tiny returns a configuration of all suites that takes less than a second.
func tiny(t testing.TB) Config {
	cfg := DefaultConfig()
	cfg.EachTiming(func(tm *Timing) { *tm = Timing{Threads: 1, Rounds: 2, MaxRounds: 2} })
	cfg.Gram.Shapes = []Shape{{5, 7}, {16, 3}}
	cfg.Eigenvalues.Orders = []int{1, 12}
	cfg.Quantize.SmallBytes, cfg.Quantize.LargeBytes = 1<<10, 8<<10
	cfg.Fit.Counts, cfg.Fit.DirectLimit = []int{40, 80}, 40
	model := tinyModel()
	cfg.Read.Model, cfg.Whole.Models = model, []SyntheticConfig{model}
	cfg.Read.Dir, cfg.Whole.Dir = t.TempDir(), t.TempDir()
	return cfg
}

func tinyModel() SyntheticConfig {
	m := DefaultSyntheticConfig()
	m.Hidden, m.KV, m.MLP = 24, 12, 40
	return m
}

func TestConfigurations(t *testing.T) {
	for name, cfg := range map[string]Config{"default": DefaultConfig(), "full": FullConfig(), "tiny": tiny(t)} {
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.Equal(cfg.Suites, Names()) {
			t.Errorf("%s has suites %v", name, cfg.Suites)
		}
	}
	bad := map[string]func(*Config){
		"no suite":       func(c *Config) { c.Suites = nil },
		"given twice":    func(c *Config) { c.Suites = []string{"fit", "fit"} },
		`no suite "x"`:   func(c *Config) { c.Suites = []string{"x"} },
		"0 threads":      func(c *Config) { c.SetThreads(0) },
		"0 to 2 rounds":  func(c *Config) { c.Gram.Rounds = 0 },
		"3 to 2 rounds":  func(c *Config) { c.Fit.Rounds = 3 },
		"negative":       func(c *Config) { c.Read.Budget = -time.Second },
		`no type "f16"`:  func(c *Config) { c.Eigenvalues.DTypes = []string{"f16"} },
		"no backend":     func(c *Config) { c.Eigenvalues.Backends = []string{"x"} },
		"is empty":       func(c *Config) { c.Gram.Shapes = []Shape{{0, 1}} },
		"not positive":   func(c *Config) { c.Eigenvalues.Orders = []int{0} },
		"17 bits":        func(c *Config) { c.Quantize.Bits = 17 },
		`no spectrum`:    func(c *Config) { c.Fit.Spectra = []string{"flat"} },
		"cannot be fit":  func(c *Config) { c.Fit.Counts = []int{1} },
		"0 blocks":       func(c *Config) { c.Read.Model.Blocks = 0 },
		"tail exponent":  func(c *Config) { c.Whole.Models[0].Tail = math.NaN() },
		"unknown level":  func(c *Config) { c.Whole.Levels = []string{"7.5bit"} },
		"-1 workers":     func(c *Config) { c.Whole.Workers = -1 },
		"holds no weigh": func(c *Config) { c.Whole.Models[0].DType = 0 },
	}
	for want, change := range bad {
		cfg := tiny(t)
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// TestRun runs every suite and checks the form of the results. TestInputs checks the
// computations.
func TestRun(t *testing.T) {
	cfg := tiny(t)
	seen := map[string]int{}
	cfg.EachTiming(func(tm *Timing) {
		tm.Progress = func(suite string, done, total int, params string) {
			if done >= total || params == "" {
				t.Errorf("progress of %s: %d of %d at %q", suite, done, total, params)
			}
			seen[suite]++
		}
	})
	report, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	variants := map[string]map[string]bool{}
	for i := range report.Results {
		r := &report.Results[i]
		if variants[r.Suite] == nil {
			variants[r.Suite] = map[string]bool{}
		}
		variants[r.Suite][r.Variant] = true
		if tm := r.Time; tm.Runs != 2 || tm.Min > tm.Median || tm.Median > tm.Max || tm.Max <= 0 {
			t.Errorf("%s %s %s: %+v", r.Suite, r.Case, r.Variant, tm)
		}
		if len(r.Rates) == 0 || !(r.Rates[0].Value > 0) || math.IsInf(r.Rates[0].Value, 0) {
			t.Errorf("%s %s %s: rates %v", r.Suite, r.Case, r.Variant, r.Rates)
		}
		if r.Variant == r.Reference && r.Speed != 1 {
			t.Errorf("%s %s: the reference has speed %g", r.Suite, r.Case, r.Speed)
		}
	}
	for _, name := range Names() {
		if seen[name] == 0 || len(variants[name]) == 0 {
			t.Errorf("suite %s: %d cases, variants %v", name, seen[name], variants[name])
		}
	}
	// The gram suite has the exact integer product in addition to the backends.
	for suite, names := range map[string][]string{"gram": cblas.Names(), "eigenvalues": lapack.Names()} {
		for _, name := range names {
			if !variants[suite][name] {
				t.Errorf("%s did not run %s", suite, name)
			}
		}
	}
	for _, dir := range []string{cfg.Read.Dir, cfg.Whole.Dir} {
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%v was left behind", left)
		}
	}
	if report.Machine.BLASThreads != 1 || report.Machine.Cores < 1 {
		t.Errorf("machine: %+v", report.Machine)
	}
}

func TestRunEach(t *testing.T) {
	for _, name := range Names() {
		cfg := tiny(t)
		cfg.Suites = []string{name}
		report, err := Run(t.Context(), cfg)
		if err != nil || len(report.Results) == 0 || report.Results[0].Suite != name {
			t.Errorf("%s: %d results, %v", name, len(report.Results), err)
		}
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range Names() {
		cfg := tiny(t)
		cfg.Suites = []string{name}
		if _, err := Run(ctx, cfg); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestInputs checks that all backends compute equal results from the inputs on which they
// are timed, and that a second run has the same input as the first.
func TestInputs(t *testing.T) {
	const n = 24
	want := make([]float64, n)
	for i, name := range lapack.Names() {
		b, err := lapack.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		w := make([]float64, n)
		if err := eigenvalues(b, n, gramMatrix[float64](n), w); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			copy(want, w)
		}
		for j := range w {
			// The error of each is at most a small multiple of n eps times the largest.
			if math.Abs(w[j]-want[j]) > 10*n*0x1p-52*want[n-1] {
				t.Errorf("%s: eigenvalue %d is %g, %s has %g", name, j, w[j], lapack.Names()[0], want[j])
			}
		}
	}
	if !(want[0] >= 0 && want[n-1] > 2*want[n/2]) {
		t.Errorf("no heavy tail: %v", want)
	}
	for _, kind := range []string{"heavy", "mp", "lognormal"} {
		x := spectrumOf(kind, 300)
		fit, err := powerlaw.Scan(x, 0)
		start, d := directFit(x)
		if err != nil || fit.Start != start || math.Abs(fit.D-d) > 1e-12 {
			t.Errorf("%s: scan has %d, %g, the definition %d, %g", kind, fit.Start, fit.D, start, d)
		}
	}
	// The mean of the Marchenko-Pastur law is 1.
	sum := 0.0
	for _, v := range spectrumOf("mp", 4000) {
		sum += v / 4000
	}
	if math.Abs(sum-1) > 0.05 {
		t.Errorf("the mean of noise is %g", sum)
	}
}

func TestReference(t *testing.T) {
	for want, names := range map[string][]string{
		"shim":       {"twostage", "netlib", "shim", "gonum"},
		"accelerate": {"twostage", "accelerate", "gonum"},
		"gonum":      {"gonum"},
		"netlib":     {"netlib", "gonum"},
	} {
		if got := reference(names); got != want {
			t.Errorf("reference(%v) = %s", names, got)
		}
	}
}

func TestExport(t *testing.T) {
	dir, cfg := filepath.Join(t.TempDir(), "new"), tiny(t)
	cfg.Eigenvalues.Orders = []int{6}
	if err := Export(t.Context(), dir, cfg); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index []Exported
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	if len(index) != 8 { // one Gram matrix and the seven of a block
		t.Errorf("%d matrices: %s", len(index), text)
	}
	for _, e := range index {
		size := int64(e.Rows) * int64(e.Cols) * map[string]int64{"f32": 4, "f64": 8}[e.DType]
		if info, err := os.Stat(filepath.Join(dir, e.File)); err != nil || info.Size() != size {
			t.Errorf("%s: %v, %v", e.Name, info, err)
		}
	}
}
