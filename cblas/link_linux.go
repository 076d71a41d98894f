//go:build cgo && linux && !wwq_mkl && !wwq_blas && !wwq_nolink

package cblas

// Only linker flags stand in the link files. An include directory of OpenBLAS
// here or in CGO_CFLAGS would shadow the headers that netlib brings itself.

// #cgo LDFLAGS: -llapacke -lopenblas -ldl
import "C"
