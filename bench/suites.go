package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Config configures [Run]: it selects suites and holds the configuration of each.
type Config struct {
	Suites      []string // names of the suites to run, in this order
	Gram        GramConfig
	Eigenvalues EigenvaluesConfig
	Quantize    QuantizeConfig
	Fit         FitConfig
	Read        ReadConfig
	Whole       WholeConfig
}

// An entry is one suite of a configuration.
type entry struct {
	name   string
	timing *Timing
	build  func() (*suite, error)
}

// entries lists the suites, in the order in which they are run.
func (c *Config) entries() []entry {
	return []entry{
		{"gram", &c.Gram.Timing, c.Gram.suite},
		{"eigenvalues", &c.Eigenvalues.Timing, c.Eigenvalues.suite},
		{"quantize", &c.Quantize.Timing, c.Quantize.suite},
		{"fit", &c.Fit.Timing, c.Fit.suite},
		{"read", &c.Read.Timing, c.Read.suite},
		{"whole", &c.Whole.Timing, c.Whole.suite},
	}
}

// Names returns the names of all suites.
func Names() []string {
	var names []string
	for _, e := range new(Config).entries() {
		names = append(names, e.name)
	}
	return names
}

// DefaultConfig returns a configuration of all suites that takes about two minutes on one
// core with a C BLAS.
func DefaultConfig() Config {
	return Config{
		Suites: Names(), Gram: DefaultGramConfig(), Eigenvalues: DefaultEigenvaluesConfig(),
		Quantize: DefaultQuantizeConfig(), Fit: DefaultFitConfig(), Read: DefaultReadConfig(), Whole: DefaultWholeConfig(),
	}
}

// FullConfig returns a configuration of all suites that takes an hour, 2 GB of memory and
// 1 GB of disk.
func FullConfig() Config {
	return Config{
		Suites: Names(), Gram: FullGramConfig(), Eigenvalues: FullEigenvaluesConfig(),
		Quantize: FullQuantizeConfig(), Fit: FullFitConfig(), Read: FullReadConfig(), Whole: FullWholeConfig(),
	}
}

// EachTiming calls f for the timing of every suite.
func (c *Config) EachTiming(f func(*Timing)) {
	for _, e := range c.entries() {
		f(e.timing)
	}
}

// SetThreads sets the number of threads of every backend call and of every whole analysis
// to n.
func (c *Config) SetThreads(n int) {
	c.EachTiming(func(t *Timing) { t.Threads = n })
	c.Whole.Workers = n
}

// suite returns the suite called name.
func (c *Config) suite(name string) (*suite, error) {
	for _, e := range c.entries() {
		if e.name == name {
			return e.build()
		}
	}
	return nil, fmt.Errorf("no suite %q: there are %s", name, strings.Join(Names(), ", "))
}

// Validate returns the first error in the configurations of the suites that are to run.
func (c *Config) Validate() error {
	if len(c.Suites) == 0 {
		return fmt.Errorf("no suite is given")
	}
	for i, name := range c.Suites {
		if slices.Contains(c.Suites[:i], name) {
			return fmt.Errorf("the suite %s is given twice", name)
		}
		if _, err := c.suite(name); err != nil {
			return err
		}
	}
	return nil
}

// Run runs the suites of cfg one after the other. On an error, or if ctx ends, the report
// contains the results up to then.
func Run(ctx context.Context, cfg Config) (Report, error) {
	report := Report{Machine: ThisMachine()}
	if err := cfg.Validate(); err != nil {
		return report, err
	}
	for _, name := range cfg.Suites {
		s, err := cfg.suite(name)
		if err != nil {
			return report, err
		}
		r, err := s.run(ctx)
		report.Machine = r.Machine
		report.Results = append(report.Results, r.Results...)
		if err != nil {
			return report, err
		}
	}
	return report, nil
}
