// Package powerlaw fits power laws p(x) ~ x^-alpha, x >= xmin, to eigenvalue
// spectra, as WeightWatcher 0.7.5.5 does by default (its WW_powerlaw.py, fit
// "PL"): the maximum-likelihood exponent of Clauset, Shalizi and Newman
// (SIAM Review 51, 2009, eq. 3.1) for every candidate xmin, of which the one
// with the least Kolmogorov-Smirnov distance is chosen.
//
// [FitTail] takes eigenvalues in any order. [Scan] is the fit itself, for values
// that are already sorted and cut off at the threshold.
package powerlaw

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// MinEigenvalue is WeightWatcher's absolute threshold: only larger eigenvalues
// take part in a fit.
const MinEigenvalue = 1e-5

// Errors of [Scan] and [FitTail], to be tested with errors.Is. The error returned
// names the first value at fault.
var (
	ErrTooFew      = errors.New("too few values for a power-law fit")
	ErrNotFinite   = errors.New("value is not finite")
	ErrNotPositive = errors.New("value is not positive")
	ErrNotSorted   = errors.New("values are not in ascending order")
)

// A Fit is a fitted power law.
type Fit struct {
	Alpha float64 // exponent; +Inf if all of the tail is equal
	D     float64 // Kolmogorov-Smirnov distance, one-sided as described at [Scan]
	Sigma float64 // standard error of Alpha, (Alpha-1)/sqrt(Tail)
	XMin  float64 // smallest value of the tail
	XMax  float64 // largest value
	Tail  int     // number of values in the tail, by index
	// Start is the index into the fitted values at which the tail begins.
	Start int
	// Runner is the least distance of any candidate with another xmin value, and
	// RunnerAlpha its exponent: how close the choice was. Runner is +Inf if
	// there is no such candidate.
	Runner, RunnerAlpha float64
}

// FitTail fits a power law to the tail of the eigenvalues evals, which may be in any
// order: it sorts a copy of those above [MinEigenvalue] and calls [Scan]. All other
// finite values, negative ones included, are left out, so that Start of the result
// counts from the smallest eigenvalue above the threshold.
//
// FitTail returns [ErrTooFew] if fewer than two eigenvalues are above the threshold,
// and [ErrNotFinite] if any is NaN or infinite. It does not modify evals, allocates
// 36*N bytes for N eigenvalues, and is safe for concurrent use.
func FitTail(evals []float64) (Fit, error) {
	x := make([]float64, 0, len(evals))
	for i, v := range evals {
		if !finite(v) {
			return Fit{}, fmt.Errorf("%w: evals[%d] = %v", ErrNotFinite, i, v)
		}
		if v > MinEigenvalue {
			x = append(x, v)
		}
	}
	slices.Sort(x)
	return Scan(x)
}

// Scan fits a power law to the values x, which must be at least two, finite, positive
// and in ascending order; the error is [ErrTooFew], [ErrNotFinite], [ErrNotPositive] or
// [ErrNotSorted] if they are not. With N values the candidates are the
// indices i = 0..N-2, ties included, each with the tail of n = N-i values
//
//	alpha(i) = 1 + n / sum_{j>=i} ln(x[j]/x[i])
//	D(i)     = max_{0<=k<n} | 1 - (x[i+k]/x[i])^(1-alpha(i)) - k/n |
//
// (D = 1 where alpha <= 1), and the first i of least D is chosen. The empirical
// distribution k/n is the left limit only; a two-sided distance would also
// compare with (k+1)/n. A tail of equal values has alpha = +Inf, D = (n-1)/n.
//
// The distances are exact to rounding, but most are not computed: a candidate is
// dropped as soon as a lower bound on its D exceeds the least D so far, and
// stretches of k are passed over where an upper bound shows that the maximum
// cannot lie. The work is O(N) per candidate only in the worst case.
// Scan allocates 28*N bytes and is safe for concurrent use; its result is the
// same on every run, and to rounding on every machine.
func Scan(x []float64) (Fit, error) {
	if err := check(x); err != nil {
		return Fit{}, err
	}
	n := len(x)
	s := newScan(x)
	for i := range n - 1 {
		s.lower[i] = s.sample(i)
	}
	// Candidates of least lower bound come first: a small distance found early
	// prunes nearly all others.
	order := make([]int32, n-1)
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(s.lower[a], s.lower[b]), cmp.Compare(a, b))
	})
	best, bestD := s.least(order, func(int) bool { return true })
	alpha := s.alpha[best]
	tail := n - best
	fit := Fit{
		Alpha: alpha,
		D:     bestD,
		Sigma: (alpha - 1) / math.Sqrt(float64(tail)),
		XMin:  x[best],
		XMax:  x[n-1],
		Tail:  tail,
		Start: best,
	}
	runner, d := s.least(order, func(i int) bool { return x[i] != x[best] })
	fit.Runner, fit.RunnerAlpha = d, math.NaN()
	if runner >= 0 {
		fit.RunnerAlpha = s.alpha[runner]
	}
	return fit, nil
}

