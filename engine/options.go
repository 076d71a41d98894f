package engine

import (
	"fmt"
	"slices"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// Options say what [Describe] and [Analyze] do. Start from [DefaultOptions]; the
// zero value has no levels.
type Options struct {
	// Levels are the quantization levels to analyse, without repetition.
	Levels []quant.Recipe
	// Baseline is the level from which changes are measured, one of Levels; nil is the
	// first of the levels that quantize nothing, in the order of tables.
	Baseline quant.Recipe

	// MinEvals and MaxEvals bound the number of eigenvalues of a layer, MaxN its
	// larger dimension. 0 is no limit. MinEvals is 10 by default, as in WeightWatcher,
	// the others 0.
	MinEvals, MaxEvals, MaxN int

	// Layers are patterns, in which "*" stands for any text and "?" for any one byte. A
	// layer is selected if one of them matches its long name or that of its tensor, with
	// or without ".weight". If there are none, all are selected.
	Layers []string
	// Include and Exclude are layer types; an empty Include stands for all.
	Include, Exclude []LayerType
	// QuantizeEmbeddings has embeddings quantized like other layers. By default they are
	// the same at every level, as in the study of linear layers that this project follows:
	// as they are stored if that is a level, and cast to float16 otherwise.
	QuantizeEmbeddings bool
	// KeepDuplicates gives every tensor rows of its own, those of tied weights and of
	// repeated layers too. By default a tensor whose contents are those of another one is
	// not counted again.
	KeepDuplicates bool
	// Compat has selection and rows as WeightWatcher has them: only tensors of two and four
	// dimensions whose names end in ".weight", and spectra of weights after rounding to
	// float32. See [Options.LikeWeightWatcher].
	Compat bool

	// DequantDType is the type that dequantized weights are rounded to;
	// checkpoint.InvalidDType, the zero value, is the type of each tensor.
	DequantDType checkpoint.DType

	// Threads is the number of cores to use; 0 stands for all. Each core has a layer of
	// its own as long as there are enough layers and memory allows it. Cores without a
	// layer help inside large ones. Results do not depend on the number.
	Threads int
	// Memory is a budget in bytes; 0 is no limit. Only as many layers are analysed at
	// once as [Plan.PeakBytes] allows within it. If one layer alone exceeds it, the
	// analysis is refused with ErrBudget.
	Memory int64
	// Precision is spectrum.Double, the default, or spectrum.Single: eigenvalues in
	// float32 where their errors can change no rank (Row.Method says which rows).
	Precision spectrum.Precision
	// Reproducible makes rows equal, bit for bit, on all x86-64 processors with AVX2: the
	// two-stage solver uses its AVX2 kernels everywhere, and OpenBLAS must run its Haswell
	// kernels (or the Zen kernels, which are identical). If it runs others, or if another
	// library is linked, the analysis fails with ErrNotReproducible. Without this option
	// rows are equal on processors that run the same kernels, which [Environment] names.
	// The number of threads makes no difference in either case.
	Reproducible bool
	// BLAS and LAPACK name the backends; empty is the default of the build.
	BLAS, LAPACK string

	// KeepEigenvalues keeps all eigenvalues in the rows, 8 bytes each. By default they
	// are dropped when the metrics have been computed.
	KeepEigenvalues bool

	// For tests: no integer Gram matrices, and a metric in the place of those of package
	// metric, which asks for the baseline.
	floatGram bool
	measure   func(in *metric.Input) ([]float64, metric.Finding)

	// Progress, if not nil, is called after every step, never from two goroutines
	// at once. It must be quick.
	Progress func(Progress)
}

// DefaultOptions returns the levels of the published study, fp16 and 8, 6, 5, 4, 3 and 2
// bits, for every weight matrix of at least 10 eigenvalues. [Plan.DefaultLevels] has the
// levels for checkpoints that are not float16.
func DefaultOptions() Options {
	levels, _ := quant.ParseList(DefaultLevels)
	return Options{Levels: levels, MinEvals: 10}
}

// LikeWeightWatcher changes the options to those of WeightWatcher 0.7.5.5: its selection,
// its limits on sizes, its counting of repeated layers and tied weights, and weights after
// rounding. What it writes for failed fits is up to package report.
func (o *Options) LikeWeightWatcher() {
	o.Compat, o.KeepDuplicates = true, true
	o.MinEvals, o.MaxEvals, o.MaxN = 10, 15000, 50000
}

// DefaultLevels is the list of levels of [DefaultOptions].
const DefaultLevels = "fp16,8bit,6bit,5bit,4bit,3bit,2bit"

// Validate returns an error for the first option that makes no sense.
func (o *Options) Validate() error {
	if len(o.Levels) == 0 {
		return fmt.Errorf("no quantization level is given")
	}
	return o.validate()
}

// validate is Validate without the demand for levels.
func (o *Options) validate() error {
	if o.Baseline != nil && !slices.Contains(o.Levels, o.Baseline) {
		return fmt.Errorf("the baseline %s is not among the levels", o.Baseline.Name())
	}
	for i, l := range o.Levels {
		if slices.Contains(o.Levels[:i], l) {
			return fmt.Errorf("level %s is given twice", l.Name())
		}
	}
	if o.MinEvals < 0 || o.MaxEvals < 0 || o.MaxN < 0 || o.Threads < 0 || o.Memory < 0 {
		return fmt.Errorf("limits, threads and memory cannot be negative")
	}
	if o.MaxEvals > 0 && o.MinEvals >= o.MaxEvals {
		return fmt.Errorf("min-evals %d is not below max-evals %d", o.MinEvals, o.MaxEvals)
	}
	if o.MaxN > 0 && (o.MaxN < o.MaxEvals || o.MaxN < o.MinEvals) {
		return fmt.Errorf("max-n %d is below max-evals %d or min-evals %d", o.MaxN, o.MaxEvals, o.MinEvals)
	}
	for _, t := range slices.Concat(o.Include, o.Exclude) {
		if !slices.Contains(LayerTypes, t) {
			return fmt.Errorf("unknown layer type %q: types are %v", t, LayerTypes)
		}
	}
	if o.Precision != "" && !slices.Contains(spectrum.Precisions, o.Precision) {
		return fmt.Errorf("unknown precision %q: precisions are %v", o.Precision, spectrum.Precisions)
	}
	if o.DequantDType != checkpoint.InvalidDType && o.DequantDType.Encoding() == nil {
		return fmt.Errorf("weights cannot be dequantized to %v", o.DequantDType)
	}
	return nil
}

// UseBackend selects the backend called name for eigenvalues and, where there is
// one of that name, for Gram matrices.
func (o *Options) UseBackend(name string) error {
	if _, err := lapack.Lookup(name); err != nil {
		return err
	}
	o.LAPACK = name
	if slices.Contains(cblas.Names(), name) {
		o.BLAS = name
	}
	return nil
}
