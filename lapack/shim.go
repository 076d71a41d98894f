//go:build cgo

package lapack

// #cgo CFLAGS: -O2 -std=c11
// #cgo darwin CFLAGS: -DACCELERATE_NEW_LAPACK
// #cgo noescape wwq_dsyevd
// #cgo nocallback wwq_dsyevd
// #cgo noescape wwq_ssyevd
// #cgo nocallback wwq_ssyevd
// #cgo noescape wwq_dgesdd
// #cgo nocallback wwq_dgesdd
// #cgo noescape wwq_dgelqf
// #cgo nocallback wwq_dgelqf
// #include "shim_lapack.h"
import "C"

import (
	// The linker flags of the linked library stand there.
	_ "github.com/wwq-fast/wwq-fast/cblas"
)

// shim calls LAPACK's Fortran symbols. A row-major upper triangle is the same
// memory as a column-major lower one, and a row-major matrix that of its
// transpose, which has the same singular values: so nothing is copied.
type shim struct{ name string }

func (s shim) Name() string { return s.name }

func (shim) SymEigenvalues(n int, a []float64, lda int, w []float64) error {
	checkSym(n, len(a), lda, len(w))
	if n == 0 {
		return nil
	}
	var size C.double
	var isize C.int
	info := C.wwq_dsyevd(C.int(n), (*C.double)(&a[0]), C.int(lda), (*C.double)(&w[0]), &size, -1, &isize, -1)
	if info != 0 {
		return infoError("dsyevd", int(info))
	}
	work, iwork := make([]float64, int(size)), make([]C.int, int(isize))
	info = C.wwq_dsyevd(C.int(n), (*C.double)(&a[0]), C.int(lda), (*C.double)(&w[0]),
		(*C.double)(&work[0]), C.int(len(work)), &iwork[0], C.int(len(iwork)))
	return infoError("dsyevd", int(info))
}

func (shim) SymEigenvalues32(n int, a []float32, lda int, w []float32) error {
	checkSym(n, len(a), lda, len(w))
	if n == 0 {
		return nil
	}
	var size C.float
	var isize C.int
	info := C.wwq_ssyevd(C.int(n), (*C.float)(&a[0]), C.int(lda), (*C.float)(&w[0]), &size, -1, &isize, -1)
	if info != 0 {
		return infoError("ssyevd", int(info))
	}
	// A float32 cannot hold every size exactly, so the answer may be rounded down.
	work, iwork := make([]float32, int(size)+64+int(size)>>20), make([]C.int, int(isize))
	info = C.wwq_ssyevd(C.int(n), (*C.float)(&a[0]), C.int(lda), (*C.float)(&w[0]),
		(*C.float)(&work[0]), C.int(len(work)), &iwork[0], C.int(len(iwork)))
	return infoError("ssyevd", int(info))
}

func (shim) Error32(n int) float64 { return libraryError32(n) }

func (shim) SingularValues(m, n int, a []float64, lda int, s []float64) error {
	k := checkSingular(m, n, len(a), lda, len(s))
	if k == 0 {
		return nil
	}
	var size C.double
	iwork := make([]C.int, 8*k)
	info := C.wwq_dgesdd(C.int(n), C.int(m), (*C.double)(&a[0]), C.int(lda), (*C.double)(&s[0]), &size, -1, &iwork[0])
	if info != 0 {
		return infoError("dgesdd", int(info))
	}
	work := make([]float64, int(size))
	info = C.wwq_dgesdd(C.int(n), C.int(m), (*C.double)(&a[0]), C.int(lda), (*C.double)(&s[0]),
		(*C.double)(&work[0]), C.int(len(work)), &iwork[0])
	return infoError("dgesdd", int(info))
}

// QR of a row-major matrix is LQ of the column-major transpose.
func (shim) QR(m, n int, a []float64, lda int) error {
	checkGeneral(m, n, len(a), lda)
	k := min(m, n)
	if k == 0 {
		return nil
	}
	tau := make([]float64, k)
	var size C.double
	info := C.wwq_dgelqf(C.int(n), C.int(m), (*C.double)(&a[0]), C.int(lda), (*C.double)(&tau[0]), &size, -1)
	if info != 0 {
		return infoError("dgelqf", int(info))
	}
	work := make([]float64, int(size))
	info = C.wwq_dgelqf(C.int(n), C.int(m), (*C.double)(&a[0]), C.int(lda), (*C.double)(&tau[0]),
		(*C.double)(&work[0]), C.int(len(work)))
	return infoError("dgelqf", int(info))
}
