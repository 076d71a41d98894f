//go:build cgo && !wwq_noasm

package intgram

// Single functions select instruction sets by attributes, so that no -march
// reaches the whole package, and -std=c11 keeps gcc from contracting.

// #cgo CFLAGS: -O3 -std=c11
// #cgo noescape wwq_ig_pack
// #cgo nocallback wwq_ig_pack
// #cgo noescape wwq_ig_multiply
// #cgo nocallback wwq_ig_multiply
// #include "wwq_intgram.h"
import "C"

import (
	"runtime"
	"sync"
	"unsafe"

	"github.com/wwq-fast/wwq-fast/internal/cpu"
)

// setNames are the names of the sets in the order of the C table.
var setNames = cpu.Names(func(i int) string { return C.GoString(C.wwq_ig_set(C.int(i))) })

func (s Set) fast16() bool { return C.wwq_ig_fast16(C.int(s)) != 0 }

func (s Set) multiply8(trans bool, k, m int, q []int8, ldq int, qmax int, c []float64, ldc int, ws *Workspace) {
	s.multiply(C.ig_product{q: unsafe.Pointer(&q[0]), k: C.size_t(k), m: C.size_t(m), ldq: C.size_t(ldq),
		size: 1, trans: flag(trans), qmax: C.int(qmax)}, c, ldc, ws)
}

func (s Set) multiply16(trans bool, k, m int, q []int16, ldq int, c []float64, ldc int, ws *Workspace) {
	s.multiply(C.ig_product{q: unsafe.Pointer(&q[0]), k: C.size_t(k), m: C.size_t(m), ldq: C.size_t(ldq),
		size: 2, trans: flag(trans)}, c, ldc, ws)
}

// multiply adds a product to c.
func (s Set) multiply(p C.ig_product, c []float64, ldc int, ws *Workspace) {
	var pin runtime.Pinner // p.q is a Go pointer inside what C is given
	pin.Pin(p.q)
	defer pin.Unpin()
	space := ws.aligned(int(C.wwq_ig_space(p.k, p.m, p.size)), C.IG_ALIGN)
	at := unsafe.Pointer(&space[0])
	parts := C.size_t(max(1, ws.Threads))
	slab := C.wwq_ig_slab(p.m, p.size)
	for from := C.size_t(0); from < p.m; from += slab {
		C.wwq_ig_pack(C.int(s), &p, from, at)
		var others sync.WaitGroup
		for part := C.size_t(1); part < parts; part++ {
			others.Go(func() {
				C.wwq_ig_multiply(C.int(s), &p, from, at, (*C.double)(&c[0]), C.size_t(ldc), part, parts)
			})
		}
		C.wwq_ig_multiply(C.int(s), &p, from, at, (*C.double)(&c[0]), C.size_t(ldc), 0, parts)
		others.Wait()
	}
}

func flag(b bool) C.int {
	if b {
		return 1
	}
	return 0
}
