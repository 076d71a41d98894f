package engine

import (
	"math"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// TestJudge: what is just within a bound passes, what is just beyond fails, with exactly
// one remark.
func TestJudge(t *testing.T) {
	uniform := math.Sqrt(1.0 / 12)
	for name, tc := range map[string]struct {
		change func(*Check)
		passes bool
		noted  bool // that errors are not spread evenly
	}{
		"evenly spread":        {func(*Check) {}, true, false},
		"2 % above":            {func(c *Check) { c.Errors.MSE *= 1.02 * 1.02 }, true, false},
		"2 % below":            {func(c *Check) { c.Errors.MSE *= 0.98 * 0.98 }, true, false},
		"6 % above":            {func(c *Check) { c.Errors.MSE *= 1.06 * 1.06 }, true, true},
		"6 % below":            {func(c *Check) { c.Errors.MSE *= 0.94 * 0.94 }, true, true},
		"6 % below, few used":  {func(c *Check) { c.Errors.MSE, c.Errors.Relative = c.Errors.MSE*0.94*0.94, 0.5 }, true, false},
		"all values":           {func(c *Check) { c.Errors.Unique = 15 }, true, false},
		"too many values":      {func(c *Check) { c.Errors.Unique = 16 }, false, false},
		"half a step":          {func(c *Check) { c.Errors.MaxAbs = 0.5 * c.Scale }, true, false},
		"rounding":             {func(c *Check) { c.Errors.MaxAbs = (0.5 + 1e-6) * c.Scale }, true, false},
		"above half a step":    {func(c *Check) { c.Errors.MaxAbs = 0.50001 * c.Scale }, false, false},
		"no step":              {func(c *Check) { c.Scale, c.Errors = 0, quant.Errors{Unique: 1} }, true, false},
		"no step, but changed": {func(c *Check) { c.Scale, c.Errors = 0, quant.Errors{Unique: 1, MaxAbs: 1e-9} }, false, false},
	} {
		const step = 0.25
		c := Check{
			Values: 15, Scale: step,
			// Weights of two steps on average.
			Errors: quant.Errors{Unique: 12, MSE: uniform * uniform * step * step, MAE: 0.25 * step, MaxAbs: 0.4 * step, Relative: 0.125},
		}
		tc.change(&c)
		c.judge(quant.Range{Min: -7 * step, Max: 7 * step})
		if c.Passed() != tc.passes || !tc.passes && len(c.Failures) != 1 || (c.Note != "") != tc.noted {
			t.Errorf("%s: %q, note %q", name, c.Failures, c.Note)
		}
	}
}

// TestTinyWeights: levels pass whatever the scale of the weights is, down to those that
// float32 barely holds, of which a note says so.
func TestTinyWeights(t *testing.T) {
	levels, err := quant.ParseList("2bit,3bit,4bit,8bit,12bit,16bit,2bit-asym,4bit-asym,8bit-asym,12bit-asym")
	if err != nil {
		t.Fatal(err)
	}
	for exponent := -30; exponent >= -45; exponent-- {
		d := synthetic(false)
		d.Rows, d.W = 32, d.W[:32*d.Cols]
		noted := 0
		for i := range d.W {
			d.W[i] = float32(float64(d.W[i]) * 50 * math.Pow(10, float64(exponent)))
		}
		for _, c := range validateDense("tiny", d, levels) {
			if !c.Passed() {
				t.Errorf("1e%d at %s: %q %s", exponent, c.Level.Name(), c.Failures, c.Refused)
			}
			if strings.Contains(c.Note, "near zero") {
				noted++
			}
		}
		if exponent == -30 && noted > 0 || exponent == -44 && noted == 0 {
			t.Errorf("1e%d: %d notes", exponent, noted)
		}
	}
}
