package powerlaw

import "math"

// Certify reports whether the fit of x would stay what it is if every value of x
// were wrong by up to delta: that is, if alpha and the logarithm of xmin of the
// fit of the true values are within tol of those of fit, whatever the errors. x
// and fit are those of [Scan]. A true answer is a proof to first order and a
// generous second; a false one says nothing about how far the fit is off.
//
// The proof: with r = delta/x[i], every ln(x[j]/x[i]) is known to 2r. That
// bounds alpha(i), and with it the model and the distance D(i). Every candidate
// whose distance may be the least must have an alpha and an xmin close enough.
// The work is that of a scan; nothing is allocated but what a scan allocates.
func Certify(x []float64, fit Fit, delta, tol float64) bool {
	n := len(x)
	if n < 2 || !(delta >= 0) || math.IsInf(fit.Alpha, 0) {
		return false
	}
	s := newScan(x)
	_, _, top, ok := s.spread(fit.Start, delta)
	if !ok {
		return false
	}
	// The true least distance is at most this.
	limit := fit.D + top
	for i := range n - 1 {
		lo, hi, e, ok := s.spread(i, delta)
		if !ok {
			return false
		}
		if !s.valid(i) || s.distance(i, limit+e) > limit+e {
			continue
		}
		if max(hi-fit.Alpha, fit.Alpha-lo) > tol || math.Abs(s.ln[i]-s.ln[fit.Start])+2*delta/x[i] > tol {
			return false
		}
	}
	return true
}

// spread returns bounds of the true alpha of candidate i and of the error of its
// distance; ok is false if there are none.
func (s *scan) spread(i int, delta float64) (lo, hi, e float64, ok bool) {
	r := 2 * delta / (s.x[i] - delta)
	mean := 1 / (s.alpha[i] - 1) // of ln(x[j]/x[i])
	if !(s.x[i] > delta) || !(mean > 2*r) {
		return 0, 0, 0, false
	}
	lo, hi = 1+1/(mean+r), 1+1/(mean-r)
	// The model 1 - exp(-(alpha-1) L) moves by (alpha-1) for L and by at most
	// 1/(e (alpha-1)) for alpha.
	return lo, hi, (hi-1)*r + (hi-lo)/(math.E*(lo-1)), true
}
