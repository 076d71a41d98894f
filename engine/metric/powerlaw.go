package metric

import (
	"errors"
	"fmt"
	"math"

	"github.com/wwq-fast/wwq-fast/engine/powerlaw"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

var powerLaw = Metric{
	Columns: []Column{
		{Name: "alpha", Table: Results, Doc: "Exponent of the power law fitted to the tail of the eigenvalues."},
		{Name: "D", Table: Results, Doc: "Kolmogorov-Smirnov distance of the fit."},
		{Name: "sigma", Table: Results, Doc: "Standard error of alpha, (alpha-1)/sqrt(num_pl_spikes)."},
		{Name: "xmin", Table: Results, Doc: "Smallest eigenvalue of the tail."},
		{Name: "xmax", Table: Results, Doc: "Largest eigenvalue of the tail."},
		{Name: "num_pl_spikes", Kind: Count, Table: Results, Doc: "Number of eigenvalues in the tail."},
		{Name: "alpha_weighted", Table: Results, Doc: "alpha times the decimal logarithm of spectral_norm."},
		{Name: "log_alpha_norm", Table: Results, Doc: "Decimal logarithm of the sum of the eigenvalues to the power of alpha."},
		{Name: "alpha_other", Table: Results, Doc: "Exponent of the best fit whose tail has at least 1.5 times as many eigenvalues, or as few."},
		{Name: "other_gap", Table: Results, Doc: "Distance D of the fit that has alpha_other, minus D: below 0.005 the data do not decide between the two."},
		{Name: "xmin_ties", Kind: Count, Doc: "Number of eigenvalues that equal xmin but for rounding, xmin among them."},
		{Name: "xmin_ties_left_out", Kind: Count, Doc: "How many of xmin_ties are not in the tail, which then begins inside a run of equal eigenvalues."},
	},
	Measure: measurePowerLaw,
}

func measurePowerLaw(dst []float64, in *Input) Finding {
	evals := in.Eigenvalues
	fit, err := powerlaw.Scan(powerlaw.AboveThreshold(evals), float64(in.M)*eps)
	if errors.Is(err, powerlaw.ErrTooFew) {
		return Finding{FitFailed, "fewer than two eigenvalues above 1e-5"}
	}
	if err != nil {
		return Finding{FitFailed, err.Error()}
	}
	nan, top := math.NaN(), evals[len(evals)-1]
	finding := resolved(in, &fit)
	values := []float64{
		nan, fit.D, nan, fit.XMin, fit.XMax, float64(fit.Tail), nan, nan,
		fit.OtherAlpha, fit.OtherGap, float64(fit.Tied), float64(fit.TiedBelow),
	}
	if finding.Fit == FitSuccess {
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

// leastSpread is how much the logarithms of the largest and the smallest eigenvalue of a tail
// differ at least.
const leastSpread = 1e-3

// resolved says whether the eigenvalues of the tail differ by more than what rounding makes
// of equal ones: if not, an exponent would be that of the rounding.
//
// Rounding the weights of an N×M matrix W to nearest, by at most u of each, adds a matrix E
// of errors that are close to independent, with a standard deviation of at most u/sqrt(3) of
// the weight. Its 2-norm is then about u/sqrt(3) |W|_F (1/sqrt(N) + 1/sqrt(M)). By Weyl's
// theorem it moves each singular value by no more, and so the logarithms of the
// eigenvalues at the two ends of the tail by up to 4 |E|_2 / sqrt(xmin) from each other.
//
// Whatever the stored type, a tail that spans less than a thousandth is none: that is what
// makes orthogonal matrices, which are computed in float32 at best, not quite orthogonal,
// and its exponent, above a thousand, says nothing but swamps the mean of a model.
func resolved(in *Input, fit *powerlaw.Fit) Finding {
	if math.IsInf(fit.Alpha, 0) {
		return Finding{FitDegenerate, "the eigenvalues of the tail are equal but for rounding: alpha is infinite"}
	}
	u, frobenius2 := 0.0, 0.0
	for _, m := range in.Matrices {
		u = max(u, quant.Rounding(m.Quantizer))
		frobenius2 = max(frobenius2, m.Spectrum.FrobeniusSquared*in.Scale)
	}
	n, m := float64(in.N), float64(in.M)
	noise := u / math.Sqrt(3) * math.Sqrt(frobenius2) * (1/math.Sqrt(n) + 1/math.Sqrt(m))
	limit := 4 * noise / math.Sqrt(fit.XMin)
	switch spread := math.Log(fit.XMax / fit.XMin); {
	case spread <= limit:
		return Finding{FitDegenerate, fmt.Sprintf(
			"the %d eigenvalues of the tail differ by %.2g %%, which rounding of the stored weights explains (up to %.2g %%): alpha would be that of the rounding",
			fit.Tail, 100*spread, 100*limit)}
	case spread < leastSpread:
		return Finding{FitDegenerate, fmt.Sprintf(
			"the %d eigenvalues of the tail differ by %.2g %%, less than %g %%: alpha, %.2g, would be that of small errors",
			fit.Tail, 100*spread, 100*leastSpread, fit.Alpha)}
	}
	return Finding{Fit: FitSuccess}
}
