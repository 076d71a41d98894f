package powerlaw

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// attack moves every value by up to delta in the direction that most helps candidate
// i against the best one.
func attack(x []float64, fit Fit, i int, delta float64) []float64 {
	c := certainty{scan: newScan(x), weight: make([]float64, len(x))}
	c.derive(c.largest(fit.Start, math.Inf(1)), -1)
	c.derive(c.largest(i, math.Inf(1)), 1)
	y := slices.Clone(x)
	for j, w := range c.weight {
		y[j] -= math.Copysign(delta, w)
	}
	slices.Sort(y)
	return y
}

// TestCertain moves spectra whose fit is certain at random and against every other
// candidate: the choice must stay. And it must be certain for errors not much below
// those that change it.
func TestCertain(t *testing.T) {
	const tolerance = 1e-3
	rng := rand.New(rand.NewPCG(11, 12))
	found, tight, count := 0, 0, 0
	for range 15 {
		for _, n := range []int{12, 60, 300} {
			for name, x := range spectra(rng, n) {
				if name == "narrow" || name == "wide" || name == "few values" {
					continue // values that are equal, or below any error relative to the largest
				}
				fit, _ := Scan(x)
				// The largest error for which the answer is yes.
				delta := 0x1p-8 * x[0]
				for delta > 1e-13*x[0] && !fit.Certain(x, delta, tolerance) {
					delta /= 2
				}
				count++
				if delta <= 1e-13*x[0] {
					continue
				}
				found++
				flipped := false
				changed := func(y []float64) bool {
					got, _ := Scan(y)
					return got.Start != fit.Start || math.Abs(got.Alpha-fit.Alpha) > tolerance
				}
				for i := range n - 1 {
					// Neighbours are the closest rivals; of all others every 13th.
					if away := max(i-fit.Start, fit.Start-i); away == 0 || away > 10 && i%13 > 0 {
						continue
					}
					if changed(attack(x, fit, i, delta)) {
						t.Fatalf("%s %d: an error of %g helps candidate %d, but the fit was certain", name, n, delta, i)
					}
					flipped = flipped || changed(attack(x, fit, i, 8*delta))
				}
				for range 10 {
					y := slices.Clone(x)
					for j := range y {
						y[j] += delta * (2*rng.Float64() - 1)
					}
					slices.Sort(y)
					if changed(y) {
						t.Fatalf("%s %d: an error of %g changes the fit, but it was certain", name, n, delta)
					}
				}
				if flipped {
					tight++
				}
			}
		}
	}
	if found < count*8/10 || tight < found/2 {
		t.Errorf("of %d fits %d are certain for some error, and %d of those change with 8 times that", count, found, tight)
	}
}

// TestNotCertain: where an answer would be a guess it is no.
func TestNotCertain(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for name, x := range spectra(rng, 100) {
		fit, _ := Scan(x)
		for _, delta := range []float64{x[0], 2 * x[0], math.Inf(1), math.NaN(), -1} {
			if fit.Certain(x, delta, 1e-3) {
				t.Errorf("%s: certain for errors of %g", name, delta)
			}
		}
	}
	equal := []float64{2, 2, 2, 2}
	fit, _ := Scan(equal)
	if fit.Certain(equal, 1e-9, 1e-3) {
		t.Error("certain of an infinite exponent")
	}
}

// TestTiedStart: a tail that begins at one of several equal values begins at any of
// them when they move apart.
func TestTiedStart(t *testing.T) {
	tied := 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 15))
		// A body of equal values under a tail, as low-bit weights have.
		x := make([]float64, 80)
		for i := range x {
			x[i] = 1
			if i >= 50 {
				x[i] = math.Pow(1-rng.Float64(), -0.7)
			}
		}
		slices.Sort(x)
		fit, _ := Scan(x)
		if fit.Start == 0 || x[fit.Start] != x[fit.Start-1] {
			continue
		}
		tied++
		if fit.Certain(x, 1e-13, 1e-3) {
			t.Fatalf("seed %d: certain of a tail that begins at %d, one of the values %v", seed, fit.Start, x[fit.Start])
		}
	}
	if tied == 0 {
		t.Error("no tail begins at one of several equal values")
	}
}
