package metric

import (
	"errors"
	"math"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/powerlaw"
)

var powerLaw = Metric{
	Columns: []Column{
		{Name: "alpha", Table: Results, Doc: "Exponent of the power law fitted to the tail of the eigenvalues."},
		{Name: "D", Table: Results, Doc: "Kolmogorov-Smirnov distance of the fit."},
		{Name: "sigma", Table: Results, Doc: "Standard error of alpha, (alpha-1)/sqrt(n) for a tail of n eigenvalues."},
		{Name: "xmin", Table: Results, Doc: "Smallest eigenvalue of the tail."},
		{Name: "xmax", Table: Results, Doc: "Largest eigenvalue of the tail."},
		{Name: "num_pl_spikes", Kind: Count, Table: Results, Doc: "Number of eigenvalues of at least xmin."},
		{Name: "alpha_weighted", Table: Results, Doc: "alpha times the decimal logarithm of spectral_norm."},
		{Name: "log_alpha_norm", Table: Results, Doc: "Decimal logarithm of the sum of the eigenvalues to the power of alpha."},
		{Name: "runner_up_D", Doc: "Least distance D of any fit with another xmin: how close the choice was."},
		{Name: "runner_up_alpha", Doc: "Exponent of the fit that has runner_up_D."},
	},
	Measure: measurePowerLaw,
}

func measurePowerLaw(dst []float64, in *Input) Finding {
	evals := in.Eigenvalues
	fit, err := powerlaw.Scan(powerlaw.AboveThreshold(evals))
	if errors.Is(err, powerlaw.ErrTooFew) {
		return Finding{FitFailed, "fewer than two eigenvalues above 1e-5"}
	}
	if err != nil {
		return Finding{FitFailed, err.Error()}
	}
	nan, top := math.NaN(), evals[len(evals)-1]
	at, _ := slices.BinarySearch(evals, fit.XMin)
	values := []float64{
		nan, fit.D, nan, fit.XMin, fit.XMax, float64(len(evals) - at), nan, nan, fit.Runner, fit.RunnerAlpha,
	}
	finding := Finding{FitDegenerate, "the tail of the best fit holds equal eigenvalues only: alpha is infinite"}
	if !math.IsInf(fit.Alpha, 0) {
		finding = Finding{Fit: FitSuccess}
		// Relative to the largest, since the powers themselves may overflow.
		sum := 0.0
		for _, l := range evals {
			sum += math.Pow(l/top, fit.Alpha)
		}
		values[0], values[2] = fit.Alpha, fit.Sigma
		values[6] = fit.Alpha * math.Log10(top)
		values[7] = fit.Alpha*math.Log10(top) + math.Log10(sum)
	}
	copy(dst, values)
	return finding
}
