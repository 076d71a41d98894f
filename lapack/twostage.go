//go:build cgo

package lapack

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/wwq-fast/wwq-fast/internal/twostage"
)

// twoStage is the project's own eigenvalue solver, package twostage, which needs
// no BLAS; singular values and QR are those of the backend below it.
type twoStage struct {
	Backend
	set twostage.Set
}

func (twoStage) Name() string { return "twostage" }

// SIMD returns the name of the instruction set that the twostage backend runs.
func SIMD() string { return twostage.Sets()[0].String() }

func (twoStage) MaxOrder() int { return twostage.MaxOrder }

// SymEigenvalues works on a copy of its own layout.
func (t twoStage) SymEigenvalues(n int, a []float64, lda int, w []float64) (intact bool, err error) {
	return t.SymEigenvaluesOn(1, n, a, lda, w)
}

// SymEigenvalues32 works on a copy of its own layout.
func (t twoStage) SymEigenvalues32(n int, a []float32, lda int, w []float32) (intact bool, err error) {
	return t.SymEigenvalues32On(1, n, a, lda, w)
}

// SymEigenvaluesOn takes no more threads than n/256.
func (t twoStage) SymEigenvaluesOn(threads, n int, a []float64, lda int, w []float64) (intact bool, err error) {
	checkSym(twostage.MaxOrder, n, len(a), lda, len(w))
	return true, twostageError(t.set.Eigenvalues64(n, a, lda, w, threads))
}

// SymEigenvalues32On takes no more threads than n/256.
func (t twoStage) SymEigenvalues32On(threads, n int, a []float32, lda int, w []float32) (intact bool, err error) {
	checkSym(twostage.MaxOrder, n, len(a), lda, len(w))
	return true, twostageError(t.set.Eigenvalues32(n, a, lda, w, threads))
}

// twostageError gives an error of package twostage the sentinel of this one.
func twostageError(err error) error {
	switch {
	case errors.Is(err, twostage.ErrNotFinite):
		return fmt.Errorf("twostage: %w", ErrNotFinite)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNotConverged, err)
	}
	return nil
}

// Reproducible returns the backend whose results are the same, bit for bit, on every
// processor of this architecture that can run it: on x86-64 that is the AVX2 kernels
// of twostage; the linked library is up to its own settings. ok is false if this
// processor cannot.
func Reproducible(b Backend) (same Backend, ok bool) {
	t, is := b.(twoStage)
	if !is || runtime.GOARCH != "amd64" {
		return b, true
	}
	t.set, ok = twostage.Find("avx2")
	return t, ok
}
