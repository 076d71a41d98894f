package spectrum

import "math"

// SingleError bounds the absolute error of every eigenvalue that is computed in
// float32 from a k×k Gram matrix, as a part of the Frobenius norm of that matrix,
// the root of the sum of the squares of its eigenvalues: (1 + 4k) 2^-24.
//
// The 1 is the rounding of the matrix to float32, which moves each element by at most
// 2^-24 of itself and so, by Weyl's theorem, each eigenvalue by at most 2^-24 of the
// Frobenius norm. The reduction to tridiagonal form applies k reflectors of length at
// most k from the left and from the right. The backward error of one such sequence is
// a small multiple of k 2^-24 of the Frobenius norm if rounding errors have mean zero
// and are mean independent (Connolly and Higham, SIAM J. Matrix Anal. Appl. 44, 2023;
// the worst case has k^2); the multiple is taken as 2 for each side, so that it covers
// a tridiagonal iteration in float32, too. What was measured stays below a tenth of
// the bound for k >= 64, also where rounding errors are all alike (c J + d I, J all
// ones).
func SingleError(k int) float64 { return (1 + 4*float64(k)) * 0x1p-24 }

// single returns the spectrum for the Gram matrix g of k rows or columns, with
// eigenvalues computed in float32. It leaves g as it is, and returns nil where float32
// does not do: a row or column is zero, the smallest eigenvalue is not above the error
// bound, the elements leave the range of float32, the solver fails, or the trace is off.
func (s *Solver) single(ws *Workspace, k int, g *gram) *Spectrum {
	if len(g.live) < k || !inRange(g.frobenius2/g.unit2) {
		return nil
	}
	ws.gram32 = grow(ws.gram32, k*k)
	for i := range k {
		dst := ws.gram32[i*k+i : (i+1)*k]
		for j, v := range g.a[i*k+i : (i+1)*k] {
			dst[j] = float32(v)
		}
	}
	w := make([]float32, k)
	if err := s.symEigenvalues32(k, ws.gram32, w); err != nil {
		return nil
	}
	sp := newSpectrum(k, GramFloat32, g)
	norm2 := 0.0
	for i, l := range w {
		sp.Lambda[i] = float64(l) * g.unit2
		norm2 += sp.Lambda[i] * sp.Lambda[i]
	}
	sp.Error = SingleError(k) * math.Sqrt(norm2)
	if !(sp.Lambda[0] > sp.Error) || sp.checkTrace(traceToleranceSingle) != nil {
		return nil
	}
	for i, l := range sp.Lambda {
		sp.Sigma[i] = math.Sqrt(l)
	}
	return sp
}

// inRange reports whether sums of squares up to the given one, and eigenvalues that
// matter, stay within the range of float32.
func inRange(squares float64) bool { return squares > 1e-20 && squares < 1e30 }
