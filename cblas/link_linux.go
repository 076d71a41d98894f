//go:build cgo && linux && !wwq_mkl && !wwq_blas && !wwq_nolink

package cblas

// The link files hold linker flags only. An include directory of OpenBLAS here or in
// CGO_CFLAGS would shadow the headers that netlib brings itself.

// #cgo LDFLAGS: -llapacke -lopenblas -ldl
import "C"
