//go:build !cgo || wwq_noasm

package modp

// Reduce is ReduceGeneric.
func Reduce(x []float64) { ReduceGeneric(x) }

// SubMul is SubMulGeneric.
func SubMul(dst, src []float64, c float64) { SubMulGeneric(dst, src, c) }
