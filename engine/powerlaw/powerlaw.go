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
	Alpha float64 // exponent; +Inf if all values of the tail are equal
	D     float64 // Kolmogorov-Smirnov distance, one-sided as described at [Scan]
	Sigma float64 // standard error of Alpha, (Alpha-1)/sqrt(Tail)
	XMin  float64 // smallest value of the tail
	XMax  float64 // largest value of the tail
	Tail  int     // number of values from Start on; values equal to XMin may lie before Start
	// Start is the index of the first value of the tail, in the ascending values.
	Start int
	// Tied is the number of values that equal XMin to within the resolution, the first
	// of the tail among them, and TiedBelow how many of these lie before Start: if that
	// is not 0, the tail begins inside a run of equal values.
	Tied, TiedBelow int
	// OtherAlpha is the exponent of the best of the candidates whose number of values
	// in the tail differs from Tail by more than a factor of 1.5, and OtherGap is the
	// distance of that candidate minus D. A gap close to 0 means that the data do not
	// decide between two tails, and so between two exponents. Both are NaN if there is
	// no such candidate with a finite exponent.
	OtherAlpha, OtherGap float64
}

// otherRatio is the factor by which the number of values of another tail must differ from
// that of the best one: less is the same valley of D, seen from the next value.
const otherRatio = 1.5

// FitTail fits a power law to the tail of the eigenvalues evals, which may be in any
// order: it sorts a copy of those above [MinEigenvalue] and calls [Scan] with the
// resolution of a solver in float64, len(evals)*2^-52. All other finite values, negative
// ones included, are left out, so that Start of the result counts from the smallest
// eigenvalue above the threshold.
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
	return Scan(x, float64(len(evals))*0x1p-52)
}

// Scan fits a power law to the values x, which must be at least two, finite, positive
// and in ascending order; the error is [ErrTooFew], [ErrNotFinite], [ErrNotPositive] or
// [ErrNotSorted] if they are not. With N values the candidates are the
// indices i = 0..N-2, ties included, each with the tail of n = N-i values
//
//	alpha(i) = 1 + n / sum_{j>=i} ln(x[j]/x[i])
//	D(i)     = max_{0<=k<n} | 1 - (x[i+k]/x[i])^(1-alpha(i)) - k/n |
//
// (D = 1 if alpha <= 1), and the first i with the least D is chosen. The empirical
// distribution k/n is the left limit only; a two-sided distance would also
// compare with (k+1)/n. A tail of equal values has alpha = +Inf, D = (n-1)/n.
//
// Values that differ by no more than rounding have an exponent that is made of that
// rounding: resolution, which is not negative, says how large it is, as a part of the
// largest value. A tail whose values are all within that distance of the largest counts
// as one of equal values.
//
// The distance of the chosen candidate is exact to rounding, but few distances are
// computed in full: a candidate is dropped as soon as a lower bound on its D exceeds
// the least D so far, and intervals of k in which an upper bound excludes the maximum
// are skipped. The work is O(N) per candidate only in the worst case.
// Scan does not modify x, allocates 28*N bytes, and is safe for concurrent use. Its
// result is identical on every run, and equal to rounding on all machines.
func Scan(x []float64, resolution float64) (Fit, error) {
	if err := check(x); err != nil {
		return Fit{}, err
	}
	n := len(x)
	s := newScan(x, resolution)
	for i := range n - 1 {
		s.lower[i] = s.sample(i)
	}
	// Candidates are tried in ascending order of their lower bounds: a small distance
	// found early prunes nearly all others.
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
	fit.Tied, fit.TiedBelow = s.tied(best)
	other, d := s.least(order, func(i int) bool {
		short, long := float64(min(n-i, tail)), float64(max(n-i, tail))
		return long > otherRatio*short && !math.IsInf(s.alpha[i], 1)
	})
	fit.OtherAlpha, fit.OtherGap = math.NaN(), math.NaN()
	if other >= 0 {
		fit.OtherAlpha, fit.OtherGap = s.alpha[other], d-bestD
	}
	return fit, nil
}

// tiedPart is the part of a value by which a tied one differs from it at most: where all
// differences are below the resolution, values are not tied but unknown.
const tiedPart = 1e-6

