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
// #cgo noescape wwq_subtract_bf16
// #cgo nocallback wwq_subtract_bf16
// #cgo noescape wwq_normal_product
// #cgo nocallback wwq_normal_product
// #cgo noescape wwq_mark
// #cgo nocallback wwq_mark
// #cgo noescape wwq_quantize_affine
// #cgo nocallback wwq_quantize_affine
// #cgo noescape wwq_quantize_shifted
// #cgo nocallback wwq_quantize_shifted
// #cgo noescape wwq_quantize_mini
// #cgo nocallback wwq_quantize_mini
// #cgo noescape wwq_quantize_book
// #cgo nocallback wwq_quantize_book
// #cgo noescape wwq_group_ranges
// #cgo nocallback wwq_group_ranges
// #include "wwq_kernel.h"
import "C"

import (
	"unsafe"

	"github.com/wwq-fast/wwq-fast/internal/cpu"
)

// setNames are the names of the sets in the order of the C table.
var setNames = cpu.Names(func(i int) string { return C.GoString(C.wwq_kernel_set(C.int(i))) })

// The methods below compute what the functions of the same names in generic.go do.
// Their slices must hold one element at least.

func (s Set) decodeF16(dst []float32, src []byte) {
	C.wwq_decode_f16(C.int(s), (*C.float)(&dst[0]), (*C.uint16_t)(unsafe.Pointer(&src[0])), C.size_t(len(dst)))
}

func (s Set) decodeBF16(dst []float32, src []byte) {
	C.wwq_decode_bf16(C.int(s), (*C.float)(&dst[0]), (*C.uint16_t)(unsafe.Pointer(&src[0])), C.size_t(len(dst)))
}

func (s Set) findRange(x []float32) Range {
	var r C.wwq_range
	C.wwq_find_range(C.int(s), &r, (*C.float)(&x[0]), C.size_t(len(x)))
	return Range{Min: float32(r.min), Max: float32(r.max), NonFinite: int(r.nonfinite)}
}

