package bench

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
)

// sink keeps the compiler from removing the benchmarked calls.
var sink error

// full reports whether to run the full configurations, those of "wwq-fast bench --full".
func full() bool { return os.Getenv("WWQ_BENCH_FULL") == "1" }

// configuration returns the configuration to run.
func configuration() Config {
	if full() {
		return FullConfig()
	}
	return DefaultConfig()
}

// TestMain prints the machine as benchmark configuration lines if benchmarks are to run.
// Because of them benchstat never puts numbers of different kernels into one table.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() != "" {
		machine := ThisMachine()
		for _, l := range machine.Lines() {
			if l[0] != "wwq-fast" { // runs of different commits are to be compared
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

// benchmark runs the suite called name, with each variant of each case as a benchmark.
func benchmark(b *testing.B, name string) {
	cfg := configuration()
	s, err := cfg.suite(name)
	if err != nil {
		b.Fatal(err)
	}
	defer s.limit()()
	for _, c := range s.cases {
		// The inputs are made when the first variant runs, and not at all if none is
		// selected.
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
		// SetBytes already reports a rate in bytes.
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