// tied returns how many values equal x[i] to within the resolution, and how many of them
// lie before it.
func (s *scan) tied(i int) (all, below int) {
	slack := min(s.resolution*s.x[len(s.x)-1], tiedPart*s.x[i])
	low, high := i, i+1
	for low > 0 && s.x[i]-s.x[low-1] <= slack {
		low--
	}
	for high < len(s.x) && s.x[high]-s.x[i] <= slack {
		high++
	}
	return high - low, i - low
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

// least returns the candidate with the least distance among those for which wanted is
// true, and that distance. Of equal candidates it returns the one of lowest index; if
// none is wanted, it returns -1 and +Inf.
func (s *scan) least(order []int32, wanted func(i int) bool) (best int, bestD float64) {
	best, bestD = -1, math.Inf(1)
	for _, c := range order {
		i := int(c)
		if s.lower[i] > bestD || !wanted(i) {
			continue
		}
		d := s.distance(i, bestD)
		s.lower[i] = max(s.lower[i], d-slack)
		if d < bestD || d == bestD && (best < 0 || i < best) {
			best, bestD = i, d
		}
	}
	return best, bestD
}

// scan is the state of one fit, shared by all of its candidates.
type scan struct {
	x     []float64
	ln    []float64 // ln x; that of the largest value for all that equal it
	alpha []float64 // exponent for each candidate
	lower []float64 // lower bound on the distance of each candidate
	// resolution is the part of the largest value below which values are not told apart.
	resolution float64
	// hot holds the last few indices into x at which a candidate had its largest
	// difference; turn is the entry of hot that is replaced next.
	hot  [4]int
	turn int
}

// samples is the number of points of the tail from which the first lower bound is
// taken, and the number of intervals with which the search for the maximum begins. More
// points cost every candidate time; fewer leave more candidates to the search.
const samples = 16

// slack covers the rounding of bounds and distances, so that no bound ever
// drops the true minimum. Distances lie in [0, 1] and are right to about 1e-15.
const slack = 1e-12

func newScan(x []float64, resolution float64) *scan {
	n := len(x)
	buf := make([]float64, 3*n)
	s := &scan{x: x, ln: buf[:n], alpha: buf[n : 2*n], lower: buf[2*n:], resolution: resolution}
	// sum is the sum of ln x[j] - ln x[i] over all j > i. From one i to the next lower
	// one each of its n-1-i terms grows by the same gap, ln x[i+1] - ln x[i]. Adding
	// gaps keeps small sums accurate, where subtracting two large sums would cancel.
	// Neighbouring values may have one logarithm: then they are equal for the sum, and so
	// for all that follows from it.
	sum, top := 0.0, x[n-1]
	s.ln[n-1] = math.Log(top)
	for i := n - 2; i >= 0; i-- {
		s.ln[i] = s.ln[i+1]
		if top-x[i] > resolution*top {
			s.ln[i] = min(math.Log(x[i]), s.ln[i+1])
		}
		sum += (s.ln[i+1] - s.ln[i]) * float64(n-1-i)
		s.alpha[i] = 1 + float64(n-i)/sum
	}
	return s
}

// at returns the absolute difference of the fitted and the empirical distribution at
// the k-th value of the tail of candidate i; inv is 1/n for a tail of n values.
func (s *scan) at(i, k int, inv float64) float64 {
	return math.Abs(s.model(i, k) - float64(k)*inv)
}

// model returns the fitted distribution function of candidate i at the k-th value of
// its tail.
func (s *scan) model(i, k int) float64 {
	if s.ln[i+k] == s.ln[i] {
		return 0
	}
	return 1 - math.Exp((1-s.alpha[i])*(s.ln[i+k]-s.ln[i]))
}

// valid reports whether the exponent of candidate i is above 1; if not, its distance is
// 1 by definition.
func (s *scan) valid(i int) bool { return s.alpha[i] > 1 }

// sample returns a lower bound on the distance of candidate i: the largest difference
// at the sampled points, or 0 for a short tail, which is cheap to search in full.
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

// An interval is the part k0 < k < k1 of a tail; m0 and m1 are the model at its ends.
// Both distributions grow with k, so inside the interval they differ by at most
//
//	bound = max(model(k1) - (k0+1)/n, (k1-1)/n - model(k0))
type interval struct {
	k0, k1 int
	m0, m1 float64
	bound  float64
}

func newInterval(k0, k1 int, m0, m1, inv float64) interval {
	return interval{k0, k1, m0, m1, max(m1-float64(k0+1)*inv, float64(k1-1)*inv-m0) + slack}
}

// distance returns the distance of candidate i if that is at most limit, and otherwise
// some number above limit. It is a branch-and-bound search: it halves intervals of the
// tail as long as their bound is above the largest difference found.
func (s *scan) distance(i int, limit float64) float64 {
	if !s.valid(i) {
		return 1
	}
	n := len(s.x) - i
	inv, d := 1/float64(n), 0.0
	// At the indices where neighbouring candidates had their largest differences, this
	// candidate has large ones as well: most candidates are dropped here.
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
	var parts [samples]interval
	k0, m0 := 0, s.model(i, 0)
	for j := range parts {
		k1 := (j + 1) * (n - 1) / samples
		m1 := s.model(i, k1)
		if e := math.Abs(m1 - float64(k1)*inv); e > d {
			d, top = e, k1
		}
		parts[j] = newInterval(k0, k1, m0, m1, inv)
		k0, m0 = k1, m1
	}
	if d > limit {
		return d
	}
	// The intervals with the highest bounds come first: they contain the maximum most
	// often, and once d is large the others are skipped.
	slices.SortFunc(parts[:], func(a, b interval) int { return cmp.Compare(b.bound, a.bound) })
	for _, p := range parts {
		if d = s.refine(i, p, inv, d, limit, &top); d > limit {
			break
		}
	}
	return d
}

// refine returns the maximum of d and of the differences inside p. If that maximum is
// inside p, refine sets top to its k.
func (s *scan) refine(i int, p interval, inv, d, limit float64, top *int) float64 {
	if p.k1-p.k0 < 2 || p.bound <= d || d > limit {
		return d
	}
	k := (p.k0 + p.k1) / 2
	m := s.model(i, k)
	if e := math.Abs(m - float64(k)*inv); e > d {
		d, *top = e, k
	}
	a, b := newInterval(p.k0, k, p.m0, m, inv), newInterval(k, p.k1, m, p.m1, inv)
	if a.bound < b.bound {
		a, b = b, a
	}
	d = s.refine(i, a, inv, d, limit, top)
	return s.refine(i, b, inv, d, limit, top)
}

// AboveThreshold returns the part of x, which must be in ascending order, that is
// strictly larger than [MinEigenvalue]. The result shares memory with x.
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
