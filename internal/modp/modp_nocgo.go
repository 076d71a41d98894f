//go:build !cgo || wwq_noasm

package modp

// Reduce is ReduceGeneric.
func Reduce(x []float64) { ReduceGeneric(x) }

// Eliminate is EliminateGeneric.
func Eliminate(a []float64, lda, rows, width int, pivot []float64, inverse float64, c []float64, ldc int) {
	EliminateGeneric(a, lda, rows, width, pivot, inverse, c, ldc)
}
