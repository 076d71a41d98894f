package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/wwq-fast/wwq-fast/cblas"
)

// Timing sets how often the variants of a case are run. It is part of the configuration
// of every suite.
type Timing struct {
	// Threads is the number of threads that a call of a backend may use.
	Threads int
	// Rounds is the smallest number of interleaved runs and MaxRounds the largest.
	// Between the two, another round begins if the case has taken less than Budget.
	Rounds, MaxRounds int
	Budget            time.Duration
	// Progress, if not nil, is called before every case, with the number of finished
	// cases and of all cases of the suite.
	Progress func(suite string, done, total int, params string)
}

// DefaultTiming returns medians of at least 5 runs on one thread.
func DefaultTiming() Timing {
	return Timing{Threads: 1, Rounds: 5, MaxRounds: 31, Budget: 1500 * time.Millisecond}
}

func (t *Timing) validate() error {
	switch {
	case t.Threads < 1:
		return fmt.Errorf("%d threads: at least one is needed", t.Threads)
	case t.Rounds < 1 || t.MaxRounds < t.Rounds:
		return fmt.Errorf("%d to %d rounds: at least one, and no more than the largest number", t.Rounds, t.MaxRounds)
	case t.Budget < 0:
		return fmt.Errorf("the time budget %v is negative", t.Budget)
	}
	return nil
}

// A Param is one dimension of a case, such as n=896.
type Param struct{ Key, Value string }

func param(key string, value any) Param { return Param{key, fmt.Sprint(value)} }

// join returns params in the form of a benchmark name, key=value/key=value.
func join(params []Param) string {
	parts := make([]string, len(params))
	for i, p := range params {
		parts[i] = p.Key + "=" + p.Value
	}
	return strings.Join(parts, "/")
}

