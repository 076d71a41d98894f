package engine

import (
	"errors"
	"math"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/powerlaw"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// A FitStatus says what became of the power-law fit of a row.
type FitStatus string

const (
	FitSuccess FitStatus = "success"
	// FitFailed: fewer than two eigenvalues above the threshold.
	FitFailed FitStatus = "failed"
	// FitDegenerate: the best tail holds equal values only, so alpha is infinite.
	FitDegenerate FitStatus = "degenerate"
	// FitRefused: the layer could not be analysed at this level.
	FitRefused FitStatus = "refused"
	// FitMissing: the run ended before this row was computed.
	FitMissing FitStatus = "missing"
)

// A Row is the analysis of one layer at one level. The names of the metrics are
// those of WeightWatcher's columns, and so are the definitions: logarithms are
// decimal, and Norm and SpectralNorm are squared norms. Metrics that do not
// exist, such as the exponent of a failed fit, are NaN.
type Row struct {
	Layer *Layer
	Level quant.Level

	Status FitStatus
	// Reason says why Status is not success, or why some metric is missing.
	Reason string

	Alpha, D, Sigma, XMin, XMax float64
	NumPLSpikes                 int // eigenvalues >= XMin, those below the threshold included
	AlphaWeighted               float64
	LogAlphaNorm                float64

	Norm, LogNorm                 float64 // sum of eigenvalues: the squared Frobenius norm
	SpectralNorm, LogSpectralNorm float64 // largest eigenvalue: the squared 2-norm
	StableRank                    float64
	Entropy                       float64
	// MatrixRank counts the singular values above N*eps*sigma_max of all slices
	// together; RankLoss those that are not, slice by slice; WeakRankLoss the
	// eigenvalues below 1e-6.
	MatrixRank, RankLoss, WeakRankLoss int
	// SVMax is the largest singular value. SVMin is the smallest, of several
	// slices the largest of their smallest, as WeightWatcher has it.
	SVMax, SVMin float64

	Errors quant.Errors // of the dequantized weights; zero if the layer is not quantized
	Scale  float64      // step between neighbouring values; 0 if there is none
	// Runner is the least distance D of any fit with another xmin, and
	// RunnerAlpha its exponent: how close the choice was.
	Runner, RunnerAlpha float64
	Method              spectrum.Method // that of the slice that needed most
	TraceError          float64         // largest relative error of the sum of eigenvalues
	// Eigenvalues are all eigenvalues in ascending order.
	Eigenvalues []float64
}

const (
	// eps is the spacing of float64 numbers at 1, as in the rank tolerance.
	eps = 0x1p-52
	// weakRankTolerance is the eigenvalue below which WeightWatcher counts a
	// weak loss of rank, whatever the scale of the matrix.
	weakRankTolerance = 1e-6
	// entropyEpsilon is added to every probability and to the rank.
	entropyEpsilon = 1e-10
	// convScale is the factor on the eigenvalues of convolutions: the
	// weights of each slice are divided by the root of 2.
	convScale = 0.5
)

// measure fills in the metrics of r from the spectra of the slices of its layer.
func (r *Row) measure(slicesOf []*spectrum.Spectrum) {
	l := r.Layer
	scale := 1.0
	if l.Type == Conv2D || l.Type == Conv1D {
		scale = convScale
	}
	n := float64(l.N())
	evals := make([]float64, 0, l.NumEvals())
	r.SVMin, r.Method = math.Inf(-1), spectrum.Gram
	for _, sp := range slicesOf {
		if sp.Method == spectrum.SVD || r.Method == spectrum.Gram {
			r.Method = sp.Method
		}
		r.TraceError = max(r.TraceError, sp.TraceError)
		largest := sp.Sigma[len(sp.Sigma)-1]
		r.SVMax = max(r.SVMax, largest*math.Sqrt(scale))
		r.SVMin = max(r.SVMin, sp.Sigma[0]*math.Sqrt(scale))
		for i, s := range sp.Sigma {
			evals = append(evals, sp.Lambda[i]*scale)
			if !(s > largest*n*eps) {
				r.RankLoss++
			}
		}
	}
	if len(slicesOf) > 1 {
		slices.Sort(evals)
	}
	r.Eigenvalues = evals
	r.norms(n)
	r.entropy()
	r.fit()
}

func (r *Row) norms(n float64) {
	evals := r.Eigenvalues
	top := evals[len(evals)-1]
	for _, l := range evals {
		r.Norm += l
		if l < weakRankTolerance {
			r.WeakRankLoss++
		}
		if math.Sqrt(l) > math.Sqrt(top)*n*eps {
			r.MatrixRank++
		}
	}
	r.SpectralNorm = top
	r.LogNorm, r.LogSpectralNorm = log10(r.Norm), log10(top)
	r.StableRank = orNaN(r.Norm / top)
}

// entropy sets the entropy of the spectrum relative to that of a flat one of the
// same rank, which exists for ranks above 1.
func (r *Row) entropy() {
	if r.MatrixRank < 2 {
		r.Entropy = math.NaN()
		return
	}
	sum := 0.0
	for _, l := range r.Eigenvalues {
		p := l/r.Norm + entropyEpsilon
		sum -= p * math.Log(p)
	}
	r.Entropy = sum / math.Log(float64(r.MatrixRank)+entropyEpsilon)
}

func (r *Row) fit() {
	nan := math.NaN()
	r.Alpha, r.D, r.Sigma, r.XMin, r.XMax, r.AlphaWeighted, r.LogAlphaNorm = nan, nan, nan, nan, nan, nan, nan
	r.Runner, r.RunnerAlpha = nan, nan
	evals := r.Eigenvalues
	fit, err := powerlaw.Scan(powerlaw.AboveThreshold(evals))
	if err != nil {
		r.Status, r.Reason = FitFailed, err.Error()
		if errors.Is(err, powerlaw.ErrTooFew) {
			r.Reason = "fewer than two eigenvalues above 1e-5"
		}
		return
	}
	r.Status = FitSuccess
	r.D, r.XMin, r.XMax = fit.D, fit.XMin, fit.XMax
	r.Runner, r.RunnerAlpha = fit.Runner, fit.RunnerAlpha
	at, _ := slices.BinarySearch(evals, fit.XMin)
	r.NumPLSpikes = len(evals) - at
	if math.IsInf(fit.Alpha, 0) {
		r.Status = FitDegenerate
		r.Reason = "the tail of the best fit holds equal eigenvalues only: alpha is infinite"
		return
	}
	r.Alpha, r.Sigma = fit.Alpha, fit.Sigma
	r.AlphaWeighted = fit.Alpha * math.Log10(r.SpectralNorm)
	// Relative to the largest, since the powers themselves may overflow.
	sum := 0.0
	for _, l := range evals {
		sum += math.Pow(l/r.SpectralNorm, fit.Alpha)
	}
	r.LogAlphaNorm = fit.Alpha*math.Log10(r.SpectralNorm) + math.Log10(sum)
}

// Warning returns WeightWatcher's remark on the exponent: "over-trained" below 2,
// "under-trained" above 6.
func (r *Row) Warning() string {
	switch {
	case r.Alpha < 2:
		return "over-trained"
	case r.Alpha > 6:
		return "under-trained"
	}
	return ""
}

// Computed reports whether the row has a spectrum.
func (r *Row) Computed() bool { return r.Status != FitRefused && r.Status != FitMissing }

func log10(x float64) float64 {
	if x > 0 {
		return orNaN(math.Log10(x))
	}
	return math.NaN()
}

func orNaN(x float64) float64 {
	if math.IsInf(x, 0) {
		return math.NaN()
	}
	return x
}
