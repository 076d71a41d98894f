package engine

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/internal/cpu"
	"github.com/wwq-fast/wwq-fast/internal/intgram"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// Version is the version of the module, set at release.
const Version = "0.1.0"

// Environment says what computes: versions, backends, instruction sets.
type Environment struct {
	Version      string     `json:"version"`
	Revision     string     `json:"revision,omitempty"` // of the source, if the build knows it
	Go           string     `json:"go"`
	OS           string     `json:"os"`
	Arch         string     `json:"arch"`
	Cgo          bool       `json:"cgo"`
	CPUs         int        `json:"cpus"`
	Features     []string   `json:"cpu_features"`
	QuantizeSIMD string     `json:"quantize_simd"` // instruction set of the quantization loops
	EigenSIMD    string     `json:"twostage_simd"` // of the twostage backend
	IntegerSIMD  string     `json:"intgram_simd"`  // of the integer Gram matrices
	BLAS         string     `json:"blas"`          // backend in use
	LAPACK       string     `json:"lapack"`        // backend in use
	BLASAll      []string   `json:"blas_backends"`
	LAPACKAll    []string   `json:"lapack_backends"`
	Library      cblas.Info `json:"library"`
	// BetterCore is the kernel set that the library should have chosen for this
	// processor, empty if it chose well. See [Env].
	BetterCore string `json:"better_core,omitempty"`
}

// Env describes the environment as it is with the default backends.
//
// OpenBLAS versions older than the processor may run kernels without AVX2, about
// five times slower in the Gram step. BetterCore then names the kernel set to
// ask for with the variable OPENBLAS_CORETYPE, which must be set before the
// process starts; a library cannot mend this by itself. The command-line tool
// re-starts itself once for the purpose.
func Env() Environment {
	lib := cblas.Library()
	e := Environment{
		Version:      Version,
		Go:           runtime.Version(),
		OS:           runtime.GOOS,
		Arch:         runtime.GOARCH,
		Cgo:          lib.Library != "none",
		CPUs:         runtime.GOMAXPROCS(0),
		Features:     cpu.Features(),
		QuantizeSIMD: kernel.SIMD(),
		EigenSIMD:    lapack.SIMD(),
		IntegerSIMD:  intgram.SIMD(),
		BLAS:         cblas.Names()[0],
		LAPACK:       lapack.Names()[0],
		BLASAll:      cblas.Names(),
		LAPACKAll:    lapack.Names(),
		Library:      lib,
		BetterCore:   cpu.BetterCore(lib.Core),
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				e.Revision = s.Value
			}
		}
	}
	return e
}

// warnings returns remarks on the environment that the user of a run should see.
func (e *Environment) warnings() []string {
	var w []string
	if e.BetterCore != "" {
		w = append(w, fmt.Sprintf("%s runs its %s kernels, slow on this processor; set OPENBLAS_CORETYPE=%s before the process starts",
			e.Library.Library, e.Library.Core, e.BetterCore))
	}
	return w
}
