package metric

import (
	"math"
	"testing"
)

// TestDistances: by hand, and as SciPy's ks_2samp has it.
func TestDistances(t *testing.T) {
	for _, c := range []struct {
		x, y            []float64
		w1, ks, floored float64
	}{
		{[]float64{1, 2, 4}, []float64{1, 2, 8}, math.Ln2 / 3, 1. / 3, 0},
		{[]float64{1, 2, 4}, []float64{1, 2, 4}, 0, 0, 0},
		{[]float64{1, 1, 4}, []float64{4, 4, 4}, 2 * math.Log(4) / 3, 2. / 3, 0},
		{[]float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}, (math.Log(5) + math.Log(3) + math.Log(7./3) + math.Ln2) / 4, 1, 0},
		{[]float64{0, 1}, []float64{1e-20, 1}, 0, 0, 1},
		{[]float64{0, 1}, []float64{1e-6, 1}, math.Log(1e6) / 2, 0.5, 1},
		// Rounding moves nothing, and zeros are one class whatever the largest is.
		{[]float64{1, 1, 1}, []float64{1 - 1e-8, 1, 1 + 1e-8}, 2e-8 / 3, 0, 0},
		{[]float64{0, 0, 2}, []float64{0, 0, 4}, math.Ln2, 1. / 3, 2},
	} {
		for range 2 { // the distances are symmetric
			w1, ks, floored := distances(c.x, c.y)
			if math.Abs(w1-c.w1) > 1e-9 || math.Abs(ks-c.ks) > 1e-15 || floored != c.floored {
				t.Errorf("%v to %v: %g, %g, %g, want %g, %g, %g", c.x, c.y, w1, ks, floored, c.w1, c.ks, c.floored)
			}
			c.x, c.y = c.y, c.x
		}
	}
	for _, c := range [][2][]float64{{{}, {}}, {{0, 0}, {0, 1}}, {{1}, {math.Inf(1)}}, {{1, 2}, {1}}, {{math.NaN()}, {1}}} {
		if w1, ks, floored := distances(c[0], c[1]); !math.IsNaN(w1) || !math.IsNaN(ks) || !math.IsNaN(floored) {
			t.Errorf("%v to %v: %g, %g, %g", c[0], c[1], w1, ks, floored)
		}
	}
}
