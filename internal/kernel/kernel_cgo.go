//go:build cgo && !wwq_noasm

package kernel

// The compiler vectorises the loops at -O3, and -std=c11 keeps gcc from
// contracting a*b+c into fused multiply-adds.

// #cgo CFLAGS: -O3 -std=c11
// #cgo noescape wwq_decode_f16
// #cgo nocallback wwq_decode_f16
// #cgo noescape wwq_decode_bf16
// #cgo nocallback wwq_decode_bf16
// #cgo noescape wwq_find_range
// #cgo nocallback wwq_find_range
// #cgo noescape wwq_quantize_symmetric
// #cgo nocallback wwq_quantize_symmetric
// #cgo noescape wwq_quantize_asymmetric
// #cgo nocallback wwq_quantize_asymmetric
// #cgo noescape wwq_codes_symmetric
// #cgo nocallback wwq_codes_symmetric
// #cgo noescape wwq_codes_asymmetric
// #cgo nocallback wwq_codes_asymmetric
// #cgo noescape wwq_codes8
// #cgo nocallback wwq_codes8
// #cgo noescape wwq_scale16
// #cgo nocallback wwq_scale16
// #cgo noescape wwq_round_f16
// #cgo nocallback wwq_round_f16
// #cgo noescape wwq_round_bf16
// #cgo nocallback wwq_round_bf16
// #cgo noescape wwq_codes_f16
// #cgo nocallback wwq_codes_f16
// #cgo noescape wwq_sum_errors
// #cgo nocallback wwq_sum_errors
// #cgo noescape wwq_widen
// #cgo nocallback wwq_widen
// #cgo noescape wwq_mark
// #cgo nocallback wwq_mark
// #include <stdlib.h>
// #include "wwq_kernel.h"
import "C"

import "unsafe"

// SIMD returns the name of the instruction set in use: "avx512", "avx2", "neon",
// "scalar", or "generic" for the Go loops.
func SIMD() string { return C.GoString(C.wwq_kernel_simd()) }

// Force selects an instruction set by name, for tests; it reports whether this
// machine has it. It must not run at the same time as any other function.
func Force(name string) bool {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	return C.wwq_kernel_force(s) != 0
}

// DecodeF16 converts len(dst) little-endian float16 numbers to float32, exactly.
func DecodeF16(dst []float32, src []byte) {
	sameLen(2*len(dst), len(src))
	if len(dst) > 0 {
		C.wwq_decode_f16((*C.float)(&dst[0]), (*C.uint16_t)(unsafe.Pointer(&src[0])), C.size_t(len(dst)))
	}
}

// DecodeBF16 converts len(dst) little-endian bfloat16 numbers to float32, exactly.
func DecodeBF16(dst []float32, src []byte) {
	sameLen(2*len(dst), len(src))
	if len(dst) > 0 {
		C.wwq_decode_bf16((*C.float)(&dst[0]), (*C.uint16_t)(unsafe.Pointer(&src[0])), C.size_t(len(dst)))
	}
}

// FindRange returns the range of x.
func FindRange(x []float32) Range {
	if len(x) == 0 {
		return Range{}
	}
	var r C.wwq_range
	C.wwq_find_range(&r, (*C.float)(&x[0]), C.size_t(len(x)))
	return Range{Min: float32(r.min), Max: float32(r.max), NonFinite: int(r.nonfinite)}
}

