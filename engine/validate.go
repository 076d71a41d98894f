package engine

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/weights"
)

// A Check compares the errors of one level on one tensor with what quantization theory
// says of them. Dequantized weights are float32, so that rounding to a narrower stored
// type does not blur the comparison.
type Check struct {
	Tensor string
	Level  quant.Recipe
	Scale  float64 // step between values; NaN where steps differ
	Bits   float64 // that a weight takes, scales and other parameters included
	Errors quant.Errors
	// Theory is the signal-to-noise ratio in dB that theory gives for many small steps, NaN if
	// it gives none.
	Theory float64
	Values int // number of different values that the level has; 0 if it is not known
	// MaxError is the largest error in steps: at most 1/2, apart from rounding. MaxError
	// and RMSError are NaN where steps differ.
	MaxError float64
	// RMSError is the root mean square error in steps: 1/sqrt(12) = 0.2887 if weights are
	// spread evenly over many steps, and at most 1/2 for all.
	RMSError float64
	// Note says that errors are not spread evenly although the weights are larger than a
	// step, or that float32 is too coarse for the step. That is no fault of the quantizer:
	// weights that lie on a grid, that have heavy tails, or that are few, have such errors.
	Note string
	// Bounded says that something is known that must hold: the number of values, a step, or the
	// definition. Of other schemes only the errors are measured.
	Bounded bool
	// Refused says why the level does not quantize the tensor; then there are no numbers.
	Refused string
	// Failures says in words what does not hold: the number of values, the largest error,
	// or the definition of the scheme, weight by weight. The check is passed if it is empty.
	Failures []string

	differ int        // weights that are not as the definition has them
	first  [2]float32 // the first of them, and what became of it
}

// Passed reports whether all that must hold does.
func (c *Check) Passed() bool { return len(c.Failures) == 0 && c.Refused == "" }

// Validate checks the levels of opts, except those that quantize nothing, on every matrix
// of src that an analysis would quantize or, if src is nil, on a synthetic matrix.
func Validate(ctx context.Context, src checkpoint.Source, opts Options) ([]Check, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if src == nil {
		return slices.Concat(validateDense("synthetic 512x2048, Gaussian", synthetic(false), opts.Levels),
			validateDense("synthetic 512x2048, heavy-tailed", synthetic(true), opts.Levels)), nil
	}
	plan, err := Describe(src, opts)
	if err != nil {
		return nil, err
	}
	bound := plan.bind(opts.Levels)
	var checks []Check
	for i := range plan.Tensors {
		ts := &plan.Tensors[i]
		if ts.Status != Planned || !ts.Layers[0].Quantized {
			continue
		}
		if err := ctx.Err(); err != nil {
			return checks, err
		}
		data := make([]byte, ts.Size)
		if err := src.ReadTensor(data, &ts.Tensor); err != nil {
			return checks, err
		}
		if ts, err = opened(ts, data); err != nil {
			return checks, &checkpoint.TensorError{File: plan.Tensors[i].File, Tensor: plan.Tensors[i].Name, Err: err}
		}
		all := matrices(ts, data)
		for j := range ts.Layers {
			checks = append(checks, validateLayer(ts, j, all, data, opts.Levels, bound)...)
		}
	}
	return checks, nil
}

// synthetic returns weights with the spread of a trained linear layer: Gaussian, or with the
// tails of Student's t of three degrees of freedom.
func synthetic(heavy bool) quant.Dense {
	rng := rand.New(rand.NewPCG(1, 2))
	d := quant.Dense{Rows: 512, Cols: 2048, W: make([]float32, 512*2048)}
	for i := range d.W {
		w := rng.NormFloat64() * 0.02
		if heavy {
			a, b, c := rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()
			w /= math.Sqrt((a*a + b*b + c*c) / 3)
		}
		d.W[i] = float32(w)
	}
	return d
}

// validateLayer checks levels, which bound to the checkpoint are bound, on layer j of a tensor,
// whose matrices are all and whose bytes are data: on the weights to which an analysis fits them.
func validateLayer(ts *TensorStatus, j int, all []weights.Tensor, data []byte, levels, bound []quant.Recipe) []Check {
	l := &ts.Layers[j]
	name := ts.Name
	if ts.Kind == KindMatrices {
		name = l.LongName
	}
	stored := l.stored(all, data, ts.Encoding)
	r := stored.Range()
	stored.Bounds = &r // for the fit of each level
	oriented := sync.OnceValue(func() quant.Dense { return l.oriented(stored) })
	var checks []Check
	for i, level := range levels {
		if level.Reference() {
			continue
		}
		scheme := bound[i].For(l.target())
		var w quant.Weights = stored
		if rearranged(l, scheme) && r.Beyond == "" {
			w = oriented()
		}
		checks = append(checks, newCheck(name, level, scheme, l.target(), w))
	}
	return checks
}

