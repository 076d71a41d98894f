//go:build !cgo

package lapack

// SIMD returns the name of the instruction set of the project's own solver: none in
// this build.
func SIMD() string { return "none" }

func available() []Backend { return []Backend{goBackend{}} }
