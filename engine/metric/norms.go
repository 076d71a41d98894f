package metric

import "math"

var norms = Metric{
	Columns: []Column{
		{Name: "norm", Table: Results, Doc: "Sum of the eigenvalues: the squared Frobenius norm of the weights."},
		{Name: "log_norm", Table: Results, Doc: "Decimal logarithm of norm."},
		{Name: "lambda_max", Table: Results, Doc: "Largest eigenvalue: the squared 2-norm of the weights."},
		{Name: "spectral_norm", Table: Results, Doc: "The same as lambda_max, under WeightWatcher's other name for it."},
		{Name: "log_spectral_norm", Table: Results, Doc: "Decimal logarithm of spectral_norm."},
		{Name: "stable_rank", Table: Results, Doc: "norm divided by spectral_norm."},
		{Name: "sv_max", Table: Results, Doc: "Largest singular value of any matrix of the layer."},
		{Name: "sv_min", Table: Results, Doc: "Smallest singular value; of several matrices the largest of their smallest."},
	},
	Measure: measureNorms,
}

func measureNorms(dst []float64, in *Input) Finding {
	norm, top := 0.0, in.Eigenvalues[len(in.Eigenvalues)-1]
	for _, l := range in.Eigenvalues {
		norm += l
	}
	svMax, svMin := 0.0, math.Inf(-1)
	for _, m := range in.Matrices {
		sigma := m.Spectrum.Sigma
		svMax = max(svMax, sigma[len(sigma)-1]*math.Sqrt(in.Scale))
		svMin = max(svMin, sigma[0]*math.Sqrt(in.Scale))
	}
	copy(dst, []float64{norm, log10(norm), top, top, log10(top), orNaN(norm / top), svMax, svMin})
	return Finding{}
}
