//go:build cgo

package cblas

// #cgo CFLAGS: -O2 -std=c11
// #cgo noescape wwq_dsyrk
// #cgo nocallback wwq_dsyrk
// #cgo noescape wwq_dgemm
// #cgo nocallback wwq_dgemm
// #include "shim_blas.h"
import "C"

import (
	"math"
	"strconv"
	"strings"
	"sync"

	"gonum.org/v1/gonum/blas"
)

// shim is the project's own binding of the linked CBLAS.
type shim struct{ name string }

func (s shim) Name() string { return s.name }

func (shim) Dsyrk(ul blas.Uplo, t blas.Transpose, n, k int, alpha float64, a []float64, lda int, beta float64, c []float64, ldc int) {
	if !checkSyrk(ul, t, n, k, len(a), lda, len(c), ldc) {
		return
	}
	C.wwq_dsyrk(flag(ul == blas.Upper), flag(t != blas.NoTrans), C.int(n), C.int(k), C.double(alpha),
		(*C.double)(first(a)), C.int(lda), C.double(beta), (*C.double)(&c[0]), C.int(ldc))
}

func (shim) Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	rowsA, colsA, rowsB, colsB := m, k, k, n
	if tA != blas.NoTrans {
		rowsA, colsA = k, m
	}
	if tB != blas.NoTrans {
		rowsB, colsB = n, k
	}
	for _, t := range []blas.Transpose{tA, tB} {
		if t != blas.NoTrans && t != blas.Trans && t != blas.ConjTrans {
			panic("cblas: bad transpose")
		}
	}
	if m < 0 || n < 0 || k < 0 {
		panic("cblas: negative dimension")
	}
	checkMatrix(rowsA, colsA, len(a), lda)
	checkMatrix(rowsB, colsB, len(b), ldb)
	checkMatrix(m, n, len(c), ldc)
	if m == 0 || n == 0 {
		return
	}
	C.wwq_dgemm(flag(tA != blas.NoTrans), flag(tB != blas.NoTrans), C.int(m), C.int(n), C.int(k), C.double(alpha),
		(*C.double)(first(a)), C.int(lda), (*C.double)(first(b)), C.int(ldb), C.double(beta), (*C.double)(&c[0]), C.int(ldc))
}

// checkMatrix proves that a rows×cols matrix lies inside its slice.
func checkMatrix(rows, cols, length, stride int) {
	switch {
	case stride < max(1, cols):
		panic("cblas: stride shorter than a row")
	case max(rows, cols, stride) > math.MaxInt32:
		panic("cblas: dimension beyond 32 bits")
	case rows > 0 && cols > 0 && length < (rows-1)*stride+cols:
		panic("cblas: slice shorter than its matrix")
	}
}

// checkSyrk proves that the C side stays inside the slices. It reports whether
// there is anything to do.
func checkSyrk(ul blas.Uplo, t blas.Transpose, n, k, lenA, lda, lenC, ldc int) bool {
	rows, cols := n, k
	if t != blas.NoTrans {
		rows, cols = k, n
	}
	switch {
	case ul != blas.Upper && ul != blas.Lower:
		panic("cblas: bad triangle")
	case t != blas.NoTrans && t != blas.Trans && t != blas.ConjTrans:
		panic("cblas: bad transpose")
	case n < 0 || k < 0:
		panic("cblas: negative dimension")
	case lda < max(1, cols) || ldc < max(1, n):
		panic("cblas: stride shorter than a row")
	case max(n, k, lda, ldc) > math.MaxInt32:
		panic("cblas: dimension beyond 32 bits")
	case n == 0:
		return false
	case lenC < (n-1)*ldc+n || (k > 0 && lenA < (rows-1)*lda+cols):
		panic("cblas: slice shorter than its matrix")
	}
	return true
}

func first[T any](s []T) *T {
	if len(s) == 0 {
		return nil
	}
	return &s[0]
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

// Library describes the linked C library.
func Library() Info {
	info := Info{
		Library: C.GoString(C.wwq_blas_library()),
		Config:  C.GoString(C.wwq_blas_config()),
		Core:    C.GoString(C.wwq_blas_core()),
		Threads: int(C.wwq_blas_threads()),
	}
	// OpenBLAS names its limit in the configuration string.
	for field := range strings.FieldsSeq(info.Config) {
		if n, ok := strings.CutPrefix(field, "MAX_THREADS="); ok {
			info.MaxCallers, _ = strconv.Atoi(n)
		}
	}
	switch C.wwq_blas_parallel() {
	case 0:
		info.Parallel = "sequential"
	case 1:
		info.Parallel = "pthreads"
	case 2:
		info.Parallel = "openmp"
	}
	return info
}

var limit struct {
	sync.Mutex
	holders int
	before  int
}

// LimitThreads makes the linked library use n threads a call until restore is called.
// The libraries define the setting for the whole process: if several callers limit it,
// the last n counts, and the number from before the first call is restored when the last
// of them calls restore.
func LimitThreads(n int) (restore func()) {
	limit.Lock()
	defer limit.Unlock()
	if limit.holders == 0 {
		limit.before = int(C.wwq_blas_threads())
	}
	limit.holders++
	C.wwq_blas_set_threads(C.int(n))
	return sync.OnceFunc(func() {
		limit.Lock()
		defer limit.Unlock()
		limit.holders--
		if limit.holders == 0 && limit.before > 0 {
			C.wwq_blas_set_threads(C.int(limit.before))
		}
	})
}
