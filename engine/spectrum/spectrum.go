// Package spectrum computes all singular values of weight matrices.
//
// The usual way is the Gram matrix of the smaller side, W^T W or W W^T, summed
// in float64 from panels of W and handed to a symmetric eigensolver: its
// eigenvalues are the squares of the singular values, each within a few
// k*eps*lambda_max. That is far more than a power-law fit needs, but it cannot
// tell a singular value of 1e-8*sigma_max from zero. So where the smallest
// eigenvalue comes out below 1e-12 of the largest, the singular values
// themselves are computed, by QR of the panels and an SVD of the triangle, with
// errors of a few eps*sigma_max: ranks are then right.
package spectrum

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/engine/quant/kernel"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// ErrTrace is returned when the computed eigenvalues do not add up to the squared
// Frobenius norm of the matrix: the solver gave a wrong answer. Test with
// errors.Is.
var ErrTrace = errors.New("eigenvalues do not add up to the squared Frobenius norm")

// traceTolerance bounds the relative error of the sum of all eigenvalues.
const traceTolerance = 1e-12

// gramLimit is the ratio of the smallest to the largest eigenvalue below which
// the Gram route cannot tell a small eigenvalue from its own rounding.
const gramLimit = 1e-12

// A Matrix is a matrix that is read in panels across its larger side, each panel
// as often as needed.
type Matrix struct {
	Rows, Cols int
	// Fill writes a panel to dst in row-major order: rows first to first+count-1,
	// count×Cols, if Rows >= Cols; columns first to first+count-1, Rows×count,
	// otherwise. All values must be finite. pass counts from 0 how often the
	// matrix has been read before.
	Fill func(dst []float32, first, count, pass int)
}

// long returns the larger dimension and short the smaller one.
func (m Matrix) long() int  { return max(m.Rows, m.Cols) }
func (m Matrix) short() int { return min(m.Rows, m.Cols) }

// A Method says how a spectrum was computed.
type Method string

const (
	Gram Method = "gram"
	SVD  Method = "svd"
)

// A Spectrum holds the singular values of a matrix.
type Spectrum struct {
	Sigma  []float64 // singular values, ascending, as many as the smaller side
	Lambda []float64 // their squares: the eigenvalues of the Gram matrix
	// FrobeniusSquared is the sum of the squares of all elements, summed
	// directly; TraceError is the relative distance of the sum of Lambda from it.
	FrobeniusSquared float64
	TraceError       float64
	Method           Method
}

// A Solver computes spectra with given backends. It is safe for concurrent use,
// each call with a [Workspace] of its own.
type Solver struct {
	BLAS   cblas.Backend
	LAPACK lapack.Backend
}

// A Workspace keeps buffers between calls. The zero value is ready for use.
type Workspace struct {
	gram   []float64
	panel  []float64
	single []float32
}

// PanelLength returns how many rows or columns of length k one panel holds: 4 MiB
// in float64 where that is 256 to 1024 of them. Fewer would make the update of
// the k×k Gram matrix memory-bound, more would leave the cache.
func PanelLength(k int) int { return min(max(1<<19/max(k, 1), 256), 1024) }

// Bytes returns the memory that [Solver.Compute] takes for a matrix of these
// dimensions: Gram matrix and panels, or the stacked triangle of the SVD route,
// which replaces both.
func Bytes(rows, cols int) int64 {
	m := Matrix{Rows: rows, Cols: cols}
	k := int64(m.short())
	p := min(int64(PanelLength(m.short())), int64(m.long()))
	return max(8*k*k+8*p*k, 8*2*k*k) + 4*p*k
}

