//go:build cgo && darwin && !wwq_openblas

package lapack

import "github.com/wwq-fast/wwq-fast/internal/twostage"

func available() []Backend {
	return []Backend{twoStage{shim{name: "accelerate"}, twostage.Sets()[0]}, shim{name: "accelerate"}, goBackend{}}
}