// QuantizeSymmetric writes the quantized and dequantized src to dst, which may
// not overlap it.
func QuantizeSymmetric(dst, src []float32, p SymmetricParams) {
	sameLen(len(dst), len(src))
	if len(src) > 0 {
		C.wwq_quantize_symmetric((*C.float)(&dst[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.float(p.Scale), C.float(p.QMax))
	}
}

// QuantizeAsymmetric writes the quantized and dequantized src to dst, which may
// not overlap it.
func QuantizeAsymmetric(dst, src []float32, p AsymmetricParams) {
	sameLen(len(dst), len(src))
	if len(src) > 0 {
		C.wwq_quantize_asymmetric((*C.float)(&dst[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.float(p.Scale), C.float(p.Zero), C.float(p.Min), C.float(p.QMax))
	}
}

// CodesSymmetric writes q + QMax of every element of src to codes.
func CodesSymmetric(codes []uint16, src []float32, p SymmetricParams) {
	sameLen(len(codes), len(src))
	if len(src) > 0 {
		C.wwq_codes_symmetric((*C.uint16_t)(&codes[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.float(p.Scale), C.float(p.QMax))
	}
}

// CodesAsymmetric writes q of every element of src to codes.
func CodesAsymmetric(codes []uint16, src []float32, p AsymmetricParams) {
	sameLen(len(codes), len(src))
	if len(src) > 0 {
		C.wwq_codes_asymmetric((*C.uint16_t)(&codes[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.float(p.Scale), C.float(p.Zero), C.float(p.QMax))
	}
}

// Codes8 writes the codes clamp(round(x/scale), -qmax, qmax) of src to dst and
// returns the sum of their squares, which is exact. Halves are rounded to even and
// all arithmetic is float32. scale must be positive, qmax an integer of at most
// 127, and src may hold no NaN.
func Codes8(dst []int8, src []float32, scale, qmax float32) (squares float64) {
	sameLen(len(dst), len(src))
	checkQMax8(qmax)
	if len(src) == 0 {
		return 0
	}
	return float64(C.wwq_codes8((*C.int8_t)(&dst[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.float(scale), C.float(qmax)))
}

// Scale16 writes the products of src and factor to dst and returns the sum of their
// squares. The products must be integers between -32767 and 32767, which multiples
// of a power of two times its inverse are; the sum is exact for up to 2^23 of them.
func Scale16(dst []int16, src []float32, factor float32) (squares float64) {
	sameLen(len(dst), len(src))
	if len(src) == 0 {
		return 0
	}
	return float64(C.wwq_scale16((*C.int16_t)(&dst[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.float(factor)))
}

// RoundF16 rounds every element of x to float16 and back.
func RoundF16(x []float32) {
	if len(x) > 0 {
		C.wwq_round_f16((*C.float)(&x[0]), C.size_t(len(x)))
	}
}

// RoundBF16 rounds every element of x, which must hold no NaN, to bfloat16 and
// back.
func RoundBF16(x []float32) {
	if len(x) > 0 {
		C.wwq_round_bf16((*C.float)(&x[0]), C.size_t(len(x)))
	}
}

// CodesF16 rounds src to float16 and writes the bits to codes.
func CodesF16(codes []uint16, src []float32) {
	sameLen(len(codes), len(src))
	if len(src) > 0 {
		C.wwq_codes_f16((*C.uint16_t)(&codes[0]), (*C.float)(&src[0]), C.size_t(len(src)))
	}
}

// SumErrors returns the error sums of b against a.
func SumErrors(a, b []float32) ErrorSums {
	sameLen(len(a), len(b))
	if len(a) == 0 {
		return ErrorSums{}
	}
	var s C.wwq_error_sums
	C.wwq_sum_errors(&s, (*C.float)(&a[0]), (*C.float)(&b[0]), C.size_t(len(a)))
	return ErrorSums{Abs: float64(s.abs), Square: float64(s.square), Max: float64(s.max), Signal: float64(s.signal), Weight: float64(s.weight)}
}

// Widen converts src to float64 in dst and returns the sum of squares.
func Widen(dst []float64, src []float32) float64 {
	sameLen(len(dst), len(src))
	if len(src) == 0 {
		return 0
	}
	return float64(C.wwq_widen((*C.double)(&dst[0]), (*C.float)(&src[0]), C.size_t(len(src))))
}

// Mark sets seen[c] to 1 for every c of codes. len(seen) must be 65536.
func Mark(seen []byte, codes []uint16) {
	seen = seen[:65536]
	if len(codes) > 0 {
		C.wwq_mark((*C.uint8_t)(&seen[0]), (*C.uint16_t)(&codes[0]), C.size_t(len(codes)))
	}
}
