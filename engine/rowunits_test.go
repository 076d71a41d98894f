package engine_test

import (
	"math"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// TestRowUnitsRoute: levels with a scale for each row have the spectra of the float route, where
// rows are the shorter side, as many as columns, and the longer side; to rounding for narrow
// types, and to that of each product to float32 for float32.
func TestRowUnitsRoute(t *testing.T) {
	w := gaussian(22, 80*120)
	for i := range w {
		w[i] *= 1 + float32(i/120%5)
	}
	m := newMemory().add("wide.weight", w, 80, 120).add("square.weight", append([]float32(nil), w[:80*80]...), 80, 80).
		add("tall.weight", append([]float32(nil), w[:80*60]...), 80, 60)
	for _, tc := range []struct {
		out        checkpoint.DType
		eigenvalue float64 // tolerance, relative to the largest
	}{
		{checkpoint.F32, 1e-6}, {checkpoint.BF16, 1e-13}, {checkpoint.F16, 1e-13},
	} {
		const levels = "int8-row,int4-row,int4-row-asym,bnb-int8,ct-w8a8,quanto-qint8,torchao-int8,gptq-int8-row"
		integer := m.analyze(t, levels, func(o *engine.Options) { o.DequantDType = tc.out })
		float := m.analyze(t, levels, func(o *engine.Options) {
			o.DequantDType = tc.out
			engine.WithFloatGram(o)
		})
		for k := range integer.Rows {
			for i := range integer.Rows[k] {
				a, b := integer.Rows[k][i], float.Rows[k][i]
				if !sameErrors(&a, &b) || a.Get("matrix_rank") != b.Get("matrix_rank") || len(a.Eigenvalues) != len(b.Eigenvalues) {
					t.Errorf("%v %v %s: rank %v and %v, values %v and %v", tc.out, a.Level, a.Layer.LongName,
						a.Get("matrix_rank"), b.Get("matrix_rank"), a.Values, b.Values)
				}
				for j := range a.Eigenvalues {
					if d := math.Abs(a.Eigenvalues[j] - b.Eigenvalues[j]); d > tc.eigenvalue*b.Get("spectral_norm") {
						t.Errorf("%v %v %s: eigenvalue %d differs by %g", tc.out, a.Level, a.Layer.LongName, j, d)
					}
				}
			}
		}
	}
}
