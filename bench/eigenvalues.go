package bench

import (
	"context"
	"fmt"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// EigenvaluesConfig configures the suite eigenvalues.
//
// The suite eigenvalues times all eigenvalues, without vectors, of the Gram matrices of
// matrices with heavy-tailed rows. Rates count 4/3 n³ flops, those of the reduction to
// tridiagonal form, whichever algorithm the backend has.
type EigenvaluesConfig struct {
	Timing
	Backends []string // of package lapack
	DTypes   []string // "f64", "f32"
	Orders   []int
	// SlowLimit is the largest order for which the pure-Go backend is timed.
	SlowLimit int
}

// DefaultEigenvaluesConfig returns a configuration with all backends and orders up to
// 2048.
func DefaultEigenvaluesConfig() EigenvaluesConfig {
	return EigenvaluesConfig{
		Timing: DefaultTiming(), Backends: lapack.Names(), DTypes: []string{"f64", "f32"},
		Orders: []int{128, 256, 384, 896, 2048}, SlowLimit: 896,
	}
}

// FullEigenvaluesConfig returns a configuration with all backends and orders up to 4096.
func FullEigenvaluesConfig() EigenvaluesConfig {
	c := DefaultEigenvaluesConfig()
	c.Orders = append(c.Orders, 4096)
	return c
}

func (c EigenvaluesConfig) suite() (*suite, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	s := &suite{name: "eigenvalues", key: "backend", timing: c.Timing, reference: reference(c.Backends)}
	for _, n := range c.Orders {
		if n < 1 {
			return nil, fmt.Errorf("the order %d is not positive", n)
		}
		// The pure-Go backend takes minutes for orders above its limit.
		names := c.Backends
		if n > c.SlowLimit {
			if names = without(names, "gonum"); names[0] == "gonum" {
				continue
			}
		}
		var use []lapack.Backend
		for _, name := range names {
			b, err := lapack.Lookup(name)
			if err != nil {
				return nil, err
			}
			use = append(use, b)
		}
		for _, dtype := range c.DTypes {
			open := openEigenvalues[float64]
			switch dtype {
			case "f64":
			case "f32":
				open = openEigenvalues[float32]
			default:
				return nil, fmt.Errorf("no type %q: f64 or f32", dtype)
			}
			s.cases = append(s.cases, &testCase{
				params:   []Param{param("dtype", dtype), param("n", n)},
				variants: names,
				open:     func(context.Context) (*inputs, error) { return open(use, n), nil },
			})
		}
	}
	return s, nil
}

func openEigenvalues[T float32 | float64](use []lapack.Backend, n int) *inputs {
	a := gramMatrix[T](n)
	destroyed, w := make([]T, n*n), make([]T, n)
	flops := 4.0 / 3 * float64(n) * float64(n) * float64(n)
	in := &inputs{}
	for _, b := range use {
		in.variants = append(in.variants, variant{
			prepare: func() { copy(destroyed, a) },
			run:     func() error { return eigenvalues(b, n, destroyed, w) },
			work:    []work{{flops / 1e9, "GFLOP/s"}},
		})
	}
	return in
}

func eigenvalues[T float32 | float64](b lapack.Backend, n int, a, w []T) (err error) {
	switch a := any(a).(type) {
	case []float64:
		_, err = b.SymEigenvalues(n, a, n, any(w).([]float64))
	case []float32:
		_, err = b.SymEigenvalues32(n, a, n, any(w).([]float32))
	}
	return err
}

// gramMatrix returns both triangles of the Gram matrix of an n×n matrix of the kind that
// [WriteSynthetic] makes. It is computed in float64 and rounded to T.
func gramMatrix[T float32 | float64](n int) []T {
	cfg := DefaultSyntheticConfig()
	fill := cfg.rowsOf(&matrix{name: "gram", rows: n, cols: n})
	row, w := make([]float32, n), make([]float64, n*n)
	for i := range n {
		fill(row)
		for j, v := range row {
			w[i*n+j] = float64(v)
		}
	}
	b, err := cblas.Lookup("")
	if err != nil {
		panic(err) // there is always a default
	}
	c := make([]float64, n*n)
	syrk(b, n, n, w, c)
	out := make([]T, n*n)
	for i := range n {
		for j := i; j < n; j++ {
			out[i*n+j] = T(c[i*n+j])
			out[j*n+i] = out[i*n+j]
		}
	}
	return out
}
