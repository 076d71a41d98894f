//go:build cgo && !wwq_noasm

package intgram

// Single functions select instruction sets by attributes, so that no -march
// reaches the whole package, and -std=c11 keeps gcc from contracting.

// #cgo CFLAGS: -O3 -std=c11
// #cgo noescape wwq_ig_syrk
// #cgo nocallback wwq_ig_syrk
// #cgo noescape wwq_ig_quantize
// #cgo nocallback wwq_ig_quantize
// #include <stdlib.h>
// #include "wwq_intgram.h"
import "C"

import "unsafe"

// SIMD returns the name of the instruction set in use: "avx512vnni", "avxvnni",
// "avx2", "dotprod", "neon", "scalar", or "generic" for the Go loops.
func SIMD() string { return C.GoString(C.wwq_ig_simd()) }

// Force selects an instruction set by name, for tests; it reports whether this
// machine has it. It must not run at the same time as any other function.
func Force(name string) bool {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	return C.wwq_ig_force(s) != 0
}

// Syrk adds to the upper triangle of the k×k matrix c the products of the
// columns of q, for trans, or else of its rows:
//
//	C += QᵀQ   if trans,  Q is m×k
//	C += Q Qᵀ  if !trans, Q is k×m
//
// Both matrices are row-major with strides ldq and ldc of at least the row
// length. Every element of q must lie between -qmax and qmax, and qmax between 1
// and 127; codes beyond qmax give wrong sums but no wrong access. Smaller qmax
// and smaller elements are faster.
//
// What is added is exact. The result is, too, and does not depend on the
// instruction set, as long as c holds whole numbers and no sum exceeds 2^53 in
// magnitude. The lower triangle is neither read nor written. ws, which must not
// be nil, holds about 5 kB for every row of c (less if m is below 2048), for any
// m; a cgo call lasts the whole product, as those of a BLAS do.
func Syrk(trans bool, k, m int, q []int8, ldq int, qmax int, c []float64, ldc int, ws *Workspace) {
	if !check(trans, k, m, len(q), ldq, qmax, len(c), ldc) {
		return
	}
	space := ws.aligned(int(C.wwq_ig_space(C.size_t(k), C.size_t(m))), C.IG_ALIGN)
	t := C.int(0)
	if trans {
		t = 1
	}
	C.wwq_ig_syrk(t, C.size_t(k), C.size_t(m), (*C.int8_t)(&q[0]), C.size_t(ldq), C.int(qmax),
		(*C.double)(&c[0]), C.size_t(ldc), unsafe.Pointer(&space[0]))
}

// Quantize writes the codes clamp(round(x/scale), -qmax, qmax) of src to dst, halves
// rounded to even, with float32 arithmetic. scale must be positive, qmax whole and
// at most 127, and src may hold no NaN.
func Quantize(dst []int8, src []float32, scale float32, qmax float32) {
	checkQuantize(len(dst), len(src), qmax)
	if len(src) > 0 {
		C.wwq_ig_quantize((*C.int8_t)(&dst[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.float(scale), C.float(qmax))
	}
}
