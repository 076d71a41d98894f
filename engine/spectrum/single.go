package spectrum

import (
	"math"

	"gonum.org/v1/gonum/blas"

	"github.com/wwq-fast/wwq-fast/engine/quant/kernel"
)

// squaresLength is how many elements are widened at once to sum their squares.
const squaresLength = 1 << 12

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
	if !(frobenius > 1e-20 && frobenius < 1e30) {
		return false
	}
	w := make([]float32, k)
	if err := s.LAPACK.SymEigenvalues32(k, ws.gram32, k, w); err != nil {
		return false
	}
	if float64(w[0]) <= SingleError(long)*float64(w[k-1]) {
		return false
	}
	for i, l := range w {
		sp.Lambda[i] = float64(l)
		sp.Sigma[i] = math.Sqrt(sp.Lambda[i])
	}
	sp.FrobeniusSquared = frobenius
	if sp.checkTrace(traceToleranceSingle) != nil {
		return false
	}
	sp.Method = Gram32
	return true
}
