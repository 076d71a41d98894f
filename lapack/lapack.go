// Package lapack binds the dense eigenvalue and singular value routines that the
// engine needs to the libraries that can do them. Each library is a [Backend]
// with a name; a program lists them with [Names] and takes one with [Lookup].
// There is no global current backend.
//
// Backends, where present, the default first:
//
//	twostage    the project's own eigenvalue solver, which needs no library; singular values and QR by shim
//	shim        the project's own C shim on LAPACK's Fortran symbols: no copies, keeps info
//	netlib      gonum's netlib binding over LAPACKE
//	accelerate  the shim over Apple's Accelerate (macOS)
//	gonum       pure Go, always present
//
// Matrices are row-major with a stride lda of at least the row length. A matrix that
// holds a NaN or an infinity is [ErrNotFinite], which costs a pass over what is read:
// LAPACK itself turns NaN into plausible numbers. Backends are safe for concurrent use
// on different matrices.
package lapack

import (
	"errors"

	"github.com/wwq-fast/wwq-fast/internal/named"
)

// ErrNotConverged is returned when an iteration of LAPACK did not converge
// (info > 0). Test with errors.Is.
var ErrNotConverged = errors.New("not converged")

// ErrNotFinite is returned for a matrix that holds a NaN or an infinity where it is
// read. Test with errors.Is.
var ErrNotFinite = errors.New("matrix is not finite")

// A Backend computes spectra of dense matrices. Methods allocate O(n) to O(n*64) of
// workspace and never an n×n copy unless they say so, and panic on a stride or slice
// that does not fit. Unless they say otherwise they destroy a.
type Backend interface {
	Name() string

	// MaxOrder returns the largest order of a symmetric matrix.
	MaxOrder() int

	// SymEigenvalues overwrites w with the n eigenvalues of the symmetric n×n
	// matrix a in ascending order. Only the upper triangle of a is read.
	// The absolute error of each is a small multiple of n*eps*norm(a).
	// intact reports whether a is as it was; it may be true beside an error.
	SymEigenvalues(n int, a []float64, lda int, w []float64) (intact bool, err error)

	// SymEigenvalues32 is SymEigenvalues in float32.
	SymEigenvalues32(n int, a []float32, lda int, w []float32) (intact bool, err error)

	// SingularValues overwrites s with the min(m, n) singular values of the m×n
	// matrix a in descending order. The absolute error of each is a small
	// multiple of eps*norm(a).
	SingularValues(m, n int, a []float64, lda int, s []float64) error

	// QR overwrites the upper triangle of the m×n matrix a, m >= n or m = 0, with the
	// factor R of a = QR. What stands below the diagonal is undefined.
	QR(m, n int, a []float64, lda int) error
}

// A Threaded backend can share one matrix among several threads. The results are
// those of one, bit for bit.
type Threaded interface {
	Backend
	SymEigenvaluesOn(threads, n int, a []float64, lda int, w []float64) (intact bool, err error)
	SymEigenvalues32On(threads, n int, a []float32, lda int, w []float32) (intact bool, err error)
}

// backends holds every backend of this build, the preferred one first.
var backends = available()

// Names returns the names of the backends of this build, the default first.
func Names() []string { return named.Names(backends) }

// Lookup returns the backend called name; the empty name is the default one.
func Lookup(name string) (Backend, error) { return named.Lookup("lapack", backends, name) }
