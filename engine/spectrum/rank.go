package spectrum

import "github.com/wwq-fast/wwq-fast/internal/modp"

// rank returns the rank of g modulo a prime, by elimination: the rank of m, but for a
// chance of about one in two million (package modp). intact says whether g.a still holds
// the Gram matrix; else, and where it does not hold integers, m is read again. ok is false
// if the elements of m have no residues: they are float64 numbers. Units of rows do not
// change the rank.
func (s *Solver) rank(ws *Workspace, m Matrix, g *gram, intact bool) (rank int, ok bool) {
	sh := shapeOf(m)
	im, units := integersOf(m)
	_, wide := m.(WideMatrix)
	switch {
	case wide:
		return 0, false
	case im == nil:
		s.accumulateResidues(ws, m, sh)
		g.a = compress(ws.gram, sh.short, g.live)
	case !intact || units != nil:
		s.accumulateIntegers(ws, im, sh)
		g.a = compress(ws.gram, sh.short, g.live)
	}
	r := len(g.live)
	for i := range r {
		for j := range i {
			g.a[i*r+j] = g.a[j*r+i]
		}
	}
	modp.Reduce(g.a)
	return modp.Rank(s.BLAS, r, g.a), true
}

// accumulateResidues sets the upper triangle of ws.gram to the Gram matrix of the
// residues of all elements, which has the rank of the Gram matrix of m.
func (s *Solver) accumulateResidues(ws *Workspace, m Matrix, sh shape) {
	k := sh.short
	if sh.panel >= modp.MaxTerms {
		panic("spectrum: panels beyond the terms that residues can be added") // Align is at most 1024
	}
	clear(ws.gram[:k*k])
	sh.panels(func(first, count int) {
		single, panel := ws.single[:count*k], ws.panel[:count*k]
		m.Panel(single, first, count)
		modp.Residues(panel, single)
		s.update(sh, count, panel, 1, ws.gram)
		for i := range k {
			modp.Reduce(ws.gram[i*k+i : (i+1)*k])
		}
	})
}
