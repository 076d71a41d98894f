//go:build cgo && linux && wwq_mkl

package cblas

// #cgo LDFLAGS: -lmkl_rt -ldl
import "C"
