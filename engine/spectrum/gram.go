package spectrum

import (
	"gonum.org/v1/gonum/blas"

	"github.com/wwq-fast/wwq-fast/internal/intgram"
)

// A gram is the Gram matrix of the smaller side of a matrix, without the rows and
// columns that are zero: each of those is an exact zero of the spectrum, and low-bit
// weights have many.
type gram struct {
	// a is the upper triangle, row-major, in the workspace: a matrix as large as live.
	a []float64
	// live are the rows or columns of the smaller side that are not zero.
	live []int
	// unit2 is what a is to be multiplied by: the square of the unit of an IntMatrix,
	// whose Gram matrix holds integers, and else 1.
	unit2 float64
	// frobenius2 is the sum of the squares of all elements of the matrix.
	frobenius2 float64
}

// gram computes the Gram matrix of m.
func (s *Solver) gram(ws *Workspace, m Matrix) *gram {
	sh := shapeOf(m)
	k := sh.short
	ws.gram = grow(ws.gram, k*k)
	g := &gram{unit2: 1}
	im, units := integersOf(m)
	if im != nil {
		g.unit2 = im.Unit() * im.Unit()
		g.frobenius2 = g.unit2 * s.accumulateIntegers(ws, im, sh)
	} else {
		g.frobenius2 = s.accumulate(ws, m, sh)
	}
	if units != nil {
		g.frobenius2 = im.(*rowIntegers).frobenius2(units)
	}
	for i := range k {
		if ws.gram[i*k+i] != 0 {
			g.live = append(g.live, i)
		}
	}
	g.a = compress(ws.gram, k, g.live)
	if units != nil {
		g.scale(units)
	}
	return g
}

// scale multiplies every element by the units of its row and of its column.
func (g *gram) scale(units []float64) {
	r := len(g.live)
	u := make([]float64, r)
	for i, row := range g.live {
		u[i] = units[row]
	}
	for i := range r {
		row := g.a[i*r+i : (i+1)*r]
		for j, v := range u[i:] {
			row[j] *= u[i] * v
		}
	}
}

// compress moves the rows and columns live of the upper triangle of the k×k
// matrix g to the front, and returns them: a matrix as large as live.
func compress(g []float64, k int, live []int) []float64 {
	r := len(live)
	if r < k {
		for i, row := range live {
			// Row i starts at i*r <= row*k, so what is overwritten has been moved.
			for j := i; j < r; j++ {
				g[i*r+j] = g[row*k+live[j]]
			}
		}
	}
	return g[:r*r]
}

// accumulate sets the upper triangle of ws.gram to the k×k Gram matrix of the
// smaller side and returns the sum of squares of all elements.
func (s *Solver) accumulate(ws *Workspace, m Matrix, sh shape) (squares float64) {
	k := sh.short
	ws.panel = grow(ws.panel, sh.panel*k)
	ws.single = grow(ws.single, sh.panel*k)
	beta := 0.0
	var sum total
	sh.panels(func(first, count int) {
		panel := ws.panel[:count*k]
		ws.panel64(m, panel, first, count, &sum)
		s.update(sh, count, panel, beta, ws.gram)
		beta = 1
	})
	return sum.value()
}

// strip is how many rows of the Gram matrix one call of the BLAS updates: few enough to
// give several threads work, and many enough to keep the calls efficient.
const strip = 512

// update sets the upper triangle of the k×k matrix g to beta times itself plus the
// products of the rows or columns of the panel, on as many cores as may be had. Larger
// matrices are always cut into the same strips, so that the result does not depend
// on the number of threads.
func (s *Solver) update(sh shape, count int, panel []float64, beta float64, g []float64) {
	k, ld := sh.short, sh.stride(count)
	step, tA, tB := count, blas.NoTrans, blas.Trans
	if sh.tall {
		step, tA, tB = 1, blas.Trans, blas.NoTrans
	}
	strips := max(1, k/strip)
	s.withCores(k/strip, func(threads int) {
		parallel(strips, threads, func(i int) {
			from, to := i*k/strips, (i+1)*k/strips
			a := panel[from*step:]
			s.BLAS.Dsyrk(blas.Upper, tA, to-from, count, 1, a, ld, beta, g[from*k+from:], k)
			if to < k {
				s.BLAS.Dgemm(tA, tB, to-from, k-to, count, 1, a, ld, panel[to*step:], ld, beta, g[from*k+to:], k)
			}
		})
	})
}

// maxInt8 is the largest magnitude of integers that are read as int8.
const maxInt8 = 127

// accumulateIntegers sets the upper triangle of ws.gram to the k×k Gram matrix of the
// integers of m, exactly. It returns the sum of their squares. The unit of m does not
// enter either. Where this machine multiplies floats faster than integers it does that:
// products and sums below 2^53 are exact in float64, too.
func (s *Solver) accumulateIntegers(ws *Workspace, m IntMatrix, sh shape) (squares float64) {
	k := sh.short
	clear(ws.gram)
	narrow := m.Max() <= maxInt8
	if narrow {
		ws.codes = grow(ws.codes, sh.panel*k)
	} else {
		ws.codes16 = grow(ws.codes16, sh.panel*k)
	}
	if narrow && intgram.SIMD() == "generic" || !narrow && !intgram.Fast16() {
		ws.panel = grow(ws.panel, sh.panel*k)
		sh.panels(func(first, count int) {
			panel := ws.panel[:count*k]
			squares += ws.integers64(m, panel, first, count)
			s.update(sh, count, panel, 1, ws.gram)
		})
		return squares
	}
	sh.panels(func(first, count int) {
		ld := sh.stride(count)
		if narrow {
			squares += m.Panel8(ws.codes[:count*k], first, count)
		} else {
			squares += m.Panel16(ws.codes16[:count*k], first, count)
		}
		s.withCores(k/strip, func(threads int) {
			ws.igram.Threads = threads
			if narrow {
				intgram.Syrk(sh.tall, k, count, ws.codes[:count*k], ld, m.Max(), ws.gram, k, &ws.igram)
			} else {
				intgram.Syrk16(sh.tall, k, count, ws.codes16[:count*k], ld, ws.gram, k, &ws.igram)
			}
		})
	})
	return squares
}
