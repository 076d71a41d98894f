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

// Fast16 reports whether Syrk16 has instructions of its own: not in this build.
func Fast16() bool { return false }

// Syrk16 is Syrk16Generic.
func Syrk16(trans bool, k, m int, q []int16, ldq int, c []float64, ldc int, _ *Workspace) {
	Syrk16Generic(trans, k, m, q, ldq, c, ldc)
}
