//go:build !cgo

package lapack

// SIMD returns the name of the instruction set of the project's own solver: none in
// this build.
func SIMD() string { return "none" }

func available() []Backend { return []Backend{goBackend{}} }

// Reproducible returns b: pure Go rounds alike on every processor of an architecture.
func Reproducible(b Backend) (same Backend, ok bool) { return b, true }
