// Package spectrum computes all singular values of weight matrices.
//
// The way is the Gram matrix of the smaller side, W^T W or W W^T, summed in
// float64 from panels of W (in integers where W is a multiple of small whole
// numbers) and handed to a symmetric eigensolver: its eigenvalues are the squares
// of the singular values, each within a few k*eps*lambda_max. That is far more
// than a power-law fit needs, but it cannot tell a singular value of
// 1e-8*sigma_max from zero, and low-bit weights are often rank-deficient. So
// where eigenvalues come out below 1e-12 of the largest, the rank is computed
// exactly, by elimination modulo a prime (package modp). If it says that as many
// eigenvalues are zero as came out below, they are set to zero, and all the others
// are known. If not, there are singular values between: then they are computed
// themselves, by QR of the panels and an SVD of the triangle, with errors of a few
// eps*sigma_max, at several times the cost.
package spectrum

import (
	"errors"
	"fmt"
	"math"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/internal/intgram"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// ErrTrace is returned when the computed eigenvalues do not add up to the squared
// Frobenius norm of the matrix: the solver gave a wrong answer. Test with
// errors.Is.
var ErrTrace = errors.New("eigenvalues do not add up to the squared Frobenius norm")

// traceTolerance bounds the relative error of the sum of all eigenvalues, in double
// and in single precision.
const (
	traceTolerance       = 1e-12
	traceToleranceSingle = 1e-5
)

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
	// Integers, if not nil, says that the matrix is Step times whole numbers. They
	// are then read instead, and the Gram matrix is exact but for one rounding of
	// each element.
	Integers *Integers
}

// Integers is a matrix of small whole numbers: of 8 bits if Fill is set, else of 16.
type Integers struct {
	Step float64 // what the numbers are multiples of
	// Fill writes a panel as Matrix.Fill does and returns the sum of the squares,
	// exactly.
	Fill func(dst []int8, first, count, pass int) (squares float64)
	Max  int // the largest magnitude that Fill writes, at most 127
	// Fill16 does the same with magnitudes up to 32767. It costs about twice as much.
	Fill16 func(dst []int16, first, count, pass int) (squares float64)
}

// long returns the larger dimension and short the smaller one.
func (m Matrix) long() int  { return max(m.Rows, m.Cols) }
func (m Matrix) short() int { return min(m.Rows, m.Cols) }

// A Method says how a spectrum was computed.
type Method string

const (
	Gram     Method = "gram"
	GramRank Method = "gram+rank" // eigenvalues that are exactly zero found by the rank modulo a prime
	SVD      Method = "svd"
	// Eigen32 is a Gram matrix in float64 and its eigenvalues in float32.
	Eigen32 Method = "gram, float32 eigenvalues"
)

// A Precision says in which arithmetic spectra are computed.
type Precision string

const (
	// Double is float64 throughout.
	Double Precision = "double"
	// Single is float64 for the Gram matrix, or exact integers, and float32 for the
	// eigenvalues of those matrices whose smallest eigenvalue turns out larger than
	// [SingleError], so that ranks are certain. All others are computed in float64.
	Single Precision = "single"
)

// Precisions lists all.
var Precisions = []Precision{Double, Single}

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

// A Spectrum holds the singular values of a matrix.
type Spectrum struct {
	Sigma  []float64 // singular values, ascending, as many as the smaller side
	Lambda []float64 // their squares: the eigenvalues of the Gram matrix
	// FrobeniusSquared is the sum of the squares of all elements, summed
	// directly; TraceError is the relative distance of the sum of Lambda from it.
	FrobeniusSquared float64
	TraceError       float64
	Method           Method
	// Error bounds the absolute error of every eigenvalue if they were computed in
	// float32, and is 0 otherwise: it is then that of float64.
	Error float64
}

// A Solver computes spectra with given backends. It is safe for concurrent use,
// each call with a [Workspace] of its own.
type Solver struct {
	BLAS      cblas.Backend
	LAPACK    lapack.Backend
	Precision Precision // empty is Double
	// Cores, if not nil, lends cores to large matrices. Results do not depend on it.
	Cores Cores
}

// Cores are those of the process that have no work of their own.
type Cores interface {
	// Take returns how many of them, up to most, the caller may use until it gives
	// them back.
	Take(most int) int
	Give(n int)
}

// A Workspace keeps buffers between calls. The zero value is ready for use.
type Workspace struct {
	gram    []float64
	panel   []float64
	gram32  []float32
	single  []float32
	codes   []int8
	codes16 []int16
	igram   intgram.Workspace
}

// PanelLength returns how many rows or columns of length k one panel holds: 4 MiB
// in float64 where that is 256 to 1024 of them. Fewer would make the update of
// the k×k Gram matrix memory-bound, more would leave the cache.
func PanelLength(k int) int { return min(max(1<<19/max(k, 1), 256), 1024) }

