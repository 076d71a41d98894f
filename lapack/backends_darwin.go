//go:build cgo && darwin && !wwq_openblas

package lapack

func available() []Backend {
	return []Backend{shim{name: "accelerate"}, goBackend{}}
}