// check returns the error of Scan for values that it cannot fit.
func check(x []float64) error {
	if len(x) < 2 {
		return fmt.Errorf("%w: %d, want at least 2", ErrTooFew, len(x))
	}
	last := x[0]
	for i, v := range x {
		switch {
		case !finite(v):
			return fmt.Errorf("%w: x[%d] = %v", ErrNotFinite, i, v)
		case v <= 0:
			return fmt.Errorf("%w: x[%d] = %v", ErrNotPositive, i, v)
		case v < last:
			return fmt.Errorf("%w: x[%d] = %v is below x[%d] = %v", ErrNotSorted, i, v, i-1, last)
		}
		last = v
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// least returns the candidate of least distance among those that are wanted, the
// first of several, and its distance; -1 and +Inf if none is wanted.
func (s *scan) least(order []int32, wanted func(i int) bool) (best int, bestD float64) {
	best, bestD = -1, math.Inf(1)
	for _, c := range order {
		i := int(c)
		if s.lower[i] > bestD || !wanted(i) {
			continue
		}
		d := s.distance(i, bestD)
		s.lower[i] = max(s.lower[i], d-slack)
		if d < bestD || d == bestD && i < best {
			best, bestD = i, d
		}
	}
	return best, bestD
}

// scan holds what does not depend on the candidate.
type scan struct {
	x     []float64
	ln    []float64 // ln x
	alpha []float64 // exponent for each candidate
	lower []float64 // lower bound on the distance of each candidate
	// hot are the last few indices at which a candidate had its largest
	// difference, turn the next to be replaced.
	hot  [4]int
	turn int
}

// samples is how many points of the tail give the first lower bound, and how many
// stretches the search of the maximum begins with. More points cost all
// candidates; fewer leave more candidates to the search.
const samples = 16

// slack covers the rounding of bounds and distances, so that no bound ever
// drops the true minimum. Distances lie in [0, 1] and are right to about 1e-15.
const slack = 1e-12

func newScan(x []float64) *scan {
	n := len(x)
	buf := make([]float64, 3*n)
	s := &scan{x: x, ln: buf[:n], alpha: buf[n : 2*n], lower: buf[2*n:]}
	// Suffix sums of ln x[j] - ln x[i], built from the top: adding the gap to the
	// next value for all the n-1-i values above keeps small sums exact where a
	// difference of two large ones would cancel.
	sum := 0.0
	s.ln[n-1] = math.Log(x[n-1])
	for i := n - 2; i >= 0; i-- {
		s.ln[i] = math.Log(x[i])
		if x[i] != x[i+1] {
			sum += (s.ln[i+1] - s.ln[i]) * float64(n-1-i)
		}
		s.alpha[i] = 1 + float64(n-i)/sum
	}
	return s
}

// at returns the distance of the two distributions at the k-th value of the tail
// of candidate i.
func (s *scan) at(i, k int, inv float64) float64 {
	return math.Abs(s.model(i, k) - float64(k)*inv)
}

// model returns the fitted distribution at the k-th value of the tail.
func (s *scan) model(i, k int) float64 {
	if s.x[i+k] == s.x[i] {
		return 0
	}
	return 1 - math.Exp((1-s.alpha[i])*(s.ln[i+k]-s.ln[i]))
}

// valid reports whether candidate i has a distance below 1 at all.
func (s *scan) valid(i int) bool { return s.alpha[i] > 1 }

// sample returns a lower bound on the distance of candidate i.
func (s *scan) sample(i int) float64 {
	if !s.valid(i) {
		return 1
	}
	n := len(s.x) - i
	if n <= 2*samples {
		return 0
	}
	inv, d := 1/float64(n), 0.0
	for j := 1; j <= samples; j++ {
		d = max(d, s.at(i, j*(n-1)/samples, inv))
	}
	return d - slack
}

// A stretch is the part k0 < k < k1 of a tail, with the model at its ends. Both
// distributions grow with k, so inside it they differ by at most
//
//	bound = max(model(k1) - (k0+1)/n, (k1-1)/n - model(k0))
type stretch struct {
	k0, k1 int
	m0, m1 float64
	bound  float64
}

func newStretch(k0, k1 int, m0, m1, inv float64) stretch {
	return stretch{k0, k1, m0, m1, max(m1-float64(k0+1)*inv, float64(k1-1)*inv-m0) + slack}
}

// distance returns the distance of candidate i, or, once it is known to exceed
// limit, any number above limit. It halves stretches of the tail as long as
// their bound is above the largest difference found: branch and bound.
func (s *scan) distance(i int, limit float64) float64 {
	if !s.valid(i) {
		return 1
	}
	n := len(s.x) - i
	inv, d := 1/float64(n), 0.0
	// Where neighbouring candidates had their largest differences, this one has
	// large ones too: most candidates end here.
	for _, h := range s.hot {
		if h > i {
			if d = max(d, s.at(i, h-i, inv)); d > limit {
				return d
			}
		}
	}
	top := -1
	defer func() {
		if top >= 0 && !slices.Contains(s.hot[:], i+top) {
			s.hot[s.turn] = i + top
			s.turn = (s.turn + 1) % len(s.hot)
		}
	}()
	var parts [samples]stretch
	k0, m0 := 0, s.model(i, 0)
	for j := range parts {
		k1 := (j + 1) * (n - 1) / samples
		m1 := s.model(i, k1)
		if e := math.Abs(m1 - float64(k1)*inv); e > d {
			d, top = e, k1
		}
		parts[j] = newStretch(k0, k1, m0, m1, inv)
		k0, m0 = k1, m1
	}
	if d > limit {
		return d
	}
	// The stretches of highest bound first: they hold the maximum most often, and
	// a large d passes over the rest.
	slices.SortFunc(parts[:], func(a, b stretch) int { return cmp.Compare(b.bound, a.bound) })
	for _, p := range parts {
		if d = s.refine(i, p, inv, d, limit, &top); d > limit {
			break
		}
	}
	return d
}

// refine returns the larger of d and the differences inside p, and sets top to
// where it is if that is inside p.
func (s *scan) refine(i int, p stretch, inv, d, limit float64, top *int) float64 {
	if p.k1-p.k0 < 2 || p.bound <= d || d > limit {
		return d
	}
	k := (p.k0 + p.k1) / 2
	m := s.model(i, k)
	if e := math.Abs(m - float64(k)*inv); e > d {
		d, *top = e, k
	}
	a, b := newStretch(p.k0, k, p.m0, m, inv), newStretch(k, p.k1, m, p.m1, inv)
	if a.bound < b.bound {
		a, b = b, a
	}
	d = s.refine(i, a, inv, d, limit, top)
	return s.refine(i, b, inv, d, limit, top)
}

// AboveThreshold returns the part of the ascending values that is strictly
// larger than [MinEigenvalue]. The result shares memory with x.
func AboveThreshold(x []float64) []float64 {
	lo, hi := 0, len(x)
	for lo < hi {
		if mid := (lo + hi) / 2; x[mid] > MinEigenvalue {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return x[lo:]
}
