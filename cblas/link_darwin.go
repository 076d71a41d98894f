//go:build cgo && darwin && !wwq_openblas && !wwq_nolink

package cblas

// #cgo CFLAGS: -DACCELERATE_NEW_LAPACK
// #cgo LDFLAGS: -framework Accelerate
import "C"
