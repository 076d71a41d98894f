package spectrum

import (
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/blas"

	"github.com/wwq-fast/wwq-fast/internal/intgram"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// accumulate sets the upper triangle of ws.gram to the k×k Gram matrix of the
// smaller side and returns the sum of squares of all elements.
func (s *Solver) accumulate(ws *Workspace, m Matrix, pass int) float64 {
	k, long := m.short(), m.long()
	p := min(PanelLength(k), long)
	ws.gram = grow(ws.gram, k*k)
	ws.panel = grow(ws.panel, p*k)
	ws.single = grow(ws.single, p*k)
	frobenius, beta := 0.0, 0.0
	for first := 0; first < long; first += p {
		n := min(p, long-first)
		single, panel := ws.single[:n*k], ws.panel[:n*k]
		m.Fill(single, first, n, pass)
		frobenius += kernel.Widen(panel, single)
		s.withCores(k/strip, func(threads int) { s.update(k, n, panel, m.Rows >= m.Cols, beta, ws.gram, threads) })
		beta = 1
	}
	return frobenius
}

// strip is how many rows of the Gram matrix one call of the BLAS updates: as few that
// several threads have work, as many that the calls stay efficient.
const strip = 512

// update sets the upper triangle of the k×k matrix g to beta times itself plus the
// products of the panel's columns, n×k, for trans, or else of its rows, k×n. Larger
// matrices are always cut into the same strips, so that the result does not depend
// on the number of threads.
func (s *Solver) update(k, n int, panel []float64, trans bool, beta float64, g []float64, threads int) {
	ld, step, tA, tB := n, n, blas.NoTrans, blas.Trans
	if trans {
		ld, step, tA, tB = k, 1, blas.Trans, blas.NoTrans
	}
	strips := max(1, k/strip)
	parallel(strips, threads, func(i int) {
		from, to := i*k/strips, (i+1)*k/strips
		a := panel[from*step:]
		s.BLAS.Dsyrk(blas.Upper, tA, to-from, n, 1, a, ld, beta, g[from*k+from:], k)
		if to < k {
			s.BLAS.Dgemm(tA, tB, to-from, k-to, n, 1, a, ld, panel[to*step:], ld, beta, g[from*k+to:], k)
		}
	})
}

// parallel calls f for 0 to n-1 on the given number of threads.
func parallel(n, threads int, f func(i int)) {
	var next atomic.Int64
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			f(i)
		}
	}
	var others sync.WaitGroup
	for range min(n, threads) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}

// withCores calls f with the number of threads that it may run: one, and as many of
// the cores without work as there are, up to most threads together.
func (s *Solver) withCores(most int, f func(threads int)) {
	extra := 0
	if s.Cores != nil && most > 1 {
		extra = s.Cores.Take(most - 1)
		defer s.Cores.Give(extra)
	}
	f(1 + extra)
}

// accumulateIntegers does the same for a matrix of whole numbers, without the
// step: all results are exact.
func (s *Solver) accumulateIntegers(ws *Workspace, m Matrix, pass int) (squares float64) {
	k, long, q := m.short(), m.long(), m.Integers
	p := min(PanelLength(k), long)
	ws.gram = grow(ws.gram, k*k)
	clear(ws.gram)
	if q.Fill != nil {
		ws.codes = grow(ws.codes, p*k)
	} else {
		ws.codes16 = grow(ws.codes16, p*k)
	}
	trans := m.Rows >= m.Cols
	for first := 0; first < long; first += p {
		n := min(p, long-first)
		ld := n
		if trans {
			ld = k
		}
		if q.Fill != nil {
			squares += q.Fill(ws.codes[:n*k], first, n, pass)
		} else {
			squares += q.Fill16(ws.codes16[:n*k], first, n, pass)
		}
		s.withCores(k/strip, func(threads int) {
			ws.igram.Threads = threads
			if q.Fill != nil {
				intgram.Syrk(trans, k, n, ws.codes[:n*k], ld, q.Max, ws.gram, k, &ws.igram)
			} else {
				intgram.Syrk16(trans, k, n, ws.codes16[:n*k], ld, ws.gram, k, &ws.igram)
			}
		})
	}
	return squares
}

// fill reads a panel as float32 numbers: those of the matrix, or its whole
// numbers without the step.
func (m Matrix) fill(ws *Workspace, dst []float32, first, count, pass int) {
	switch {
	case m.Integers == nil:
		m.Fill(dst, first, count, pass)
	case m.Integers.Fill != nil:
		codes := ws.codes[:len(dst)]
		m.Integers.Fill(codes, first, count, pass)
		for i, v := range codes {
			dst[i] = float32(v)
		}
	default:
		codes := ws.codes16[:len(dst)]
		m.Integers.Fill16(codes, first, count, pass)
		for i, v := range codes {
			dst[i] = float32(v)
		}
	}
}
