//go:build cgo && darwin && !wwq_openblas

package lapack

func available() []Backend {
	return []Backend{twoStage{shim{name: "accelerate"}}, shim{name: "accelerate"}, goBackend{}}
}
