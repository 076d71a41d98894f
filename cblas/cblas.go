// Package cblas binds the level-3 BLAS operations that the engine needs, the
// symmetric rank-k update that forms Gram matrices and the matrix product, to the
// libraries that can do them. Each library is a [Backend] with a name; a program lists
// them with [Names] and takes one with [Lookup]. There is no global current backend: an
// embedding program passes the one it wants.
//
// Backends, where present:
//
//	netlib      gonum's netlib binding over the linked CBLAS (OpenBLAS, MKL, BLIS)
//	shim        the project's own C shim over the same CBLAS
//	accelerate  the shim over Apple's Accelerate (macOS)
//	gonum       pure Go, always present
//
// Matrices are row-major with a stride lda or ldc of at least the row length,
// as gonum defines them. Backends are safe for concurrent use on different
// matrices.
package cblas

import (
	"gonum.org/v1/gonum/blas"

	"github.com/wwq-fast/wwq-fast/internal/named"
)

// A Backend computes products of matrices. The methods are those of gonum's
// blas.Float64Level3, so any gonum implementation is one.
// Symmetric rank-k updates:
//
//	C = alpha*A*A^T + beta*C   if t is blas.NoTrans, A is n×k
//	C = alpha*A^T*A + beta*C   if t is blas.Trans,   A is k×n
//
// where C is n×n and only the triangle ul is read and written. They panic on
// arguments that do not fit each other.
type Backend interface {
	Name() string
	Dsyrk(ul blas.Uplo, t blas.Transpose, n, k int, alpha float64, a []float64, lda int, beta float64, c []float64, ldc int)

	// Dgemm computes C = alpha*op(A)*op(B) + beta*C, where op(A) is m×k, op(B)
	// k×n, and op the identity or the transpose.
	Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int)
}

// backends holds every backend of this build, the preferred one first.
var backends = available()

// Names returns the names of the backends of this build, the default first.
func Names() []string { return named.Names(backends) }

// Lookup returns the backend called name; the empty name is the default one.
func Lookup(name string) (Backend, error) { return named.Lookup("cblas", backends, name) }

// Info describes the linked C library and how it is set up.
type Info struct {
	Library  string `json:"library"`            // "OpenBLAS", "Accelerate", "BLAS" when unknown, "none" without cgo
	Config   string `json:"config,omitempty"`   // the library's own configuration string
	Core     string `json:"core,omitempty"`     // the kernel set it chose, such as "Haswell"
	Parallel string `json:"parallel,omitempty"` // "sequential", "pthreads", "openmp"
	Threads  int    `json:"threads,omitempty"`  // its thread count now; 0 when unknown
	// MaxCallers is how many threads may call the library at once, 0 if there is
	// no limit known. OpenBLAS fails beyond the limit it was built with.
	MaxCallers int `json:"max_callers,omitempty"`
}
