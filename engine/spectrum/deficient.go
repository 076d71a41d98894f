package spectrum

import (
	"slices"

	"github.com/wwq-fast/wwq-fast/internal/modp"
)

// rank returns the rank modulo a prime of the part of m that has only the rows or
// columns live of the smaller side: of its Gram matrix, which has the same rank
// over the rationals. It works in ws.gram, where the compressed Gram matrix still stands
// if it is intact; that of integers is then taken as it is, else the matrix is read again.
func (s *Solver) rank(ws *Workspace, m Matrix, live []int, intact bool) int {
	k, r := m.short(), len(live)
	switch {
	case m.Integers == nil:
		s.accumulateResidues(ws, m)
		compress(ws.gram, k, live)
	case !intact:
		s.accumulateIntegers(ws, m, 1)
		compress(ws.gram, k, live)
	}
	g := ws.gram[:r*r]
	for i := range r {
		for j := range i {
			g[i*r+j] = g[j*r+i]
		}
	}
	modp.Reduce(g)
	return modp.Rank(s.BLAS, r, g)
}

// accumulateResidues sets the upper triangle of ws.gram to the Gram matrix of the
// residues of all elements.
func (s *Solver) accumulateResidues(ws *Workspace, m Matrix) {
	k, long := m.short(), m.long()
	p := min(PanelLength(k), long, modp.MaxTerms-1)
	clear(ws.gram[:k*k])
	for first := 0; first < long; first += p {
		n := min(p, long-first)
		single, panel := ws.single[:n*k], ws.panel[:n*k]
		m.Fill(single, first, n, 1)
		modp.Residues(panel, single)
		s.withCores(k/strip, func(threads int) { s.update(k, n, panel, m.Rows >= m.Cols, 1, ws.gram, threads) })
		for i := range k {
			modp.Reduce(ws.gram[i*k+i : (i+1)*k])
		}
	}
}

// singularValues writes the singular values, ascending, of the part of m that has
// only the rows or columns live of the smaller side. It needs len(live) <= long
// and works in ws.gram, which it grows to at most 2*len(live)^2 elements.
func (s *Solver) singularValues(ws *Workspace, m Matrix, live []int, sigma []float64) error {
	k, long, r := m.short(), m.long(), len(live)
	p := min(PanelLength(k), long)
	height := min(2*r, long)
	ws.single = grow(ws.single, p*k)
	ws.gram = grow(ws.gram, height*r)
	rows := 0 // of the stack that are in use
	for first := 0; first < long; first += p {
		n := min(p, long-first)
		single := ws.single[:n*k]
		m.fill(ws, single, first, n, 1)
		for i := range n {
			if rows == height {
				// The stack is full: fold it into its triangle.
				if err := s.LAPACK.QR(rows, r, ws.gram, r); err != nil {
					return err
				}
				clearBelowDiagonal(ws.gram, r)
				rows = r
			}
			dst := ws.gram[rows*r : (rows+1)*r]
			if m.Rows >= m.Cols {
				src := single[i*k : (i+1)*k]
				for j, c := range live {
					dst[j] = float64(src[c])
				}
			} else {
				for j, c := range live {
					dst[j] = float64(single[c*n+i])
				}
			}
			rows++
		}
	}
	if err := s.LAPACK.SingularValues(rows, r, ws.gram, r, sigma); err != nil {
		return err
	}
	slices.Reverse(sigma)
	if m.Integers != nil {
		for i := range sigma {
			sigma[i] *= m.Integers.Step
		}
	}
	return nil
}

func clearBelowDiagonal(a []float64, n int) {
	for i := 1; i < n; i++ {
		clear(a[i*n : i*n+i])
	}
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
