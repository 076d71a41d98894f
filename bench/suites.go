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

// Names returns the names of all suites.
func Names() []string {
	return []string{"gram", "eigenvalues", "quantize", "fit", "read", "whole"}
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
	for _, t := range []*Timing{
		&c.Gram.Timing, &c.Eigenvalues.Timing, &c.Quantize.Timing, &c.Fit.Timing, &c.Read.Timing, &c.Whole.Timing,
	} {
		f(t)
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
	switch name {
	case "gram":
		return c.Gram.suite()
	case "eigenvalues":
		return c.Eigenvalues.suite()
	case "quantize":
		return c.Quantize.suite()
	case "fit":
		return c.Fit.suite()
	case "read":
		return c.Read.suite()
	case "whole":
		return c.Whole.suite()
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
