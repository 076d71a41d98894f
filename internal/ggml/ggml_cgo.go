//go:build cgo && !wwq_noasm

package ggml

// The compiler vectorises the loops at -O3, and -std=c11 keeps gcc from
// contracting a*b+c into fused multiply-adds.

// #cgo CFLAGS: -O3 -std=c11
// #cgo LDFLAGS: -lm
// #cgo noescape wwq_ggml_decode
// #cgo nocallback wwq_ggml_decode
// #cgo noescape wwq_ggml_quantize
// #cgo nocallback wwq_ggml_quantize
// #include "wwq_ggml.h"
import "C"

import "github.com/wwq-fast/wwq-fast/internal/cpu"

// setNames are the names of the sets in the order of the C table.
var setNames = cpu.Names(func(i int) string { return C.GoString(C.wwq_ggml_set(C.int(i))) })

// decode is Decode of n blocks, one at least.
func (s Set) decode(t Type, dst []float32, src []byte, n int) {
	if s == goSet {
		decodeGeneric(t, dst, src)
		return
	}
	C.wwq_ggml_decode(C.int(s), C.int(t), (*C.float)(&dst[0]), (*C.uint8_t)(&src[0]), C.size_t(n))
}

// quantize is Quantize of n blocks, one at least. It reports whether all scales are finite.
func (s Set) quantize(t Type, dst []byte, src []float32, n int) bool {
	if s == goSet {
		return quantizeGeneric(t, dst, src)
	}
	return C.wwq_ggml_quantize(C.int(s), C.int(t), (*C.uint8_t)(&dst[0]), (*C.float)(&src[0]), C.size_t(n)) != 0
}
