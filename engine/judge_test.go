package engine

import (
	"math"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// TestJudge: what is just within a bound passes, what is just beyond fails, with exactly
// one remark.
func TestJudge(t *testing.T) {
	uniform := math.Sqrt(1.0 / 12)
	for name, tc := range map[string]struct {
		change func(*Check)
		passes bool
	}{
		"evenly spread":       {func(*Check) {}, true},
		"2 % above":           {func(c *Check) { c.Errors.MSE *= 1.02 * 1.02 }, true},
		"2 % below":           {func(c *Check) { c.Errors.MSE *= 0.98 * 0.98 }, true},
		"6 % above":           {func(c *Check) { c.Errors.MSE *= 1.06 * 1.06 }, false},
		"6 % below":           {func(c *Check) { c.Errors.MSE *= 0.94 * 0.94 }, false},
		"6 % below, few used": {func(c *Check) { c.Errors.MSE, c.Errors.Relative = c.Errors.MSE*0.94*0.94, 0.5 }, true},
		"all values":          {func(c *Check) { c.Errors.Unique = 15 }, true},
		"too many values":     {func(c *Check) { c.Errors.Unique = 16 }, false},
		"half a step":         {func(c *Check) { c.Errors.MaxAbs = 0.5 * c.Scale }, true},
		"rounding":            {func(c *Check) { c.Errors.MaxAbs = (0.5 + 1e-6) * c.Scale }, true},
		"above half a step":   {func(c *Check) { c.Errors.MaxAbs = 0.50001 * c.Scale }, false},
		"mean above half a step": {func(c *Check) {
			c.Errors.MSE, c.Errors.Relative = 0.51*0.51*c.Scale*c.Scale, 0.5
		}, false},
		"no step":              {func(c *Check) { c.Scale, c.Errors = 0, quant.Errors{Unique: 1} }, true},
		"no step, but changed": {func(c *Check) { c.Scale, c.Errors = 0, quant.Errors{Unique: 1, MaxAbs: 1e-9} }, false},
	} {
		const step = 0.25
		c := Check{
			Level: quant.Level{Scheme: quant.Symmetric, Bits: 4}, Values: 15, Scale: step,
			// Weights of two steps on average.
			Errors: quant.Errors{Unique: 12, MSE: uniform * uniform * step * step, MAE: 0.25 * step, MaxAbs: 0.4 * step, Relative: 0.125},
		}
		tc.change(&c)
		c.judge(kernel.Range{Min: -7 * step, Max: 7 * step})
		if c.Passed() != tc.passes || !tc.passes && len(c.Failures) != 1 {
			t.Errorf("%s: %q", name, c.Failures)
		}
	}
}