// validateDense checks levels on the weights w, called name, of no checkpoint.
func validateDense(name string, w quant.Dense, levels []quant.Recipe) []Check {
	var checks []Check
	target := quant.Target{Rows: w.Rows, Cols: w.Cols}
	for _, level := range levels {
		if !level.Reference() {
			checks = append(checks, newCheck(name, level, level.For(target), target, w))
		}
	}
	return checks
}

// newCheck measures what the scheme of a level does to the weights w of a tensor, and judges
// it.
func newCheck(name string, level quant.Recipe, scheme quant.Scheme, of quant.Target, w quant.Weights) Check {
	nan := math.NaN()
	c := Check{
		Tensor: name, Level: level, Values: quant.Values(scheme), Bits: scheme.BitsPerWeight(of.Rows, of.Cols),
		Scale: nan, Theory: nan, MaxError: nan, RMSError: nan,
	}
	q, err := scheme.Fit(w, checkpoint.F32)
	if err != nil {
		c.Refused = err.Error()
		return c
	}
	meter := quant.NewMeter(q)
	var dequantized []float32
	w.Each(scheme.Granularity().Align(), func(p quant.Piece) {
		if len(dequantized) < len(p.W) {
			dequantized = make([]float32, len(p.W))
		}
		part := dequantized[:len(p.W)]
		q.Dequantize(part, p)
		meter.Add(p.W, part)
		c.compare(q, p.W, part)
	})
	if c.differ > 0 {
		c.fail("%d weights are not as the definition has them: %g became %g", c.differ, c.first[0], c.first[1])
	}
	c.Errors = meter.Errors()
	if p, ok := q.(quant.Predicted); ok {
		c.Theory = p.PredictedSNR(meter.MeanSquare())
	}
	// Without a step weights stay as they are, but for those that a cast rounds.
	if s, ok := q.(quant.Stepped); ok && (s.Step() != 0 || quant.Keeps(q, checkpoint.F32.Encoding())) {
		c.Scale = float64(s.Step())
	}
	_, defined := q.(quant.Defined)
	c.Bounded = defined || c.Values > 0 || !math.IsNaN(c.Scale)
	c.judge(w.Range())
	return c
}

// compare counts the weights that are not as the definition of the scheme has them.
func (c *Check) compare(q quant.Quantizer, original, dequantized []float32) {
	d, ok := q.(quant.Defined)
	if !ok {
		return
	}
	defined := make([]float32, len(original))
	d.Define(defined, original)
	for i, w := range original {
		if dequantized[i] != defined[i] {
			if c.differ == 0 {
				c.first = [2]float32{w, dequantized[i]}
			}
			c.differ++
		}
	}
}

// judge compares the measured errors with the bounds.
func (c *Check) judge(r quant.Range) {
	e := &c.Errors
	if c.Values > 0 && e.Unique > c.Values {
		c.fail("%d different values, the level has %d", e.Unique, c.Values)
	}
	if math.IsNaN(c.Scale) {
		return
	}
	if c.Scale == 0 {
		if e.MaxAbs != 0 {
			c.fail("a tensor without a step changed by %g", e.MaxAbs)
		}
		return
	}
	c.MaxError, c.RMSError = e.MaxAbs/c.Scale, math.Sqrt(e.MSE)/c.Scale
	// The quotient, the product and, if asymmetric, the sums are each rounded to
	// float32, by at most half a unit in the last place of the largest of them.
	steps := float64(max(r.Max-r.Min, r.AbsMax())) / c.Scale
	slack := 4 * 0x1p-24 * steps
	// Near zero float32 has a grid of its own, on which the step was rounded, by half of
	// 2^-149 for each of the steps to the largest weight, and the product.
	grid := (2 + steps) * 0x1p-149 / c.Scale
	if c.MaxError > 0.5+slack+grid {
		c.fail("largest error %.4f steps, above 0.5", c.MaxError)
	}
	if grid > 0.01 {
		c.Note = fmt.Sprintf("the step is %.3g, so near zero that float32 rounds it: errors may be %.2g steps larger", c.Scale, grid)
		return
	}
	if uniform := 1 / math.Sqrt(12); e.MAE > 0 && c.spread(e) > 1 && math.Abs(c.RMSError/uniform-1) > 0.05 {
		c.Note = fmt.Sprintf("errors are not spread evenly over a step: root mean square %.4f steps, not %.4f", c.RMSError, uniform)
	}
}

// spread returns the mean magnitude of the weights in steps.
func (c *Check) spread(e *quant.Errors) float64 {
	if e.Relative == 0 {
		return 0
	}
	return e.MAE / e.Relative / c.Scale
}

func (c *Check) fail(format string, args ...any) {
	c.Failures = append(c.Failures, fmt.Sprintf(format, args...))
}
