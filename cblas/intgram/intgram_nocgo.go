//go:build !cgo || wwq_noasm

package intgram

// SIMD returns the name of the instruction set in use.
func SIMD() string { return "generic" }

// Force selects an instruction set by name, for tests. This build has one.
func Force(name string) bool { return name == "generic" }

// Syrk is SyrkGeneric.
func Syrk(trans bool, k, m int, q []int8, ldq int, qmax int, c []float64, ldc int, ws *Workspace) {
	SyrkGeneric(trans, k, m, q, ldq, qmax, c, ldc, ws)
}

// Quantize is QuantizeGeneric.
func Quantize(dst []int8, src []float32, scale float32, qmax float32) {
	QuantizeGeneric(dst, src, scale, qmax)
}
