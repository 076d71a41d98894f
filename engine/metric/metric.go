// Package metric computes the numbers of one layer at one level from its spectrum.
//
// Columns are data: every number has a name, a unit, a meaning and a kind, from which
// tables, JSON and documents are made. A [Metric] computes the values of some columns. The
// values of a layer are one slice, in the order of [Columns]. It is filled with NaN before
// the metrics are computed; a value that a metric cannot compute remains NaN.
//
// To add a metric, write a file with a variable of type [Metric] and enter it in the
// table below.
//
// Names and definitions are those of WeightWatcher 0.7.5.5 where it has them.
package metric

import (
	"math"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/engine/weights"
)

// metrics is ordered: the columns of each follow those of the one before.
var metrics = []*Metric{
	&norms,
	&ranks,
	&powerLaw,
	&quantizationErrors,
	&damage,
}

// A Metric computes the values of some columns.
type Metric struct {
	Columns []Column
	// Relative says that Measure asks for the spectrum of the baseline, so that the
	// baseline of a tensor is analysed before its other levels.
	Relative bool
	// Measure sets dst, one place for each column, from what is known of the layer.
	// It must not keep or change in. The finding is the zero value if all is well.
	Measure func(dst []float64, in *Input) Finding
}

// A Column is one number of a layer.
type Column struct {
	Name string
	Unit string // empty for a pure number
	Doc  string // what it is, in one sentence
	Kind Kind
	// Table is where people find it. All columns are in the store.
	Table Table
}

// A Kind says how a value is written.
type Kind uint8

const (
	Number Kind = iota // with all digits
	Count              // an integer
	Text               // no number: of the layer, not of a metric
	Flag               // True or False
)

// A Table is a table that is made from the store.
type Table string

const (
	Results Table = "results" // one line a layer, one file a level
	Errors  Table = "errors"  // one line a layer and level, of quantized layers
	Store   Table = ""        // in no table
)

// A Finding says what became of the power-law fit, which gives a row its status.
type Finding struct {
	Fit    Fit
	Reason string // in words; empty if the fit succeeded
}

// A Fit is the status of a power-law fit. The zero value stands for a metric that fits
// nothing.
type Fit string

const (
	FitSuccess Fit = "success"
	// FitFailed: fewer than two eigenvalues above the threshold.
	FitFailed Fit = "failed"
	// FitDegenerate: the eigenvalues of the best tail differ by no more than rounding, or by
	// less than a thousandth, so that they have no exponent.
	FitDegenerate Fit = "degenerate"
)

// An Input is what is known of one layer at one level.
type Input struct {
	// N and M are the larger and the smaller dimension of each matrix.
	N, M int
	// Matrices are those of the layer: the slices of a convolution, else one.
	Matrices []Matrix
	// Scale multiplies every eigenvalue: 1/2 for convolutions, whose weights
	// WeightWatcher divides by the root of 2, else 1.
	Scale float64
	// Eigenvalues are those of all matrices together, ascending, times Scale.
	Eigenvalues []float64
	// Errors are those of quantization; nil if the layer is not quantized.
	Errors *quant.Errors
	// Baseline is the same layer at the baseline level, without weights. It is nil at
	// the baseline itself, where there is none, and if no metric is Relative.
	Baseline *Input
}

// A Matrix is one matrix of a layer.
type Matrix struct {
	Spectrum *spectrum.Spectrum
	Weights  *weights.Tensor // as stored; nil in a baseline
	// Quantizer makes the dequantized weights; nil in a baseline.
	Quantizer quant.Quantizer
	// Coherence is that of the errors of the weights, NaN if it was not measured.
	Coherence float64
}

// NewInput returns the input for matrices whose spectra are known.
func NewInput(matrices []Matrix, scale float64) *Input {
	t := matrices[0].Weights
	in := &Input{N: max(t.Rows, t.Cols), M: min(t.Rows, t.Cols), Matrices: matrices, Scale: scale}
	n := 0
	for _, m := range matrices {
		n += len(m.Spectrum.Lambda)
	}
	in.Eigenvalues = make([]float64, 0, n)
	for _, m := range matrices {
		for _, l := range m.Spectrum.Lambda {
			in.Eigenvalues = append(in.Eigenvalues, l*scale)
		}
	}
	if len(matrices) > 1 {
		slices.Sort(in.Eigenvalues)
	}
	return in
}

// AsBaseline returns what a relative metric may know of in: spectra, not weights.
func (in *Input) AsBaseline() *Input {
	b := &Input{N: in.N, M: in.M, Scale: in.Scale, Eigenvalues: in.Eigenvalues}
	for _, m := range in.Matrices {
		b.Matrices = append(b.Matrices, Matrix{Spectrum: m.Spectrum})
	}
	return b
}

// Relative reports whether some metric asks for the spectrum of the baseline.
func Relative() bool {
	return slices.ContainsFunc(metrics, func(m *Metric) bool { return m.Relative })
}

// columns holds those of all metrics, index where each stands.
var columns, index = collect()

func collect() ([]Column, map[string]int) {
	var all []Column
	at := map[string]int{}
	for _, m := range metrics {
		for _, c := range m.Columns {
			at[c.Name] = len(all)
			all = append(all, c)
		}
	}
	return all, at
}

// Columns returns the columns of all metrics, in the order of the values of a layer. The
// caller must not change the slice.
func Columns() []Column { return columns }

// Index returns where the column called name stands among the values of a layer; ok is
// false if no metric has it.
func Index(name string) (i int, ok bool) {
	i, ok = index[name]
	return i, ok
}

// None returns the values of a layer of which nothing is known: NaN for each column.
func None() []float64 {
	values := make([]float64, len(columns))
	for i := range values {
		values[i] = math.NaN()
	}
	return values
}

// Measure returns the values of all columns for a layer, and the finding of its
// power-law fit.
func Measure(in *Input) ([]float64, Finding) {
	values := None()
	finding := Finding{Fit: FitSuccess}
	at := 0
	for _, m := range metrics {
		f := m.Measure(values[at:at+len(m.Columns)], in)
		if f.Fit != "" {
			finding = f
		}
		at += len(m.Columns)
	}
	return values, finding
}

// log10 returns the decimal logarithm of x, and NaN where it is not a number.
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
