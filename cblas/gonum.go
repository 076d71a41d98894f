package cblas

import "gonum.org/v1/gonum/blas/gonum"

// goBackend is gonum's pure Go BLAS.
type goBackend struct{ gonum.Implementation }

func (goBackend) Name() string { return "gonum" }
