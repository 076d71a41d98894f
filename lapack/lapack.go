// Package lapack binds the dense eigenvalue and singular value routines that the
// engine needs to the libraries that can do them. Each library is a [Backend]
// with a name; a program lists them with [Names] and takes one with [Lookup].
// There is no global current backend.
//
// Backends, where present:
//
//	shim        the project's own C shim on LAPACK's Fortran symbols: no copies, keeps info
//	netlib      gonum's netlib binding over LAPACKE
//	accelerate  the shim over Apple's Accelerate (macOS)
//	gonum       pure Go, always present
//
// Matrices are row-major with a stride lda of at least the row length. Inputs
// must be finite: LAPACK turns NaN into plausible numbers, so callers check
// before. Backends are safe for concurrent use on different matrices.
package lapack

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// ErrNotConverged is returned when an iteration of LAPACK did not converge
// (info > 0). Test with errors.Is.
var ErrNotConverged = errors.New("not converged")

// ErrNotFinite is returned for a matrix that holds a NaN or an infinity. Test with
// errors.Is.
var ErrNotFinite = errors.New("matrix is not finite")

// MaxN is the largest order that a backend with 32-bit indices can take: the
// largest n with n*n < 2^31.
const MaxN = 46340

// A Backend computes spectra of dense matrices. All methods destroy a, allocate
// O(n) to O(n*64) of workspace and never an n×n copy unless they say so, and
// panic on a stride or slice that does not fit.
type Backend interface {
	Name() string

	// SymEigenvalues overwrites w with the n eigenvalues of the symmetric n×n
	// matrix a in ascending order. Only the upper triangle of a is read.
	// The absolute error of each is a small multiple of n*eps*norm(a).
	SymEigenvalues(n int, a []float64, lda int, w []float64) error

	// SymEigenvalues32 does the same in float32.
	SymEigenvalues32(n int, a []float32, lda int, w []float32) error

	// Error32 bounds the absolute error of the eigenvalues that SymEigenvalues32 finds
	// for a symmetric matrix rounded to float32, as a part of its norm. It is about
	// twice the largest error seen, over Gram matrices of ten kinds up to n = 3072
	// (docs/PERFORMANCE.md); what can be proven of Householder reductions is n times as
	// much and says nothing. It does not hold for matrices whose smallest eigenvalue it
	// swallows: where all elements are equal to 1e-6, rounding errors are, too, and add
	// up to twice as much.
	Error32(n int) float64

	// SingularValues overwrites s with the min(m, n) singular values of the m×n
	// matrix a in descending order. The absolute error of each is a small
	// multiple of eps*norm(a).
	SingularValues(m, n int, a []float64, lda int, s []float64) error

	// QR overwrites the upper triangle of the m×n matrix a, m >= n, with the
	// factor R of a = QR. What stands below the diagonal is undefined.
	QR(m, n int, a []float64, lda int) error
}

// A Threaded backend can share one matrix among several threads. The results are
// those of one, bit for bit.
type Threaded interface {
	Backend
	SymEigenvaluesOn(threads, n int, a []float64, lda int, w []float64) error
	SymEigenvalues32On(threads, n int, a []float32, lda int, w []float32) error
}

// A Preserving backend computes eigenvalues without writing to the matrix.
type Preserving interface {
	Backend
	Preserves()
}

// backends holds every backend of this build, the preferred one first.
var backends = available()

// Names returns the names of the backends of this build, the default first.
func Names() []string {
	names := make([]string, len(backends))
	for i, b := range backends {
		names[i] = b.Name()
	}
	return names
}

// Lookup returns the backend called name; the empty name is the default one.
func Lookup(name string) (Backend, error) {
	if name == "" {
		return backends[0], nil
	}
	for _, b := range backends {
		if b.Name() == name {
			return b, nil
		}
	}
	return nil, fmt.Errorf("lapack: no backend %q in this build; there are %s", name, strings.Join(Names(), ", "))
}

// checkSym panics unless an n×n matrix of stride lda fits lenA and lenW >= n.
func checkSym(n, lenA, lda, lenW int) {
	switch {
	case n < 0:
		panic("lapack: negative order")
	case lda < max(1, n):
		panic("lapack: stride shorter than a row")
	case n > 0 && lenA < (n-1)*lda+n:
		panic("lapack: slice shorter than its matrix")
	case lenW < n:
		panic("lapack: too few places for the eigenvalues")
	case n > MaxN || lda > math.MaxInt32:
		panic("lapack: order beyond 32-bit indices")
	}
}

// checkGeneral panics unless an m×n matrix of stride lda fits lenA.
func checkGeneral(m, n, lenA, lda int) {
	switch {
	case m < 0 || n < 0:
		panic("lapack: negative dimension")
	case lda < max(1, n):
		panic("lapack: stride shorter than a row")
	case m > 0 && n > 0 && lenA < (m-1)*lda+n:
		panic("lapack: slice shorter than its matrix")
	case max(m, n, lda) > math.MaxInt32:
		panic("lapack: dimension beyond 32-bit indices")
	}
}

// checkSingular does the same, panics if lenS is below min(m, n), and returns that.
func checkSingular(m, n, lenA, lda, lenS int) int {
	checkGeneral(m, n, lenA, lda)
	if lenS < min(m, n) {
		panic("lapack: too few places for the singular values")
	}
	return min(m, n)
}

// ulp32 is half the spacing of float32 numbers at 1.
const ulp32 = 0x1p-24

// libraryError32 is Error32 of the LAPACK libraries: float32 throughout, with errors
// that grow with n (measured for OpenBLAS).
func libraryError32(n int) float64 { return (16 + float64(n)/2) * ulp32 }

// infoError turns LAPACK's info into an error. A negative info is a wrong
// argument, which is a fault of this package, never of the matrix.
func infoError(routine string, info int) error {
	switch {
	case info > 0:
		return fmt.Errorf("%s: info = %d: %w", routine, info, ErrNotConverged)
	case info < 0:
		panic(fmt.Sprintf("lapack: %s: argument %d is wrong", routine, -info))
	}
	return nil
}
