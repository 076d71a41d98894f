//go:build cgo && (!darwin || wwq_openblas)

package cblas

import nlblas "gonum.org/v1/netlib/blas/netlib"

// netlib is gonum's netlib binding over the linked CBLAS.
type netlib struct{ nlblas.Implementation }

func (netlib) Name() string { return "netlib" }

func available() []Backend {
	return []Backend{netlib{}, shim{name: "shim"}, goBackend{}}
}
