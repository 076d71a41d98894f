//go:build cgo

package lapack

import (
	"errors"
	"math"
	"testing"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/internal/twostage"
)

// TestInfoOfLibrary: what LAPACK says of a matrix comes back. The backends themselves
// let no NaN through, which is the one input that makes OpenBLAS fail.
func TestInfoOfLibrary(t *testing.T) {
	if lib := cblas.Library(); lib.Library != "OpenBLAS" {
		t.Skipf("not known what %s says of NaN", lib.Library)
	}
	const n = 4
	nan, nan32 := make([]float64, n*n), make([]float32, n*n)
	for i := range nan {
		nan[i], nan32[i] = math.NaN(), float32(math.NaN())
	}
	w, w32 := make([]float64, n), make([]float32, n)
	if info := dsyevd(n, append([]float64(nil), nan...), n, w); info == 0 {
		t.Error("dsyevd: no info")
	}
	if info := ssyevd(n, nan32, n, w32); info == 0 {
		t.Error("ssyevd: no info")
	}
	if info := dgesdd(n, n, append([]float64(nil), nan...), n, w); info == 0 {
		t.Error("dgesdd: no info")
	}
}

func TestTwostageError(t *testing.T) {
	if err := twostageError(nil); err != nil {
		t.Error(err)
	}
	if err := twostageError(twostage.ErrNotFinite); !errors.Is(err, ErrNotFinite) || errors.Is(err, ErrNotConverged) {
		t.Error(err)
	}
	if err := twostageError(twostage.ErrNotConverged); !errors.Is(err, ErrNotConverged) || errors.Is(err, ErrNotFinite) {
		t.Error(err)
	}
}

// TestReproducible: on x86-64 the solver of the project runs its AVX2 kernels, the
// other backends stay what they are.
func TestReproducible(t *testing.T) {
	avx2, has := twostage.Find("avx2")
	for _, b := range backends {
		got, ok := Reproducible(b)
		own, is := got.(twoStage)
		switch {
		case got.Name() != b.Name():
			t.Errorf("%s becomes %s", b.Name(), got.Name())
		case is && has && (!ok || own.set != avx2):
			t.Errorf("%s runs %v, %v", b.Name(), own.set, ok)
		case !is && (!ok || got != b):
			t.Errorf("%s is changed", b.Name())
		}
	}
}
