//go:build cgo && !wwq_noasm

package modp

// #cgo CFLAGS: -O3 -std=c11
// #cgo LDFLAGS: -lm
// #cgo noescape wwq_mod_reduce
// #cgo nocallback wwq_mod_reduce
// #cgo noescape wwq_mod_submul
// #cgo nocallback wwq_mod_submul
// #include "wwq_modp.h"
import "C"

// Reduce replaces every x[i], a whole number of magnitude up to 2^53, by its
// residue in [0, P).
func Reduce(x []float64) {
	if len(x) > 0 {
		C.wwq_mod_reduce((*C.double)(&x[0]), C.size_t(len(x)))
	}
}

// SubMul sets dst[i] = dst[i] - c*src[i] modulo P. All numbers are residues.
func SubMul(dst, src []float64, c float64) {
	src = src[:len(dst)]
	if len(dst) > 0 {
		C.wwq_mod_submul((*C.double)(&dst[0]), (*C.double)(&src[0]), C.size_t(len(dst)), C.double(c))
	}
}
