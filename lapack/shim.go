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

// maxOrder32 is the largest order for libraries with 32-bit indices: the largest n
// with n*n < 2^31.
const maxOrder32 = 46340

// shim calls LAPACK's Fortran symbols. A row-major upper triangle is the same
// memory as a column-major lower one, and a row-major matrix that of its
// transpose, which has the same singular values: so nothing is copied.
type shim struct{ name string }

func (s shim) Name() string { return s.name }

func (shim) MaxOrder() int { return maxOrder32 }

func (shim) SymEigenvalues(n int, a []float64, lda int, w []float64) (intact bool, err error) {
	checkSym(maxOrder32, n, len(a), lda, len(w))
	if n == 0 {
		return true, nil
	}
	if err := finiteSym(n, a, lda); err != nil {
		return true, err
	}
	return false, infoError("dsyevd", dsyevd(n, a, lda, w))
}

func (shim) SymEigenvalues32(n int, a []float32, lda int, w []float32) (intact bool, err error) {
	checkSym(maxOrder32, n, len(a), lda, len(w))
	if n == 0 {
		return true, nil
	}
	if err := finiteSym(n, a, lda); err != nil {
		return true, err
	}
	return false, infoError("ssyevd", ssyevd(n, a, lda, w))
}

func (shim) SingularValues(m, n int, a []float64, lda int, s []float64) error {
	if checkSingular(m, n, len(a), lda, len(s)) == 0 {
		return nil
	}
	if err := finiteGeneral(m, n, a, lda); err != nil {
		return err
	}
	return infoError("dgesdd", dgesdd(n, m, a, lda, s))
}

// QR of a row-major matrix is LQ of the column-major transpose.
func (shim) QR(m, n int, a []float64, lda int) error {
	checkGeneral(m, n, len(a), lda)
	if min(m, n) == 0 {
		return nil
	}
	if err := finiteGeneral(m, n, a, lda); err != nil {
		return err
	}
	return infoError("dgelqf", dgelqf(n, m, a, lda))
}

// The functions below call the routines of the same names with the workspace that
// those ask for, and return LAPACK's info. Matrices are column-major and not empty, and
// of symmetric ones the lower triangle is read.

func dsyevd(n int, a []float64, lda int, w []float64) (info int) {
	var size C.double
	var isize C.int
	if info := C.wwq_dsyevd(C.int(n), (*C.double)(&a[0]), C.int(lda), (*C.double)(&w[0]), &size, -1, &isize, -1); info != 0 {
		return int(info)
	}
	work, iwork := make([]float64, int(size)), make([]C.int, int(isize))
	return int(C.wwq_dsyevd(C.int(n), (*C.double)(&a[0]), C.int(lda), (*C.double)(&w[0]),
		(*C.double)(&work[0]), C.int(len(work)), &iwork[0], C.int(len(iwork))))
}

func ssyevd(n int, a []float32, lda int, w []float32) (info int) {
	var size C.float
	var isize C.int
	if info := C.wwq_ssyevd(C.int(n), (*C.float)(&a[0]), C.int(lda), (*C.float)(&w[0]), &size, -1, &isize, -1); info != 0 {
		return int(info)
	}
	// A float32 cannot hold every size exactly, so the answer may be rounded down.
	work, iwork := make([]float32, int(size)+64+int(size)>>20), make([]C.int, int(isize))
	return int(C.wwq_ssyevd(C.int(n), (*C.float)(&a[0]), C.int(lda), (*C.float)(&w[0]),
		(*C.float)(&work[0]), C.int(len(work)), &iwork[0], C.int(len(iwork))))
}

func dgesdd(m, n int, a []float64, lda int, s []float64) (info int) {
	var size C.double
	iwork := make([]C.int, 8*min(m, n))
	if info := C.wwq_dgesdd(C.int(m), C.int(n), (*C.double)(&a[0]), C.int(lda), (*C.double)(&s[0]), &size, -1, &iwork[0]); info != 0 {
		return int(info)
	}
	work := make([]float64, int(size))
	return int(C.wwq_dgesdd(C.int(m), C.int(n), (*C.double)(&a[0]), C.int(lda), (*C.double)(&s[0]),
		(*C.double)(&work[0]), C.int(len(work)), &iwork[0]))
}

func dgelqf(m, n int, a []float64, lda int) (info int) {
	tau := make([]float64, min(m, n))
	var size C.double
	if info := C.wwq_dgelqf(C.int(m), C.int(n), (*C.double)(&a[0]), C.int(lda), (*C.double)(&tau[0]), &size, -1); info != 0 {
		return int(info)
	}
	work := make([]float64, int(size))
	return int(C.wwq_dgelqf(C.int(m), C.int(n), (*C.double)(&a[0]), C.int(lda), (*C.double)(&tau[0]),
		(*C.double)(&work[0]), C.int(len(work))))
}
