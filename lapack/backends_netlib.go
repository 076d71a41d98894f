//go:build cgo && (!darwin || wwq_openblas)

package lapack

import (
	gonumlapack "gonum.org/v1/gonum/lapack"
	"gonum.org/v1/netlib/lapack/lapacke"
	nllapack "gonum.org/v1/netlib/lapack/netlib"

	"github.com/wwq-fast/wwq-fast/internal/twostage"
)

func available() []Backend {
	return []Backend{twoStage{shim{name: "shim"}, twostage.Sets()[0]}, shim{name: "shim"}, netlib{}, goBackend{}}
}

// netlib is gonum's netlib binding over LAPACKE. In its row-major path LAPACKE copies
// the matrix to C memory on every call, 8*n*n bytes that the Go runtime does not count.
// The divide-and-conquer routines are used because only those have both precisions in
// the low-level binding. The binding drops info, so every failure reads info = 1.
type netlib struct{}

func (netlib) Name() string { return "netlib" }

func (netlib) MaxOrder() int { return maxOrder32 }

func (netlib) SymEigenvalues(n int, a []float64, lda int, w []float64) (intact bool, err error) {
	checkSym(maxOrder32, n, len(a), lda, len(w))
	if n == 0 {
		return true, nil
	}
	if err := finiteSym(n, a, lda); err != nil {
		return true, err
	}
	work, iwork := make([]float64, 2*n+1), make([]int32, 1)
	if !lapacke.Dsyevd('N', 'U', n, a, lda, w, work, len(work), iwork, len(iwork)) {
		return false, infoError("dsyevd", 1)
	}
	return false, nil
}

func (netlib) SymEigenvalues32(n int, a []float32, lda int, w []float32) (intact bool, err error) {
	checkSym(maxOrder32, n, len(a), lda, len(w))
	if n == 0 {
		return true, nil
	}
	if err := finiteSym(n, a, lda); err != nil {
		return true, err
	}
	work, iwork := make([]float32, 2*n+1), make([]int32, 1)
	if !lapacke.Ssyevd('N', 'U', n, a, lda, w, work, len(work), iwork, len(iwork)) {
		return false, infoError("ssyevd", 1)
	}
	return false, nil
}

func (netlib) SingularValues(m, n int, a []float64, lda int, s []float64) error {
	k := checkSingular(m, n, len(a), lda, len(s))
	if k == 0 {
		return nil
	}
	if err := finiteGeneral(m, n, a, lda); err != nil {
		return err
	}
	// Some versions of LAPACKE check the stride of V^T even if no vectors are wanted
	// (OpenBLAS issue 5051).
	var impl nllapack.Implementation
	none, query := gonumlapack.SVDNone, make([]float64, 1)
	impl.Dgesvd(none, none, m, n, a, lda, s, nil, m, nil, n, query, -1)
	work := make([]float64, int(query[0]))
	if !impl.Dgesvd(none, none, m, n, a, lda, s, nil, m, nil, n, work, len(work)) {
		return infoError("dgesvd", 1)
	}
	return nil
}

func (netlib) QR(m, n int, a []float64, lda int) error {
	checkGeneral(m, n, len(a), lda)
	if min(m, n) == 0 {
		return nil
	}
	if err := finiteGeneral(m, n, a, lda); err != nil {
		return err
	}
	var impl nllapack.Implementation
	tau, query := make([]float64, min(m, n)), make([]float64, 1)
	impl.Dgeqrf(m, n, a, lda, tau, query, -1)
	work := make([]float64, int(query[0]))
	impl.Dgeqrf(m, n, a, lda, tau, work, len(work))
	return nil
}
