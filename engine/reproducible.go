package engine

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// ErrNotReproducible is returned when results cannot be the same on other processors.
// Test with errors.Is.
var ErrNotReproducible = errors.New("results would not be the same on other processors")

// ReproducibleCore is the kernel set that OpenBLAS must run for Options.Reproducible. It
// is a value of the variable OPENBLAS_CORETYPE, which must be set before the process
// starts.
const ReproducibleCore = "Haswell"

// reproducible returns the variant of an eigenvalue backend that gives equal results on
// all processors. It fails if the linked library does not.
func reproducible(b lapack.Backend) (lapack.Backend, error) {
	lib := cblas.Library()
	switch {
	case lib.Library == "none":
		return b, nil // pure Go
	case runtime.GOARCH != "amd64" || lib.Library != "OpenBLAS":
		return nil, fmt.Errorf("%w: that takes OpenBLAS on x86-64, or a pure-Go build, and this is %s on %s", ErrNotReproducible, lib.Library, runtime.GOARCH)
	case lib.Core != ReproducibleCore && lib.Core != "Zen":
		return nil, fmt.Errorf("%w: OpenBLAS runs its %s kernels; set OPENBLAS_CORETYPE=%s before the process starts", ErrNotReproducible, lib.Core, ReproducibleCore)
	}
	same, ok := lapack.Reproducible(b)
	if !ok {
		return nil, fmt.Errorf("%w: that takes AVX2, which this one lacks", ErrNotReproducible)
	}
	return same, nil
}
