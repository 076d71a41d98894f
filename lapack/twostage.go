//go:build cgo

package lapack

import "github.com/wwq-fast/wwq-fast/lapack/twostage"

// twoStage is the project's own eigenvalue solver, package twostage, which needs
// no BLAS; singular values and QR are those of the backend below it.
type twoStage struct{ Backend }

func (twoStage) Name() string { return "twostage" }

// SIMD returns the name of the instruction set that the twostage backend runs.
func SIMD() string { return twostage.SIMD() }

func (twoStage) SymEigenvalues(n int, a []float64, lda int, w []float64) error {
	checkSym(n, len(a), lda, len(w))
	if err := twostage.Eigenvalues64(n, a, lda, w, 1); err != nil {
		return infoError("twostage", 1)
	}
	return nil
}

func (twoStage) SymEigenvalues32(n int, a []float32, lda int, w []float32) error {
	checkSym(n, len(a), lda, len(w))
	if err := twostage.Eigenvalues32(n, a, lda, w, 1); err != nil {
		return infoError("twostage", 1)
	}
	return nil
}

// Error32 is that of the reduction to tridiagonal form, which sums in many short
// pieces; the rest is in float64.
func (twoStage) Error32(int) float64 { return 16 * ulp32 }
