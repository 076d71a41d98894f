//go:build cgo

// Package twostage computes all eigenvalues (no vectors) of a dense real
// symmetric matrix: one-stage Householder reduction for small orders, dense to
// band to tridiagonal for larger ones, then a pipelined root-free QL iteration.
// It brings its own kernels (AVX2, AVX-512, NEON, portable) and needs neither
// BLAS nor LAPACK.
//
// The absolute error of an eigenvalue is a small multiple of n*eps*norm(a). Kernel
// sets differ in rounding, so results are equal, bit for bit, on machines that run the
// same [Set]; they do not depend on the number of threads.
//
// The package exists in builds with cgo only. Package lapack, which offers it as a
// backend, has gonum's solver in others. All functions are safe for concurrent use on
// different matrices.
package twostage

import (
	"errors"
	"math"
	"slices"

	"github.com/wwq-fast/wwq-fast/internal/cpu"
)

// ErrNotConverged reports that the tridiagonal iteration did not finish. Its limit is
// far above what any matrix is known to need.
var ErrNotConverged = errors.New("twostage: eigenvalues did not converge")

// ErrNotFinite reports that the matrix holds a NaN or an infinity.
var ErrNotFinite = errors.New("twostage: matrix is not finite")

// A Set is an instruction set for which this build has kernels. The zero Set is the
// portable one.
type Set int

var sets = cpu.Sets[Set](setNames)

// Sets returns the instruction sets that this machine can run, the best first.
func Sets() []Set { return slices.Clone(sets) }

// Find returns the set called name, as String names them; ok is false if this machine
// cannot run it.
func Find(name string) (set Set, ok bool) {
	for _, s := range sets {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

// String returns the name of the set: "avx512", "avx2", "neon" or "scalar".
func (s Set) String() string { return setNames[s] }

// check panics on arguments that do not fit each other; length is len(a).
func check(n, length, lda, lenw int) {
	switch {
	case n < 0 || n > MaxOrder:
		panic("twostage: order out of range")
	case lda < max(1, n) || lda > math.MaxInt32:
		panic("twostage: stride out of range")
	case n > 0 && length < (n-1)*lda+n:
		panic("twostage: slice shorter than its matrix")
	case lenw < n:
		panic("twostage: too few places for the eigenvalues")
	}
}
