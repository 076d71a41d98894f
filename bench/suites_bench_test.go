package bench

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
)

// sink keeps results of benchmarks alive.
var sink error

// full selects the full sets, as "wwq-fast bench --full" does.
func full() bool { return os.Getenv("WWQ_BENCH_FULL") == "1" }

// configuration returns the set to run.
func configuration() Config {
	if full() {
		return FullConfig()
	}
	return DefaultConfig()
}

// TestMain prints the machine as benchmark configuration lines when benchmarks are
// asked for: benchstat never puts numbers of different kernels into one table.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() != "" {
		machine := ThisMachine()
		for _, l := range machine.Lines() {
			if l[0] != "wwq-fast" { // the commit is what is compared
				fmt.Printf("%s: %s\n", l[0], l[1])
			}
		}
	}
	os.Exit(m.Run())
}

func BenchmarkGram(b *testing.B)        { benchmark(b, "gram") }
func BenchmarkEigenvalues(b *testing.B) { benchmark(b, "eigenvalues") }
func BenchmarkQuantize(b *testing.B)    { benchmark(b, "quantize") }
func BenchmarkFit(b *testing.B)         { benchmark(b, "fit") }
func BenchmarkRead(b *testing.B)        { benchmark(b, "read") }
func BenchmarkWhole(b *testing.B)       { benchmark(b, "whole") }

// benchmark runs the cases of a suite that "wwq-fast bench" runs, each variant
// under its own name.
func benchmark(b *testing.B, name string) {
	cfg := configuration()
	s, err := cfg.suite(name)
	if err != nil {
		b.Fatal(err)
	}
	defer s.limit()()
	for _, c := range s.cases {
		// Inputs are made when the first of the variants is selected.
		var in *inputs
		for i, v := range c.variants {
			b.Run(s.key+"="+v+"/"+join(c.params), func(b *testing.B) {
				if in == nil {
					if in, err = c.open(context.Background()); err != nil {
						b.Fatal(err)
					}
				}
				measure(b, &in.variants[i])
			})
		}
		if in != nil && in.close != nil {
			in.close()
		}
	}
}

func measure(b *testing.B, v *variant) {
	if v.bytes > 0 {
		b.SetBytes(v.bytes)
	}
	for b.Loop() {
		if v.prepare != nil {
			b.StopTimer()
			v.prepare()
			b.StartTimer()
		}
		if sink = v.run(); sink != nil {
			b.Fatal(sink)
		}
	}
	seconds := b.Elapsed().Seconds() / float64(b.N)
	for _, w := range v.work {
		// SetBytes gives the rate of bytes already.
		if w.unit != "GB/s" {
			b.ReportMetric(w.amount/seconds, w.unit)
		}
	}
	if v.extra != nil {
		for _, r := range v.extra() {
			b.ReportMetric(r.Value, r.Unit)
		}
	}
}