func (s Set) quantizeSymmetric(dst, src []float32, p SymmetricParams) {
	C.wwq_quantize_symmetric(C.int(s), (*C.float)(&dst[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.float(p.Scale), C.float(p.QMax))
}

func (s Set) quantizeAsymmetric(dst, src []float32, p AsymmetricParams) {
	C.wwq_quantize_asymmetric(C.int(s), (*C.float)(&dst[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.float(p.Scale), C.float(p.Zero), C.float(p.Min), C.float(p.QMax))
}

func (s Set) codesSymmetric(codes []uint16, src []float32, p SymmetricParams) {
	C.wwq_codes_symmetric(C.int(s), (*C.uint16_t)(&codes[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.float(p.Scale), C.float(p.QMax))
}

func (s Set) codesAsymmetric(codes []uint16, src []float32, p AsymmetricParams) {
	C.wwq_codes_asymmetric(C.int(s), (*C.uint16_t)(&codes[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.float(p.Scale), C.float(p.Zero), C.float(p.QMax))
}

func (s Set) codes8(dst []int8, src []float32, scale, qmax float32) float64 {
	return float64(C.wwq_codes8(C.int(s), (*C.int8_t)(&dst[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.float(scale), C.float(qmax)))
}

func (s Set) scale16(dst []int16, src []float32, factor float32) float64 {
	return float64(C.wwq_scale16(C.int(s), (*C.int16_t)(&dst[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.float(factor)))
}

func (s Set) roundF16(x []float32) {
	C.wwq_round_f16(C.int(s), (*C.float)(&x[0]), C.size_t(len(x)))
}

func (s Set) roundBF16(x []float32) {
	C.wwq_round_bf16(C.int(s), (*C.float)(&x[0]), C.size_t(len(x)))
}

func (s Set) codesF16(codes []uint16, src []float32) {
	C.wwq_codes_f16(C.int(s), (*C.uint16_t)(&codes[0]), (*C.float)(&src[0]), C.size_t(len(src)))
}

func (s Set) sumErrors(a, b []float32) ErrorSums {
	var sums C.wwq_error_sums
	C.wwq_sum_errors(C.int(s), &sums, (*C.float)(&a[0]), (*C.float)(&b[0]), C.size_t(len(a)))
	return ErrorSums{Abs: float64(sums.abs), Square: float64(sums.square), Max: float64(sums.max),
		Signal: float64(sums.signal), Weight: float64(sums.weight)}
}

func (s Set) widen(dst []float64, src []float32) float64 {
	return float64(C.wwq_widen(C.int(s), (*C.double)(&dst[0]), (*C.float)(&src[0]), C.size_t(len(src))))
}

func (Set) mark(seen []byte, codes []uint16) {
	C.wwq_mark((*C.uint8_t)(&seen[0]), (*C.uint16_t)(&codes[0]), C.size_t(len(codes)))
}

func (s Set) quantizeAffine(dst, src []float32, size int, groups []Group, r Affine) {
	C.wwq_quantize_affine(C.int(s), (*C.float)(&dst[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.size_t(size), (*C.wwq_group)(unsafe.Pointer(&groups[0])),
		C.wwq_affine{low: C.float(r.Low), high: C.float(r.High), factor: C.float(r.Factor), _type: C.int(r.Round), multiply: truth(r.Multiply), zero_first: truth(r.ZeroFirst), half_input: truth(r.Half)})
}

func (s Set) quantizeShifted(dst, src []float32, size int, groups []Group, r Shifted) {
	C.wwq_quantize_shifted(C.int(s), (*C.float)(&dst[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.size_t(size), (*C.wwq_group)(unsafe.Pointer(&groups[0])),
		C.wwq_shifted{high: C.float(r.High), middle: C.float(r.Middle), code_type: C.int(r.CodeType), _type: C.int(r.Round), away: truth(r.Away)})
}

func (s Set) quantizeMini(dst, src []float32, size int, groups []Group, r Mini) {
	f := r.Format
	C.wwq_quantize_mini(C.int(s), (*C.float)(&dst[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.size_t(size), (*C.wwq_group)(unsafe.Pointer(&groups[0])),
		C.wwq_mini{mantissa: C.uint32_t(f.Mantissa), exponent: C.int(f.Exponent), max: C.float(f.Max), ties: C.int(r.Ties), _type: C.int(r.Round), multiply: truth(r.Multiply)})
}

func (s Set) quantizeBook(dst, src []float32, size int, groups []Group, r *Book) {
	C.wwq_quantize_book(C.int(s), (*C.float)(&dst[0]), (*C.float)(&src[0]), C.size_t(len(src)), C.size_t(size), (*C.wwq_group)(unsafe.Pointer(&groups[0])),
		(*C.float)(&r.Values[0]), (*C.float)(&r.Middles[0]), truth(r.Multiply))
}

func (s Set) groupRanges(ranges []Extent, src []float32, size int) {
	C.wwq_group_ranges(C.int(s), (*C.wwq_extent)(unsafe.Pointer(&ranges[0])), (*C.float)(&src[0]), C.size_t(len(src)), C.size_t(size))
}

func truth(b bool) C.int {
	if b {
		return 1
	}
	return 0
}

func (s Set) subtractBF16(dst []uint16, a, b []float32) float64 {
	return float64(C.wwq_subtract_bf16(C.int(s), (*C.uint16_t)(&dst[0]), (*C.float)(&a[0]), (*C.float)(&b[0]), C.size_t(len(dst))))
}

func (s Set) normalProduct(z, x []float32, e []uint16, scale float32) {
	C.wwq_normal_product(C.int(s), (*C.float)(&z[0]), (*C.float)(&x[0]), (*C.uint16_t)(&e[0]), C.size_t(len(e)/len(x)), C.size_t(len(x)), C.float(scale))
}
