//go:build cgo && !wwq_noasm

package modp

// The compiler vectorises the loops at -O3.

// #cgo CFLAGS: -O3 -std=c11
// #cgo LDFLAGS: -lm
// #cgo noescape wwq_mod_reduce
// #cgo nocallback wwq_mod_reduce
// #cgo noescape wwq_mod_eliminate
// #cgo nocallback wwq_mod_eliminate
// #include "wwq_modp.h"
import "C"

import "github.com/wwq-fast/wwq-fast/internal/cpu"

// setNames are the names of the sets in the order of the C table.
var setNames = cpu.Names(func(i int) string { return C.GoString(C.wwq_mod_set(C.int(i))) })

func (s Set) reduce(x []float64) {
	C.wwq_mod_reduce(C.int(s), (*C.double)(&x[0]), C.size_t(len(x)))
}

func (s Set) eliminateUnchecked(a []float64, lda, rows, width int, pivot []float64, inverse float64, c []float64, ldc int) {
	C.wwq_mod_eliminate(C.int(s), (*C.double)(&a[0]), C.size_t(lda), C.size_t(rows), C.size_t(width),
		(*C.double)(&pivot[0]), C.double(inverse), (*C.double)(&c[0]), C.size_t(ldc))
}
