package lapack

import (
	"math"

	"gonum.org/v1/gonum/blas"
	gonumlapack "gonum.org/v1/gonum/lapack"
	"gonum.org/v1/gonum/lapack/gonum"
)

// goBackend is gonum's pure Go LAPACK. It has no single precision, so
// SymEigenvalues32 works in float64 on an n×n copy.
type goBackend struct{}

func (goBackend) Name() string { return "gonum" }

func (goBackend) SymEigenvalues(n int, a []float64, lda int, w []float64) error {
	checkSym(n, len(a), lda, len(w))
	// gonum's Dsterf (v0.17.0) panics on matrices so large or small that it has to
	// scale them. Scaled by a power of two to a norm near 1, none is.
	e := exponent(n, a, lda)
	scaleUpper(n, a, lda, -e)
	err := dsyev("dsyev", gonum.Implementation{}, n, a, lda, w)
	for i := range w[:n] {
		w[i] = math.Ldexp(w[i], e)
	}
	return err
}

// exponent returns the binary exponent of the largest element of the upper
// triangle of a, 0 for a zero matrix or one of ordinary size.
func exponent(n int, a []float64, lda int) int {
	top := 0.0
	for i := range n {
		for _, v := range a[i*lda+i : i*lda+n] {
			top = math.Max(top, math.Abs(v))
		}
	}
	if top == 0 || top > 0x1p-100 && top < 0x1p100 {
		return 0
	}
	_, e := math.Frexp(top)
	return e
}

// scaleUpper multiplies the upper triangle of a by 2^e.
func scaleUpper(n int, a []float64, lda, e int) {
	if e == 0 {
		return
	}
	for i := range n {
		for j := i; j < n; j++ {
			a[i*lda+j] = math.Ldexp(a[i*lda+j], e)
		}
	}
}

func (g goBackend) SymEigenvalues32(n int, a []float32, lda int, w []float32) error {
	checkSym(n, len(a), lda, len(w))
	a64, w64 := make([]float64, n*n), make([]float64, n)
	for i := range n {
		for j := i; j < n; j++ {
			a64[i*n+j] = float64(a[i*lda+j])
		}
	}
	err := g.SymEigenvalues(n, a64, max(1, n), w64)
	for i, v := range w64 {
		w[i] = float32(v)
	}
	return err
}

func (goBackend) SingularValues(m, n int, a []float64, lda int, s []float64) error {
	checkGeneral(m, n, len(a), lda)
	return dgesvd("dgesvd", gonum.Implementation{}, m, n, a, lda, s)
}

func (goBackend) QR(m, n int, a []float64, lda int) error {
	checkGeneral(m, n, len(a), lda)
	dgeqrf(gonum.Implementation{}, m, n, a, lda)
	return nil
}

// gonumRoutines is what gonum's pure Go implementation and its netlib binding
// have in common of the routines used here.
type gonumRoutines interface {
	Dsyev(jobz gonumlapack.EVJob, uplo blas.Uplo, n int, a []float64, lda int, w, work []float64, lwork int) bool
	Dgesvd(jobU, jobVT gonumlapack.SVDJob, m, n int, a []float64, lda int, s, u []float64, ldu int, vt []float64, ldvt int, work []float64, lwork int) bool
	Dgeqrf(m, n int, a []float64, lda int, tau, work []float64, lwork int)
}

func dsyev(routine string, impl gonumRoutines, n int, a []float64, lda int, w []float64) error {
	if n == 0 {
		return nil
	}
	query := make([]float64, 1)
	impl.Dsyev(gonumlapack.EVNone, blas.Upper, n, a, lda, w[:n], query, -1)
	work := make([]float64, int(query[0]))
	if !impl.Dsyev(gonumlapack.EVNone, blas.Upper, n, a, lda, w[:n], work, len(work)) {
		return infoError(routine, 1)
	}
	return nil
}

func dgesvd(routine string, impl gonumRoutines, m, n int, a []float64, lda int, s []float64) error {
	if min(m, n) == 0 {
		return nil
	}
	// The vectors are not wanted, but the stride of V^T is checked all the same
	// by some LAPACKE versions (OpenBLAS issue 5051).
	query := make([]float64, 1)
	impl.Dgesvd(gonumlapack.SVDNone, gonumlapack.SVDNone, m, n, a, lda, s, nil, m, nil, n, query, -1)
	work := make([]float64, int(query[0]))
	if !impl.Dgesvd(gonumlapack.SVDNone, gonumlapack.SVDNone, m, n, a, lda, s, nil, m, nil, n, work, len(work)) {
		return infoError(routine, 1)
	}
	return nil
}

func dgeqrf(impl gonumRoutines, m, n int, a []float64, lda int) {
	if min(m, n) == 0 {
		return
	}
	tau, query := make([]float64, min(m, n)), make([]float64, 1)
	impl.Dgeqrf(m, n, a, lda, tau, query, -1)
	work := make([]float64, int(query[0]))
	impl.Dgeqrf(m, n, a, lda, tau, work, len(work))
}
