package bench

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/powerlaw"
)

// FitConfig configures the suite fit.
//
// The suite fit times powerlaw.Scan on one core, as "scan", and, as "direct", a fit in Go that
// computes every distance. How many distances the scan can skip depends on the spectrum:
//
//	heavy      Pareto, density exponent 3: a power law throughout
//	mp         Marchenko-Pastur, ratio 1/2: the spectrum of noise, no power law
//	lognormal  sigma 1.5: bends everywhere
type FitConfig struct {
	Timing
	Spectra []string // "heavy", "mp", "lognormal"
	Counts  []int    // numbers of eigenvalues
	// DirectLimit is the largest count for which the scan is compared with its
	// definition, which takes n²/2 exponentials.
	DirectLimit int
}

// DefaultFitConfig returns a configuration with spectra of all kinds in three sizes.
func DefaultFitConfig() FitConfig {
	return FitConfig{
		Timing: DefaultTiming(), Spectra: []string{"heavy", "mp", "lognormal"},
		Counts: []int{896, 4096, 16384}, DirectLimit: 4096,
	}
}

// FullFitConfig returns the default configuration, but with the definition in all sizes.
func FullFitConfig() FitConfig {
	c := DefaultFitConfig()
	c.DirectLimit = 16384
	return c
}

func (c FitConfig) suite() (*suite, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	s := &suite{name: "fit", key: "op", timing: c.Timing, reference: "direct"}
	for _, kind := range c.Spectra {
		if !slices.Contains([]string{"heavy", "mp", "lognormal"}, kind) {
			return nil, fmt.Errorf("no spectrum %q: heavy, mp or lognormal", kind)
		}
		for _, n := range c.Counts {
			if n < 2 {
				return nil, fmt.Errorf("%d eigenvalues cannot be fitted", n)
			}
			names := []string{"scan"}
			if n <= c.DirectLimit {
				names = append(names, "direct")
			}
			s.cases = append(s.cases, &testCase{
				params:   []Param{param("spectrum", kind), param("n", n)},
				variants: names,
				open:     func(context.Context) (*inputs, error) { return openFit(kind, n, len(names) > 1), nil },
			})
		}
	}
	return s, nil
}

func openFit(kind string, n int, direct bool) *inputs {
	x := spectrumOf(kind, n)
	values := []work{{float64(n) / 1e3, "keigenvalues/s"}}
	in := &inputs{variants: []variant{{
		run: func() error {
			_, err := powerlaw.Scan(x, 0)
			return err
		},
		work: values,
	}}}
	if direct {
		in.variants = append(in.variants, variant{run: func() error { directFit(x); return nil }, work: values})
	}
	return in
}

// directFit evaluates the definition in the comment of powerlaw.Scan: it takes each
// logarithm once, sums from the largest value down, and computes every distance. It
// returns the index at which the tail starts, and the distance.
func directFit(x []float64) (start int, best float64) {
	n := len(x)
	ln := make([]float64, n)
	for i, v := range x {
		ln[i] = math.Log(v)
	}
	sums := 0.0
	best = math.Inf(1)
	sums = ln[n-1]
	for i := n - 2; i >= 0; i-- {
		sums += ln[i]
		tail := float64(n - i)
		alpha := 1 + tail/(sums-tail*ln[i])
		d := 1.0
		if alpha > 1 {
			d = 0
			for k := range n - i {
				model := 1 - math.Exp((1-alpha)*(ln[i+k]-ln[i]))
				d = math.Max(d, math.Abs(model-float64(k)/tail))
			}
		}
		if d <= best { // of equal distances that of the lowest index is chosen
			start, best = i, d
		}
	}
	return start, best
}

// spectrumOf returns n values in ascending order, identical on every call.
func spectrumOf(kind string, n int) []float64 {
	rnd := rand.New(rand.NewPCG(7, uint64(n)))
	x := make([]float64, n)
	for i := range x {
		switch kind {
		case "heavy":
			x[i] = math.Pow(1-rnd.Float64(), -1.0/2)
		case "mp":
			x[i] = marchenkoPastur(rnd, 0.5)
		default:
			x[i] = math.Exp(1.5 * rnd.NormFloat64())
		}
	}
	slices.Sort(x)
	return x
}

// marchenkoPastur draws, by rejection, from the limiting eigenvalue distribution of noise
// matrices whose sides have the given ratio.
func marchenkoPastur(rnd *rand.Rand, ratio float64) float64 {
	a, b := math.Pow(1-math.Sqrt(ratio), 2), math.Pow(1+math.Sqrt(ratio), 2)
	density := func(x float64) float64 { return math.Sqrt((b-x)*(x-a)) / x }
	top := density(2 * a * b / (a + b)) // where the derivative is zero
	for {
		if x := a + (b-a)*rnd.Float64(); rnd.Float64()*top <= density(x) {
			return x
		}
	}
}
