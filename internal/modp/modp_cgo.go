//go:build cgo && !wwq_noasm

package modp

// #cgo CFLAGS: -O3 -std=c11
// #cgo LDFLAGS: -lm
// #cgo noescape wwq_mod_reduce
// #cgo nocallback wwq_mod_reduce
// #cgo noescape wwq_mod_eliminate
// #cgo nocallback wwq_mod_eliminate
// #include "wwq_modp.h"
import "C"

// Reduce replaces every x[i], a whole number of magnitude up to 2^53, by its
// residue in [0, P).
func Reduce(x []float64) {
	if len(x) > 0 {
		C.wwq_mod_reduce((*C.double)(&x[0]), C.size_t(len(x)))
	}
}

// Eliminate does what EliminateGeneric says.
func Eliminate(a []float64, lda, rows, width int, pivot []float64, inverse float64, c []float64, ldc int) {
	if rows == 0 || width == 0 {
		return
	}
	// The last element of each argument, so that the C side stays inside.
	_, _, _ = a[(rows-1)*lda+width-1], pivot[width-1], c[(rows-1)*ldc]
	C.wwq_mod_eliminate((*C.double)(&a[0]), C.size_t(lda), C.size_t(rows), C.size_t(width),
		(*C.double)(&pivot[0]), C.double(inverse), (*C.double)(&c[0]), C.size_t(ldc))
}
