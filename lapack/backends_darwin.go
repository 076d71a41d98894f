//go:build cgo && darwin && !wwq_openblas

package lapack

import "github.com/wwq-fast/wwq-fast/internal/twostage"

func available() []Backend {
	return []Backend{twoStage{shim{name: "accelerate"}, twostage.Chosen}, shim{name: "accelerate"}, goBackend{}}
}
