//go:build cgo && darwin && !wwq_openblas

package cblas

func available() []Backend {
	return []Backend{shim{name: "accelerate"}, goBackend{}}
}
