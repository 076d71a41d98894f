package spectrum

import (
	"math"

	"gonum.org/v1/gonum/blas"

	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// squaresLength is how many elements are widened at once to sum their squares.
const squaresLength = 1 << 12

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
	// The rounding of the matrix is part of the bound.
	sp.Error = s.LAPACK.Error32(k) * sp.Lambda[k-1]
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

// computeSingle computes the spectrum in float32. It returns false if that does not
// do: an eigenvalue is too small to be told from zero, the squares leave the range of
// float32, the solver fails, or the trace is off. sp is then to be computed in float64.
// It reads the matrix once, as pass 0.
func (s *Solver) computeSingle(ws *Workspace, m Matrix, sp *Spectrum) bool {
	k, long := m.short(), m.long()
	p := min(PanelLength(k), long)
	ws.gram32 = grow(ws.gram32, k*k)
	ws.single = grow(ws.single, p*k)
	ws.panel = grow(ws.panel, max(squaresLength, p*k))
	frobenius, beta := 0.0, float32(0)
	for first := 0; first < long; first += p {
		n := min(p, long-first)
		single := ws.single[:n*k]
		m.Fill(single, first, n, 0)
		for at := 0; at < len(single); at += squaresLength {
			part := single[at:min(at+squaresLength, len(single))]
			frobenius += kernel.Widen(ws.panel[:len(part)], part)
		}
		if m.Rows >= m.Cols {
			s.BLAS.Ssyrk(blas.Upper, blas.Trans, k, n, 1, single, k, beta, ws.gram32, k)
		} else {
			s.BLAS.Ssyrk(blas.Upper, blas.NoTrans, k, n, 1, single, n, beta, ws.gram32, k)
		}
		beta = 1
	}
	// Squares of large or tiny weights may leave the range of float32.
	sp.FrobeniusSquared = frobenius
	if !inRange(frobenius) || !s.solve32(ws, 1, sp) {
		return false
	}
	sp.Error = SingleError(long) * sp.Lambda[k-1]
	if sp.Lambda[0] <= sp.Error {
		return false
	}
	sp.Method = Gram32
	return true
}
