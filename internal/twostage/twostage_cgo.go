//go:build cgo

package twostage

// The kernels select their instruction sets by attributes, so that no -march reaches
// the whole package, and -std=c11 keeps gcc from contracting a*b+c.

// #cgo CFLAGS: -O3 -std=c11
// #cgo LDFLAGS: -lm -lpthread
// #cgo noescape wwq_ts_syev_d
// #cgo nocallback wwq_ts_syev_d
// #cgo noescape wwq_ts_syev_s
// #cgo nocallback wwq_ts_syev_s
// #include <stdlib.h>
// #include "twostage.h"
import "C"

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/wwq-fast/wwq-fast/internal/cpu"
)

// MaxOrder is the largest order that the solver takes.
const MaxOrder = C.TS_MAXORDER

// setNames are the names of the sets in the order of the C table.
var setNames = cpu.Names(func(i int) string { return C.GoString(C.wwq_ts_set(C.int(i))) })

// Eigenvalues64 writes the eigenvalues of the n×n symmetric matrix a (row-major,
// leading dimension lda, upper triangle) into w[:n], ascending. a is not
// written to. threads is the number of cores to use, at most n/256; the result does
// not depend on it. The workspace is about the size of the triangle; up to 32 MB are
// kept for the next call. The error is ErrNotConverged or ErrNotFinite; arguments that
// do not fit each other, and orders above MaxOrder, panic.
func (s Set) Eigenvalues64(n int, a []float64, lda int, w []float64, threads int) error {
	check(n, len(a), lda, len(w))
	if n == 0 {
		return nil
	}
	work, done := workspace(C.wwq_ts_worksize_d(C.int(s), C.int(n), C.int(threads)))
	defer done()
	return result(C.wwq_ts_syev_d(C.int(s), C.int(n), (*C.double)(&a[0]), C.int(lda), (*C.double)(&w[0]), work, C.int(threads)))
}

// Eigenvalues32 is Eigenvalues64 in single precision.
func (s Set) Eigenvalues32(n int, a []float32, lda int, w []float32, threads int) error {
	check(n, len(a), lda, len(w))
	if n == 0 {
		return nil
	}
	work, done := workspace(C.wwq_ts_worksize_s(C.int(s), C.int(n), C.int(threads)))
	defer done()
	return result(C.wwq_ts_syev_s(C.int(s), C.int(n), (*C.float)(&a[0]), C.int(lda), (*C.float)(&w[0]), work, C.int(threads)))
}

// result turns the C return value into an error.
func result(rc C.int) error {
	switch {
	case rc == C.TS_NOTFINITE:
		return ErrNotFinite
	case rc > 0:
		return fmt.Errorf("%w: %d are left", ErrNotConverged, int(rc))
	}
	return nil
}

// pooled is the largest workspace kept between calls; larger ones go back to
// the system at once.
const pooled = 32 << 20

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
