package engine

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

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
	Errors quant.Errors
	Values int // number of different values that the level has; 0 if it is not known
	// MaxError is the largest error in steps: at most 1/2, apart from rounding. MaxError
	// and RMSError are NaN where steps differ.
	MaxError float64
	// RMSError is the root mean square error in steps: 1/sqrt(12) = 0.2887 for weights
	// that are spread over many steps, and at most 1/2 for all.
	RMSError float64
	// Failures says in words which bounds do not hold. The check is passed if it is empty.
	Failures []string
}

// Passed reports whether all bounds hold.
func (c *Check) Passed() bool { return len(c.Failures) == 0 }

// Validate checks the levels of opts, except those that quantize nothing, on every matrix
// of src that an analysis would quantize or, if src is nil, on a synthetic matrix.
func Validate(ctx context.Context, src checkpoint.Source, opts Options) ([]Check, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if src == nil {
		return validateWeights("synthetic 512x2048, Gaussian", synthetic(), opts.Levels), nil
	}
	plan, err := Describe(src, opts)
	if err != nil {
		return nil, err
	}
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
		l := &ts.Layers[0]
		w := &weights.Tensor{Data: data, Encoding: ts.Encoding, Rows: int(ts.Elements()) / l.Cols, Cols: l.Cols}
		r := w.Range()
		w.Bounds = &r // for the fit of each level
		checks = append(checks, validateWeights(ts.Name, w, opts.Levels)...)
	}
	return checks, nil
}

// synthetic returns Gaussian weights with the spread of a trained linear layer.
func synthetic() quant.Dense {
	rng := rand.New(rand.NewPCG(1, 2))
	d := quant.Dense{Rows: 512, Cols: 2048, W: make([]float32, 512*2048)}
	for i := range d.W {
		d.W[i] = float32(rng.NormFloat64() * 0.02)
	}
	return d
}

func validateWeights(name string, w quant.Weights, levels []quant.Recipe) []Check {
	var checks []Check
	r := w.Range()
	rows, cols := w.Dims()
	var dequantized []float32
	for _, level := range levels {
		if level.Reference() {
			continue
		}
		scheme := level.For(quant.Target{Name: name, Rows: rows, Cols: cols})
		c := Check{Tensor: name, Level: level, Values: quant.Values(scheme)}
		q, err := scheme.Fit(w, checkpoint.F32)
		if err != nil {
			c.Failures = []string{err.Error()}
			checks = append(checks, c)
			continue
		}
		meter := quant.NewMeter(q)
		w.Each(scheme.Granularity().Align(), func(p quant.Piece) {
			if len(dequantized) < len(p.W) {
				dequantized = make([]float32, len(p.W))
			}
			q.Dequantize(dequantized[:len(p.W)], p)
			meter.Add(p.W, dequantized[:len(p.W)])
		})
		c.Errors = meter.Errors()
		c.Scale = math.NaN()
		if s, ok := q.(quant.Stepped); ok {
			c.Scale = float64(s.Step())
		}
		c.judge(r)
		checks = append(checks, c)
	}
	return checks
}

// judge compares the measured errors with the bounds.
func (c *Check) judge(r quant.Range) {
	e := &c.Errors
	if c.Values > 0 && e.Unique > c.Values {
		c.fail("%d different values, the level has %d", e.Unique, c.Values)
	}
	if math.IsNaN(c.Scale) {
		c.MaxError, c.RMSError = math.NaN(), math.NaN()
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
	slack := 4 * 0x1p-24 * float64(max(r.Max-r.Min, r.AbsMax())) / c.Scale
	if c.MaxError > 0.5+slack {
		c.fail("largest error %.4f steps, above 0.5", c.MaxError)
	}
	if c.RMSError > 0.5 {
		c.fail("root mean square error %.4f steps, above 0.5", c.RMSError)
	}
	// Weights that spread over many steps have errors spread evenly over one.
	// The share of weights near zero decides: the bound is tight when the mean
	// magnitude is above a step, and holds to sampling error of the mean square.
	if uniform := 1 / math.Sqrt(12); e.MAE > 0 && c.spread(e) > 1 && math.Abs(c.RMSError/uniform-1) > 0.05 {
		c.fail("root mean square error %.4f steps, evenly spread errors have %.4f", c.RMSError, uniform)
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
