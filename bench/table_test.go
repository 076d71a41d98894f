package bench

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/engine"
)

var update = flag.Bool("update", false, "rewrite the golden table")

// TestWrite compares the text of an invented report with testdata/report.txt.
func TestWrite(t *testing.T) {
	sample := func(median time.Duration) Sample {
		return Sample{Min: median - median/10, Median: median, Max: 2 * median, Runs: 5}
	}
	report := Report{
		Machine: Machine{
			CPU: "Test CPU (family 1, model 2, stepping 3)", Cores: 2, CoresAll: 4, Governor: "performance", BLASThreads: 1,
			Env: engine.Environment{
				Version: "1.2.3", Revision: "abcdef", Go: "go1.99", OS: "plan9", Arch: "mips",
				Features: []string{"a", "b"}, QuantizeSIMD: "generic",
				Library:    cblas.Info{Library: "OpenBLAS", Config: "OpenBLAS 9.9", Core: "Prescott", Parallel: "pthreads"},
				BetterCore: "Haswell",
			},
		},
		Results: []Result{
			{Suite: "eigenvalues", Case: "dtype=f64/n=896", Variant: "twostage", Time: sample(34 * time.Millisecond),
				Rates: []Rate{{28.2, "GFLOP/s"}}, Speed: 1.5, Reference: "shim"},
			{Suite: "eigenvalues", Case: "dtype=f64/n=896", Variant: "shim", Time: sample(51234567 * time.Nanosecond),
				Rates: []Rate{{18.75, "GFLOP/s"}}, Speed: 1, Reference: "shim"},
			{Suite: "quantize", Case: "bits=4/set=small", Variant: "symmetric", Time: sample(3420 * time.Nanosecond),
				Rates: []Rate{{57.5, "GB/s"}, {7192, "Mweights/s"}}, Speed: 0.6, Reference: "copy"},
			{Suite: "fit", Case: "n=16384", Variant: "scan", Time: sample(9770 * time.Microsecond), Rates: []Rate{{1.677, "k/s"}}},
			{Suite: "whole", Case: "hidden=896", Variant: "gonum", Time: sample(12345 * time.Millisecond)},
		},
	}
	var b strings.Builder
	if err := report.Write(&b); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "report.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}

func TestSample(t *testing.T) {
	s := newSample([]time.Duration{5, 1, 9, 3})
	if want := (Sample{Min: 1, Median: 4, Max: 9, Runs: 4}); s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
	if s := newSample([]time.Duration{7}); s != (Sample{7, 7, 7, 1}) {
		t.Errorf("%+v", s)
	}
}
