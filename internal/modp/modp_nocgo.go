//go:build !cgo || wwq_noasm

package modp

var setNames = []string{"generic"}

func (Set) reduce(x []float64) { reduceGeneric(x) }

func (Set) eliminateUnchecked(a []float64, lda, rows, width int, pivot []float64, inverse float64, c []float64, ldc int) {
	eliminateGeneric(a, lda, rows, width, pivot, inverse, c, ldc)
}
