package spectrum

import "math"

// inRange reports whether sums of squares up to the given one, and eigenvalues that
// matter, stay within the range of float32.
func inRange(frobenius float64) bool { return frobenius > 1e-20 && frobenius < 1e30 }

// spectrum32 returns the spectrum of the k×k Gram matrix in ws.gram times square,
// computed in float32. It leaves that as it is, and returns nil if the solver fails, numbers leave
// the range of float32, or the trace is off.
func (s *Solver) spectrum32(ws *Workspace, k int, square, frobenius float64) *Spectrum {
	if !inRange(frobenius / square) {
		return nil
	}
	ws.gram32 = grow(ws.gram32, k*k)
	for i := range k {
		dst := ws.gram32[i*k+i : (i+1)*k]
		for j, v := range ws.gram[i*k+i : (i+1)*k] {
			dst[j] = float32(v)
		}
	}
	buf := make([]float64, 2*k)
	sp := &Spectrum{Sigma: buf[:k], Lambda: buf[k:], FrobeniusSquared: frobenius, Method: Eigen32}
	if !s.solve32(ws, square, sp) {
		return nil
	}
	norm := 0.0
	for _, l := range sp.Lambda {
		norm += l * l
	}
	sp.Error = SingleError(k) * math.Sqrt(norm)
	return sp
}

// solve32 fills in sp from the eigenvalues of ws.gram32, which it destroys, times
// square. Such as come out below zero become zero.
func (s *Solver) solve32(ws *Workspace, square float64, sp *Spectrum) bool {
	k := len(sp.Lambda)
	w := make([]float32, k)
	if err := s.eigenvalues32(k, ws.gram32, w); err != nil {
		return false
	}
	for i, l := range w {
		sp.Lambda[i] = math.Max(float64(l)*square, 0)
		sp.Sigma[i] = math.Sqrt(sp.Lambda[i])
	}
	return sp.checkTrace(traceToleranceSingle) == nil
}
