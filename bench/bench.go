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

// Timing says how often the variants of a case are run. It is part of every
// configuration.
type Timing struct {
	// Threads is how many threads one call of the linked BLAS may use. Pure-Go
	// backends are held to as many.
	Threads int
	// Rounds is the least number of interleaved runs, MaxRounds the largest. As
	// long as a case has taken less than Budget there is another round.
	Rounds, MaxRounds int
	Budget            time.Duration
	// Progress, if not nil, is called before every case, with the number of those
	// done and of all.
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

// join returns params as the name of a benchmark has them.
func join(params []Param) string {
	parts := make([]string, len(params))
	for i, p := range params {
		parts[i] = p.Key + "=" + p.Value
	}
	return strings.Join(parts, "/")
}

// A Rate is work done in a second, or another number in a unit of its own.
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
	// Rates are taken at the median; the first is the one that speeds compare.
	Rates []Rate `json:"rates"`
	// Speed is the first rate over that of Reference, 0 if there is none.
	Speed     float64 `json:"speed,omitempty"`
	Reference string  `json:"reference,omitempty"`
}

// A Report is what a suite measured.
type Report struct {
	Machine Machine  `json:"machine"`
	Results []Result `json:"results"`
}

// suite is what all suites come down to.
type suite struct {
	name      string
	key       string // of the variants
	timing    Timing
	reference string // variant that speeds relate to
	allCores  bool   // the suite has threads of its own
	cases     []*testCase
}

// A testCase is a set of variants that do the same work on the same inputs.
type testCase struct {
	params   []Param
	variants []string
	// open makes the inputs, and the variants in the order of the names.
	open func(context.Context) (*inputs, error)
}

type inputs struct {
	variants []variant
	close    func() // may be nil
}

// A variant is one thing to time.
type variant struct {
	// prepare restores what run destroys, outside the timer. It is nil if run
	// leaves its inputs as they were; then short runs are timed many at once.
	prepare func()
	run     func() error
	work    []work
	extra   func() []Rate // measured beside the time; may be nil
	bytes   int64         // read and written by a run, for loops bound by memory
}

// work is an amount done in a run, in units such that a second gives a rate.
type work struct {
	amount float64
	unit   string
}

// run measures all cases. If ctx ends it returns what it has, and why.
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

// limit holds BLAS and goroutines to the threads of the suite until it is undone.
func (s *suite) limit() (restore func()) {
	undo := cblas.LimitThreads(s.timing.Threads)
	if s.allCores {
		return undo
	}
	before := runtime.GOMAXPROCS(s.timing.Threads)
	return func() { runtime.GOMAXPROCS(before); undo() }
}

// shortRun is how long a timed stretch should at least be: far above the
// resolution of clocks and the cost of reading them.
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
	// Garbage of what came before is not to be collected at the cost of this case.
	runtime.GC()
	repeats := make([]int, len(in.variants))
	times := make([][]time.Duration, len(in.variants))
	extra := make([][]Rate, len(in.variants))
	for i := range in.variants {
		v := &in.variants[i]
		// The first run warms caches and pages and does not count.
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

// reference returns the backend among names that others are compared with: the
// shim over the linked library where there is one, or another library's backend,
// or the first of all.
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
