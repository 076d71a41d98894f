package engine

import (
	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// MeasureForTest returns the row of a layer whose weights are w, slice after
// slice, as they are: no level changes them.
func MeasureForTest(w []float32, rows, cols, slices int, typ LayerType) (*Row, error) {
	blas, err := cblas.Lookup("")
	if err != nil {
		return nil, err
	}
	eigen, err := lapack.Lookup("")
	if err != nil {
		return nil, err
	}
	solver := &spectrum.Solver{BLAS: blas, LAPACK: eigen}
	row := &Row{Layer: &Layer{Type: typ, Rows: rows, Cols: cols, Slices: slices}}
	var spectra []*spectrum.Spectrum
	for s := range slices {
		part := w[s*rows*cols:][:rows*cols]
		sp, err := solver.Compute(&spectrum.Workspace{}, spectrum.Matrix{
			Rows: rows, Cols: cols,
			Fill: func(dst []float32, first, count, _ int) {
				if rows >= cols {
					copy(dst, part[first*cols:][:count*cols])
					return
				}
				for i := range rows {
					copy(dst[i*count:][:count], part[i*cols+first:])
				}
			},
		})
		if err != nil {
			return nil, err
		}
		spectra = append(spectra, sp)
	}
	row.measure(spectra)
	return row, nil
}

// WithoutIntegers has every Gram matrix summed in float64.
func WithoutIntegers(o *Options) { o.noIntegers = true }