// Compute returns the spectrum of m. It fails with lapack.ErrNotConverged or
// ErrTrace, both faults of the solver on this matrix. The result does not share
// memory with ws.
func (s *Solver) Compute(ws *Workspace, m Matrix) (*Spectrum, error) {
	k := m.short()
	if k > lapack.MaxN {
		return nil, fmt.Errorf("the smaller side, %d, is above %d, the limit of 32-bit LAPACK indices", k, lapack.MaxN)
	}
	sp := &Spectrum{Method: Gram}
	if k == 0 {
		return sp, nil
	}
	buf := make([]float64, 2*k)
	sp.Sigma, sp.Lambda = buf[:k], buf[k:]
	sp.FrobeniusSquared = s.accumulate(ws, m)
	// A zero row or column is an exact zero of the spectrum, and is left out of
	// what follows. Low-bit weights have many.
	live := liveColumns(ws.gram, k)
	r := len(live)
	if r > 0 {
		compress(ws.gram, k, live)
		if err := s.LAPACK.SymEigenvalues(r, ws.gram, r, sp.Lambda[k-r:]); err != nil {
			return nil, err
		}
		if sp.Lambda[k-r] < gramLimit*sp.Lambda[k-1] {
			sp.Method = SVD
			if err := s.singularValues(ws, m, live, sp.Sigma[k-r:]); err != nil {
				return nil, err
			}
		}
	}
	for i := k - r; i < k; i++ {
		if sp.Method == SVD {
			sp.Lambda[i] = sp.Sigma[i] * sp.Sigma[i]
		} else {
			sp.Lambda[i] = math.Max(sp.Lambda[i], 0)
			sp.Sigma[i] = math.Sqrt(sp.Lambda[i])
		}
	}
	return sp, sp.checkTrace()
}

func (sp *Spectrum) checkTrace() error {
	sum := 0.0
	for _, l := range sp.Lambda {
		sum += l
	}
	if sp.FrobeniusSquared > 0 {
		sp.TraceError = math.Abs(sum-sp.FrobeniusSquared) / sp.FrobeniusSquared
	}
	if !(sp.TraceError <= traceTolerance) {
		return fmt.Errorf("%w: %g against %g, a relative error of %.1e above %.0e",
			ErrTrace, sum, sp.FrobeniusSquared, sp.TraceError, traceTolerance)
	}
	return nil
}

// accumulate sets the upper triangle of ws.gram to the k×k Gram matrix of the
// smaller side and returns the sum of squares of all elements.
func (s *Solver) accumulate(ws *Workspace, m Matrix) float64 {
	k, long := m.short(), m.long()
	p := min(PanelLength(k), long)
	ws.gram = grow(ws.gram, k*k)
	ws.panel = grow(ws.panel, p*k)
	ws.single = grow(ws.single, p*k)
	frobenius, beta := 0.0, 0.0
	for first := 0; first < long; first += p {
		n := min(p, long-first)
		single, panel := ws.single[:n*k], ws.panel[:n*k]
		m.Fill(single, first, n, 0)
		frobenius += kernel.Widen(panel, single)
		if m.Rows >= m.Cols {
			s.BLAS.Dsyrk(blas.Upper, blas.Trans, k, n, 1, panel, k, beta, ws.gram, k)
		} else {
			s.BLAS.Dsyrk(blas.Upper, blas.NoTrans, k, n, 1, panel, n, beta, ws.gram, k)
		}
		beta = 1
	}
	return frobenius
}

// liveColumns returns the indices of the non-zero diagonal elements of the k×k
// matrix g.
func liveColumns(g []float64, k int) []int {
	live := make([]int, 0, k)
	for i := range k {
		if g[i*k+i] != 0 {
			live = append(live, i)
		}
	}
	return live
}

// compress moves the rows and columns live of the upper triangle of the k×k
// matrix g to the front, with stride len(live).
func compress(g []float64, k int, live []int) {
	r := len(live)
	if r == k {
		return
	}
	for i, row := range live {
		// Row i starts at i*r <= row*k, so what is overwritten has been moved.
		for j := i; j < r; j++ {
			g[i*r+j] = g[row*k+live[j]]
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
	ws.gram = grow(ws.gram, height*r)
	rows := 0 // of the stack that are in use
	for first := 0; first < long; first += p {
		n := min(p, long-first)
		single := ws.single[:n*k]
		m.Fill(single, first, n, 1)
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
