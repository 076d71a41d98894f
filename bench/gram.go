package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/blas"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/internal/intgram"
)

// A Shape is the shape of a rank-K update of an N×N matrix: each element is a sum of K
// products.
type Shape struct{ N, K int }

// GramConfig configures the suite gram.
//
// The suite gram times C = AᵀA of a row-major K×N matrix, upper triangle, in one call.
// Rates count N²K flops: N(N+1)/2 sums of K products.
type GramConfig struct {
	Timing
	Backends []string // of package cblas
	Shapes   []Shape
	// QMax lists the magnitudes of the largest code with which the exact product of 8-bit
	// integers is timed, together with the float64 update that it replaces.
	QMax []int
	// Top lists the largest magnitudes with which the product of 16-bit integers is
	// timed. Weights of 8, 6 and 4 bits that were rounded to bfloat16 are integers up to
	// 32512, 7936 and 1792, times a power of two.
	Top []int
	// SlowLimit is the largest number of flops for which the pure-Go backend is timed.
	SlowLimit float64
}

// DefaultGramConfig returns a configuration with all backends and the shapes of the
// layers of a small model.
func DefaultGramConfig() GramConfig {
	return GramConfig{
		Timing: DefaultTiming(), Backends: cblas.Names(),
		Shapes:    []Shape{{384, 1024}, {896, 4864}, {2048, 2048}},
		QMax:      []int{127, 7, 1},
		Top:       []int{32512, 7936, 1792},
		SlowLimit: 1e10,
	}
}

// FullGramConfig returns the default configuration with the shape of a layer of a large
// model added.
func FullGramConfig() GramConfig {
	c := DefaultGramConfig()
	c.Shapes = append(c.Shapes, Shape{4096, 4096})
	return c
}

func (c GramConfig) suite() (*suite, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	s := &suite{name: "gram", key: "backend", timing: c.Timing, reference: reference(c.Backends)}
	for _, shape := range c.Shapes {
		if min(shape.N, shape.K) < 1 {
			return nil, fmt.Errorf("the shape %d×%d is empty", shape.N, shape.K)
		}
		flops := float64(shape.N) * float64(shape.N) * float64(shape.K)
		var use []cblas.Backend
		var names []string
		for _, name := range c.Backends {
			b, err := cblas.Lookup(name)
			if err != nil {
				return nil, err
			}
			if name == "gonum" && flops > c.SlowLimit && len(c.Backends) > 1 {
				continue
			}
			use, names = append(use, b), append(names, name)
		}
		s.cases = append(s.cases, &testCase{
			params:   []Param{param("dtype", "f64"), param("n", shape.N), param("k", shape.K)},
			variants: names,
			open:     func(context.Context) (*inputs, error) { return openGram(use, shape, flops), nil },
		})
	}
	return s, c.integerCases(s)
}

// integerCases adds the integer products to s: one case for each shape and largest
// magnitude, together with the float64 update of the reference backend.
func (c GramConfig) integerCases(s *suite) error {
	backend, err := cblas.Lookup(s.reference)
	if err != nil {
		return err
	}
	add := func(shape Shape, dtype, key string, most int, open func() *inputs) {
		s.cases = append(s.cases, &testCase{
			params:   []Param{param("dtype", dtype), param(key, most), param("n", shape.N), param("k", shape.K)},
			variants: []string{"intgram-" + intgram.SIMD(), s.reference},
			open:     func(context.Context) (*inputs, error) { return open(), nil },
		})
	}
	for _, shape := range c.Shapes {
		if intgram.SIMD() != "generic" {
			for _, qmax := range c.QMax {
				add(shape, "int8", "qmax", qmax, func() *inputs {
					codes := uniform[int8](shape, qmax)
					return openIntegers(backend, shape, codes, func(c []float64, ws *intgram.Workspace) {
						intgram.Syrk(true, shape.N, shape.K, codes, shape.N, qmax, c, shape.N, ws)
					})
				})
			}
		}
		if intgram.Fast16() {
			for _, top := range c.Top {
				add(shape, "int16", "top", top, func() *inputs {
					codes := bell(shape, top)
					return openIntegers(backend, shape, codes, func(c []float64, ws *intgram.Workspace) {
						intgram.Syrk16(true, shape.N, shape.K, codes, shape.N, c, shape.N, ws)
					})
				})
			}
		}
	}
	return nil
}

// uniform returns integers uniformly distributed between -most and most, on which
// intgram.Syrk is slowest.
func uniform[T int8 | int16](s Shape, most int) []T {
	rnd := rand.New(rand.NewPCG(2, uint64(most)))
	x := make([]T, s.K*s.N)
	for i := range x {
		x[i] = T(rnd.IntN(2*most+1) - most)
	}
	return x
}

// bell returns normally distributed integers. The largest magnitude, most, is five
// standard deviations; in trained weights it is at least that.
func bell(s Shape, most int) []int16 {
	rnd := rand.New(rand.NewPCG(2, uint64(most)))
	x := make([]int16, s.K*s.N)
	for i := range x {
		x[i] = int16(max(-5, min(5, rnd.NormFloat64())) / 5 * float64(most))
	}
	return x
}

func openIntegers[T int8 | int16](b cblas.Backend, s Shape, codes []T, product func(c []float64, ws *intgram.Workspace)) *inputs {
	flops := float64(s.N) * float64(s.N) * float64(s.K)
	a, c := make([]float64, len(codes)), make([]float64, s.N*s.N)
	for i, v := range codes {
		a[i] = float64(v)
	}
	var ws intgram.Workspace
	return &inputs{variants: []variant{
		{
			run: func() error {
				clear(c)
				product(c, &ws)
				return nil
			},
			work: []work{{flops / 1e9, "GFLOP/s"}},
		},
		{
			run:  func() error { syrk(b, s.N, s.K, a, c); return nil },
			work: []work{{flops / 1e9, "GFLOP/s"}},
		},
	}}
}

func openGram(use []cblas.Backend, shape Shape, flops float64) *inputs {
	n, k := shape.N, shape.K
	a, c := normal[float64](k*n), make([]float64, n*n)
	in := &inputs{}
	for _, b := range use {
		in.variants = append(in.variants, variant{
			run:  func() error { syrk(b, n, k, a, c); return nil },
			work: []work{{flops / 1e9, "GFLOP/s"}},
		})
	}
	return in
}

// syrk sets the upper triangle of c, n×n, to AᵀA of the k×n matrix a.
func syrk(b cblas.Backend, n, k int, a, c []float64) {
	b.Dsyrk(blas.Upper, blas.Trans, n, k, 1, a, n, 0, c, n)
}

// normal returns n normally distributed numbers, identical on every call.
func normal[T float32 | float64](n int) []T {
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	x := make([]T, n)
	for i := range x {
		x[i] = T(rnd.NormFloat64())
	}
	return x
}

// without returns names without slow, the pure-Go backend, unless it is the only one.
func without(names []string, slow string) []string {
	if len(names) == 1 {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == slow })
}
