//go:build cgo && !wwq_noasm

package intgram

// Single functions select instruction sets by attributes, so that no -march
// reaches the whole package, and -std=c11 keeps gcc from contracting.

// #cgo CFLAGS: -O3 -std=c11
// #cgo noescape wwq_ig_pack
// #cgo nocallback wwq_ig_pack
// #cgo noescape wwq_ig_multiply
// #cgo nocallback wwq_ig_multiply
// #include <stdlib.h>
// #include "wwq_intgram.h"
import "C"

import (
	"runtime"
	"sync"
	"unsafe"
)

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
// m; a cgo call lasts a part of a slab.
func Syrk(trans bool, k, m int, q []int8, ldq int, qmax int, c []float64, ldc int, ws *Workspace) {
	if !check(trans, k, m, len(q), ldq, qmax, len(c), ldc) {
		return
	}
	multiply(C.ig_product{q: unsafe.Pointer(&q[0]), k: C.size_t(k), m: C.size_t(m), ldq: C.size_t(ldq),
		size: 1, trans: flag(trans), qmax: C.int(qmax)}, c, ldc, ws)
}

// Syrk16 does what Syrk does for elements of up to 16 bits, between -32767 and
// 32767, at about half its speed. The number -32768 gives wrong sums but no wrong
// access. Sums are exact up to 2^53. Small elements are faster, with a limit: those
// for which the squares of 1024 stay below 2^31. ws holds twice as much as for Syrk
// if m is below 1024, and as much from 2048 on.
func Syrk16(trans bool, k, m int, q []int16, ldq int, c []float64, ldc int, ws *Workspace) {
	if !check(trans, k, m, len(q), ldq, 1, len(c), ldc) {
		return
	}
	multiply(C.ig_product{q: unsafe.Pointer(&q[0]), k: C.size_t(k), m: C.size_t(m), ldq: C.size_t(ldq),
		size: 2, trans: flag(trans)}, c, ldc, ws)
}

// Fast16 reports whether the instruction set in use has a dot product of int16.
// Without one Syrk16 is slower than a floating-point update.
func Fast16() bool { return C.wwq_ig_fast16() != 0 }

// multiply adds a product to c.
func multiply(p C.ig_product, c []float64, ldc int, ws *Workspace) {
	var pin runtime.Pinner // p.q is a Go pointer inside what C is given
	pin.Pin(p.q)
	defer pin.Unpin()
	space := ws.aligned(int(C.wwq_ig_space(p.k, p.m, p.size)), C.IG_ALIGN)
	at := unsafe.Pointer(&space[0])
	parts := C.size_t(max(1, ws.Threads))
	slab := C.wwq_ig_slab(p.m, p.size)
	for from := C.size_t(0); from < p.m; from += slab {
		C.wwq_ig_pack(&p, from, at)
		var others sync.WaitGroup
		for part := C.size_t(1); part < parts; part++ {
			others.Go(func() { C.wwq_ig_multiply(&p, from, at, (*C.double)(&c[0]), C.size_t(ldc), part, parts) })
		}
		C.wwq_ig_multiply(&p, from, at, (*C.double)(&c[0]), C.size_t(ldc), 0, parts)
		others.Wait()
	}
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
