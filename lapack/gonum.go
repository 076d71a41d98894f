package lapack

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/lapack/gonum"
)

// goBackend is gonum's pure Go LAPACK. Every method works on a matrix scaled by a
// power of two to a norm near 1; see sterf for why.
type goBackend struct{}

func (goBackend) Name() string { return "gonum" }

func (goBackend) MaxOrder() int { return math.MaxInt32 }

func (goBackend) SymEigenvalues(n int, a []float64, lda int, w []float64) (intact bool, err error) {
	checkSym(math.MaxInt32, n, len(a), lda, len(w))
	if n == 0 {
		return true, nil
	}
	if err := finiteSym(n, a, lda); err != nil {
		return true, err
	}
	shift := scaleToOne(n, n, a, lda, true)
	var impl gonum.Implementation
	e, tau, query := make([]float64, n-1), make([]float64, n-1), make([]float64, 1)
	impl.Dsytrd(blas.Upper, n, a, lda, w[:n], e, tau, query, -1)
	work := make([]float64, int(query[0]))
	impl.Dsytrd(blas.Upper, n, a, lda, w[:n], e, tau, work, len(work))
	return false, sterf(w[:n], e, shift)
}

// SymEigenvalues32 works in float64, on an n×n copy.
func (g goBackend) SymEigenvalues32(n int, a []float32, lda int, w []float32) (intact bool, err error) {
	checkSym(math.MaxInt32, n, len(a), lda, len(w))
	a64, w64 := make([]float64, n*n), make([]float64, n)
	for i := range n {
		for j := i; j < n; j++ {
			a64[i*n+j] = float64(a[i*lda+j])
		}
	}
	if _, err := g.SymEigenvalues(n, a64, max(1, n), w64); err != nil {
		return true, err
	}
	for i, v := range w64 {
		w[i] = float32(v)
	}
	return true, nil
}

// SingularValues reduces a to a bidiagonal matrix B and takes the eigenvalues of
// the Golub-Kahan form of B, a tridiagonal matrix of twice the order with a zero
// diagonal, whose eigenvalues are plus and minus the singular values. gonum's
// Dgesvd (v0.17.0) is not used: on some rank-deficient matrices its Dbdsqr
// returns, without an error, values that are wrong in the third digit.
func (goBackend) SingularValues(m, n int, a []float64, lda int, s []float64) error {
	k := checkSingular(m, n, len(a), lda, len(s))
	if k == 0 {
		return nil
	}
	if err := finiteGeneral(m, n, a, lda); err != nil {
		return err
	}
	shift := scaleToOne(m, n, a, lda, false)
	var impl gonum.Implementation
	d, e := make([]float64, k), make([]float64, max(0, k-1))
	tauQ, tauP, query := make([]float64, k), make([]float64, k), make([]float64, 1)
	impl.Dgebrd(m, n, a, lda, d, e, tauQ, tauP, query, -1)
	work := make([]float64, int(query[0]))
	impl.Dgebrd(m, n, a, lda, d, e, tauQ, tauP, work, len(work))

	diagonal, off := make([]float64, 2*k), make([]float64, 2*k-1)
	for i := range k {
		off[2*i] = d[i]
		if i < k-1 {
			off[2*i+1] = e[i]
		}
	}
	if err := sterf(diagonal, off, shift); err != nil {
		return err
	}
	for i := range k {
		s[i] = math.Max(diagonal[2*k-1-i], 0)
	}
	return nil
}

func (goBackend) QR(m, n int, a []float64, lda int) error {
	checkGeneral(m, n, len(a), lda)
	if min(m, n) == 0 {
		return nil
	}
	if err := finiteGeneral(m, n, a, lda); err != nil {
		return err
	}
	var impl gonum.Implementation
	tau, query := make([]float64, min(m, n)), make([]float64, 1)
	impl.Dgeqrf(m, n, a, lda, tau, query, -1)
	work := make([]float64, int(query[0]))
	impl.Dgeqrf(m, n, a, lda, tau, work, len(work))
	return nil
}

// sterf overwrites d with the eigenvalues of the symmetric tridiagonal matrix with
// diagonal d and off-diagonal e, times 2^shift, ascending.
//
// gonum's Dsterf (v0.17.0) panics when it has to scale a block, that is, when one
// has a norm below 1e-122 or above 1e153. The callers therefore scale the matrix to a
// norm near 1, and elements below 2^-300 are set to zero here.
func sterf(d, e []float64, shift int) error {
	const nothing = 0x1p-300
	for _, v := range [][]float64{d, e} {
		for i := range v {
			if math.Abs(v[i]) < nothing {
				v[i] = 0
			}
		}
	}
	if !(gonum.Implementation{}).Dsterf(len(d), d, e) {
		return infoError("dsterf", 1)
	}
	for i := range d {
		d[i] = math.Ldexp(d[i], shift)
	}
	return nil
}

// scaleToOne multiplies the m×n matrix a, or its upper triangle alone, by 2^-shift
// if its elements are far from 1.
func scaleToOne(m, n int, a []float64, lda int, upper bool) (shift int) {
	each := func(f func(v *float64)) {
		for i := range m {
			j := 0
			if upper {
				j = i
			}
			for ; j < n; j++ {
				f(&a[i*lda+j])
			}
		}
	}
	top := 0.0
	each(func(v *float64) { top = math.Max(top, math.Abs(*v)) })
	if top == 0 || top > 0x1p-50 && top < 0x1p50 {
		return 0
	}
	_, shift = math.Frexp(top)
	each(func(v *float64) { *v = math.Ldexp(*v, -shift) })
	return shift
}