// A Rate is an amount of work per second, or another quantity, with its unit.
type Rate struct {
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// A Sample holds the durations of all runs of one variant.
type Sample struct {
	Min    time.Duration `json:"min_ns"`
	Median time.Duration `json:"median_ns"`
	Max    time.Duration `json:"max_ns"`
	Runs   int           `json:"runs"`
}

func newSample(d []time.Duration) Sample {
	d = slices.Sorted(slices.Values(d))
	n := len(d)
	return Sample{Min: d[0], Median: (d[(n-1)/2] + d[n/2]) / 2, Max: d[n-1], Runs: n}
}

// A Result is one variant of one case.
type Result struct {
	Suite   string  `json:"suite"`
	Params  []Param `json:"-"`
	Case    string  `json:"case"` // the parameters as key=value/key=value
	Key     string  `json:"key"`  // what the variants are: "backend" or "op"
	Variant string  `json:"variant"`
	Time    Sample  `json:"time"`
	// Rates are those at the median duration. Speed compares the first of them.
	Rates []Rate `json:"rates"`
	// Speed is the first rate divided by that of the reference variant, 0 if there is
	// none.
	Speed     float64 `json:"speed,omitempty"`
	Reference string  `json:"reference,omitempty"`
}

// A Report holds the results of one or more suites, and the machine.
type Report struct {
	Machine Machine  `json:"machine"`
	Results []Result `json:"results"`
}

// suite is the common form of all suites: a list of cases.
type suite struct {
	name      string
	key       string // key of the variants in benchmark names
	timing    Timing
	reference string // variant to which speeds are relative
	allCores  bool   // the suite starts its own threads
	cases     []*testCase
}

// A testCase is a set of variants that do the same work on the same inputs.
type testCase struct {
	params   []Param
	variants []string
	// open makes the inputs, with the variants in the order of their names.
	open func(context.Context) (*inputs, error)
}

type inputs struct {
	variants []variant
	close    func() // may be nil
}

// A variant is one thing to time.
type variant struct {
	// prepare restores the inputs that run destroys; it is not timed. If run leaves its
	// inputs unchanged, prepare is nil, and short runs are timed several at once.
	prepare func()
	run     func() error
	work    []work
	extra   func() []Rate // quantities other than time; may be nil
	bytes   int64         // bytes that a run reads and writes, for loops bound by memory
}

// work is the amount of work of a run, in units whose number per second is the rate.
type work struct {
	amount float64
	unit   string
}

// run measures all cases. If ctx ends, it returns the results so far and the cause.
func (s *suite) run(ctx context.Context) (Report, error) {
	report := Report{Machine: ThisMachine()}
	report.Machine.BLASThreads = s.timing.Threads
	defer s.limit()()
	for i, c := range s.cases {
		if s.timing.Progress != nil {
			s.timing.Progress(s.name, i, len(s.cases), join(c.params))
		}
		results, err := s.measure(ctx, c)
		if err != nil {
			return report, fmt.Errorf("%s %s: %w", s.name, join(c.params), err)
		}
		report.Results = append(report.Results, results...)
	}
	return report, nil
}

// limit sets the number of threads of the BLAS and of goroutines to that of the suite,
// until restore is called.
func (s *suite) limit() (restore func()) {
	undo := cblas.LimitThreads(s.timing.Threads)
	if s.allCores {
		return undo
	}
	before := runtime.GOMAXPROCS(s.timing.Threads)
	return func() { runtime.GOMAXPROCS(before); undo() }
}

// shortRun is the shortest interval to time: far above the resolution of clocks and the
// cost of reading them.
const shortRun = time.Millisecond

// measure runs the variants of a case in turn.
func (s *suite) measure(ctx context.Context, c *testCase) ([]Result, error) {
	in, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	if in.close != nil {
		defer in.close()
	}
	// The garbage of earlier cases is collected now, so that it does not cost this one
	// time.
	runtime.GC()
	repeats := make([]int, len(in.variants))
	times := make([][]time.Duration, len(in.variants))
	extra := make([][]Rate, len(in.variants))
	for i := range in.variants {
		v := &in.variants[i]
		// The first run fills caches and maps pages, and is not counted.
		if _, err := v.time(1); err != nil {
			return nil, err
		}
		repeats[i] = 1
		if v.prepare == nil {
			once, err := v.time(1)
			if err != nil {
				return nil, err
			}
			repeats[i] = int(shortRun/max(once, 1)) + 1
		}
	}
	started := time.Now()
	for round := range s.timing.MaxRounds {
		if round >= s.timing.Rounds && time.Since(started) > s.timing.Budget {
			break
		}
		for i := range in.variants {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			d, err := in.variants[i].time(repeats[i])
			if err != nil {
				return nil, err
			}
			times[i] = append(times[i], d)
			if f := in.variants[i].extra; f != nil {
				extra[i] = f()
			}
		}
	}
	return s.results(c, in, times, extra), nil
}

// time returns the mean duration of count runs.
func (v *variant) time(count int) (time.Duration, error) {
	if v.prepare != nil {
		v.prepare()
	}
	started := time.Now()
	for range count {
		if err := v.run(); err != nil {
			return 0, err
		}
	}
	return time.Since(started) / time.Duration(count), nil
}

func (s *suite) results(c *testCase, in *inputs, times [][]time.Duration, extra [][]Rate) []Result {
	results := make([]Result, len(in.variants))
	base := -1
	for i := range in.variants {
		r := Result{
			Suite: s.name, Params: c.params, Case: join(c.params), Key: s.key,
			Variant: c.variants[i], Time: newSample(times[i]),
		}
		for _, w := range in.variants[i].work {
			r.Rates = append(r.Rates, Rate{w.amount / r.Time.Median.Seconds(), w.unit})
		}
		r.Rates = append(r.Rates, extra[i]...)
		if r.Variant == s.reference {
			base = i
		}
		results[i] = r
	}
	if base < 0 {
		return results
	}
	for i := range results {
		results[i].Reference = s.reference
		results[i].Speed = results[i].Rates[0].Value / results[base].Rates[0].Value
	}
	return results
}

// reference returns the backend among names with which the others are compared: the
// shim over the linked library if there is one, or else the backend of another library,
// or else the first.
func reference(names []string) string {
	if slices.Contains(names, "shim") {
		return "shim"
	}
	for _, n := range names {
		if n != "twostage" && n != "gonum" {
			return n
		}
	}
	return names[0]
}
