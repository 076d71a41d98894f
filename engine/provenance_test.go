package engine

import (
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// TestProvenance: of several matrices a row has the method of the one that needed most,
// in whatever order they stand.
func TestProvenance(t *testing.T) {
	for i, most := range efforts {
		for _, other := range efforts[:i+1] {
			for _, methods := range [][]spectrum.Method{{most, other}, {other, most}, {other, most, other}} {
				var matrices []metric.Matrix
				for j, m := range methods {
					matrices = append(matrices, metric.Matrix{Spectrum: &spectrum.Spectrum{Method: m, TraceError: float64(j)}})
				}
				if got, e := provenance(matrices); got != most || e != float64(len(methods)-1) {
					t.Errorf("%v: by %s with a trace error of %v", methods, got, e)
				}
			}
		}
	}
}
