//go:build cgo && linux && wwq_blas

package cblas

// The generic names leave the choice of the library to the loader, so that one
// program can be run over several by LD_LIBRARY_PATH.

// #cgo LDFLAGS: -llapacke -llapack -lblas -ldl
import "C"
