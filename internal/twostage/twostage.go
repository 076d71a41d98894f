//go:build cgo

// Package twostage computes all eigenvalues (no vectors) of a dense real
// symmetric matrix: one-stage Householder reduction for small orders, dense to
// band to tridiagonal for larger ones, then a pipelined root-free QL iteration.
// It brings its own kernels (AVX2, AVX-512, NEON, portable) and needs neither
// BLAS nor LAPACK.
package twostage

/*
#cgo CFLAGS: -O3 -std=c11
#cgo LDFLAGS: -lm -lpthread
#include <stdlib.h>
#include "twostage.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"unsafe"
)

// ErrNoConvergence reports that the tridiagonal iteration did not finish. The
// iteration limit is far above what finite matrices need, so in practice the
// matrix held a NaN or an infinity.
var ErrNoConvergence = errors.New("twostage: eigenvalues did not converge")

// pooled is the largest workspace kept between calls; larger ones go back to
// the system at once.
const pooled = 32 << 20

// maxOrder is the largest order the C side accepts.
const maxOrder = 60000

var pool sync.Pool // *[]byte

// workspace returns at least size bytes and a function that gives them back.
func workspace(size C.size_t) (unsafe.Pointer, func()) {
	if size > pooled {
		p := C.malloc(size) // cgo's malloc panics rather than return nil
		return p, func() { C.free(p) }
	}
	buf, _ := pool.Get().(*[]byte)
	if buf == nil || len(*buf) < int(size) {
		b := make([]byte, int(size))
		buf = &b
	}
	return unsafe.Pointer(&(*buf)[0]), func() { pool.Put(buf) }
}

// check validates what both precisions share; length is len(a).
func check(n, length, lda, lenw int) error {
	switch {
	case n < 0 || n > maxOrder:
		return fmt.Errorf("twostage: order %d out of range", n)
	case lda < n || lda < 1 || lda > math.MaxInt32:
		return fmt.Errorf("twostage: leading dimension %d for order %d", lda, n)
	case n > 0 && length < (n-1)*lda+n:
		return fmt.Errorf("twostage: matrix of %d elements, order %d, leading dimension %d", length, n, lda)
	case lenw < n:
		return fmt.Errorf("twostage: room for %d eigenvalues, order %d", lenw, n)
	}
	return nil
}

// result turns the C return value into an error.
func result(rc C.int) error {
	if rc < 0 {
		return fmt.Errorf("twostage: argument %d rejected", -rc)
	}
	if rc > 0 {
		return ErrNoConvergence
	}
	return nil
}

// A Set is a kernel set. Sets differ in rounding, so results are the same, bit for
// bit, on machines that run the same one.
type Set int

// Chosen is the set in use, chosen by CPU.
const Chosen Set = C.TS_CHOSEN

// Find returns the kernel set called name, as SIMD names them; ok is false if this
// machine cannot run it.
func Find(name string) (set Set, ok bool) {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	set = Set(C.wwq_ts_find(c))
	return set, set != Chosen
}

// Eigenvalues64 writes the eigenvalues of the n×n symmetric matrix a (row-major,
// leading dimension lda, upper triangle) into w[:n], ascending. a is not
// written to. threads is the number of cores to use; the result does not
// depend on it.
func (set Set) Eigenvalues64(n int, a []float64, lda int, w []float64, threads int) error {
	if err := check(n, len(a), lda, len(w)); err != nil || n == 0 {
		return err
	}
	work, done := workspace(C.wwq_ts_worksize_d(C.int(set), C.int(n), 0, C.int(threads)))
	defer done()
	return result(C.wwq_ts_syev_d(C.int(set), C.int(n), (*C.double)(&a[0]), C.int(lda),
		(*C.double)(&w[0]), work, 0, C.int(threads)))
}

// Eigenvalues32 is Eigenvalues64 in single precision.
func (set Set) Eigenvalues32(n int, a []float32, lda int, w []float32, threads int) error {
	if err := check(n, len(a), lda, len(w)); err != nil || n == 0 {
		return err
	}
	work, done := workspace(C.wwq_ts_worksize_s(C.int(set), C.int(n), 0, C.int(threads)))
	defer done()
	return result(C.wwq_ts_syev_s(C.int(set), C.int(n), (*C.float)(&a[0]), C.int(lda),
		(*C.float)(&w[0]), work, 0, C.int(threads)))
}

// Eigenvalues64 is that of the set in use.
func Eigenvalues64(n int, a []float64, lda int, w []float64, threads int) error {
	return Chosen.Eigenvalues64(n, a, lda, w, threads)
}

// Eigenvalues32 is that of the set in use.
func Eigenvalues32(n int, a []float32, lda int, w []float32, threads int) error {
	return Chosen.Eigenvalues32(n, a, lda, w, threads)
}

// SIMD returns the name of the kernel set in use: "avx512", "avx2", "neon" or
// "scalar".
func SIMD() string { return C.GoString(C.wwq_ts_simd()) }

// Force selects a kernel set by name ("" = by CPU again) and reports whether
// this machine can run it. It is for tests and must not run beside a solve.
func Force(name string) bool {
	c := C.CString(name)
	defer C.free(unsafe.Pointer(c))
	return C.wwq_ts_force(c) != 0
}