// integerBytes is what the integer product takes for each row of the result.
const integerBytes = 5 << 10

// Bytes estimates the memory that [Solver.Compute] takes for a matrix of these
// dimensions: Gram matrix, the solver's copy of it, panels in all types, and the
// buffers of the integer product. The stack of the SVD route takes the place of the
// first two. In other precisions than [Double] there is a Gram matrix in float32, too.
func Bytes(rows, cols int, precision Precision) int64 {
	m := Matrix{Rows: rows, Cols: cols}
	k := int64(m.short())
	p := min(int64(PanelLength(m.short())), int64(m.long()))
	bytes := 16*k*k + (8+4+2)*p*k + integerBytes*k
	if precision == Single {
		bytes += 4 * k * k
	}
	return bytes
}

// Compute returns the spectrum of m. It fails with lapack.ErrNotConverged or
// ErrTrace, both faults of the solver on this matrix. The result does not share
// memory with ws.
func (s *Solver) Compute(ws *Workspace, m Matrix) (*Spectrum, error) {
	k := m.short()
	if most := s.LAPACK.MaxOrder(); k > most {
		return nil, fmt.Errorf("the smaller side, %d, is above %d, the largest order that %s takes", k, most, s.LAPACK.Name())
	}
	sp := &Spectrum{Method: Gram}
	if k == 0 {
		return sp, nil
	}
	buf := make([]float64, 2*k)
	sp.Sigma, sp.Lambda = buf[:k], buf[k:]
	square := 1.0 // what the matrix of whole numbers is multiplied by
	if m.Integers != nil {
		square = m.Integers.Step * m.Integers.Step
		sp.FrobeniusSquared = square * s.accumulateIntegers(ws, m, 0)
	} else {
		sp.FrobeniusSquared = s.accumulate(ws, m, 0)
	}
	// A zero row or column is an exact zero of the spectrum, and is left out of
	// what follows. Low-bit weights have many.
	live := liveColumns(ws.gram, k)
	r := len(live)
	if s.Precision == Single && r == k {
		if single := s.spectrum32(ws, k, square, sp.FrobeniusSquared); single != nil && single.Lambda[0] > single.Error {
			return single, nil
		}
	}
	if r > 0 {
		compress(ws.gram, k, live)
		intact, err := s.eigenvalues(r, ws.gram, sp.Lambda[k-r:])
		if err != nil {
			return nil, err
		}
		small := 0
		for small < r && sp.Lambda[k-r+small] < gramLimit*sp.Lambda[k-1] {
			small++
		}
		if small > 0 && s.rank(ws, m, live, intact) == r-small {
			sp.Method = GramRank
			clear(sp.Lambda[k-r : k-r+small])
		} else if small > 0 {
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
			sp.Lambda[i] = math.Max(sp.Lambda[i]*square, 0)
			sp.Sigma[i] = math.Sqrt(sp.Lambda[i])
		}
	}
	return sp, sp.checkTrace(traceTolerance)
}

// solverRows is how many rows of a matrix make it worth one more core.
const solverRows = 512

// eigenvalues computes those of the n×n matrix g on as many cores as may be had. intact
// reports whether g is as it was.
func (s *Solver) eigenvalues(n int, g, w []float64) (intact bool, err error) {
	threaded, ok := s.LAPACK.(lapack.Threaded)
	if !ok {
		return s.LAPACK.SymEigenvalues(n, g, n, w)
	}
	s.withCores(n/solverRows, func(threads int) { intact, err = threaded.SymEigenvaluesOn(threads, n, g, n, w) })
	return intact, err
}

// eigenvalues32 does the same in float32.
func (s *Solver) eigenvalues32(n int, g, w []float32) (err error) {
	threaded, ok := s.LAPACK.(lapack.Threaded)
	if !ok {
		_, err = s.LAPACK.SymEigenvalues32(n, g, n, w)
		return err
	}
	s.withCores(n/solverRows, func(threads int) { _, err = threaded.SymEigenvalues32On(threads, n, g, n, w) })
	return err
}

func (sp *Spectrum) checkTrace(tolerance float64) error {
	sum := 0.0
	for _, l := range sp.Lambda {
		sum += l
	}
	if sp.FrobeniusSquared > 0 {
		sp.TraceError = math.Abs(sum-sp.FrobeniusSquared) / sp.FrobeniusSquared
	}
	if !(sp.TraceError <= tolerance) {
		return fmt.Errorf("%w: %g against %g, a relative error of %.1e above %.0e",
			ErrTrace, sum, sp.FrobeniusSquared, sp.TraceError, tolerance)
	}
	return nil
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
