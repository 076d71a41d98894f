// Package engine analyses how quantization changes the spectra of a neural
// network's weights. It is the library behind the wwq-fast command, and knows
// nothing of terminals.
//
// For most uses: open a checkpoint with package open, call [Analyze] with
// [DefaultOptions], and read the [Row] of each layer and level, or hand the
// [Result] to package report. The example in example_test.go is complete.
//
// The steps can be had one by one: [Describe] makes a [Plan], which can be written to a
// file and divided with [Plan.Split]; [Run] analyses it and hands each row to a [Sink] as
// it is finished; [Merge] makes tables of the rows of one run or of many. Package results
// keeps all of it in a folder.
//
// The pieces alone are quant.Apply (quantize a slice), spectrum.Of (the spectrum of a
// matrix) and powerlaw.FitTail (the fit of a spectrum).
//
// # What is computed
//
// For every weight matrix W and every level, the weights are quantized and
// dequantized at once (package quant), all eigenvalues of W^T W are computed
// (package spectrum), a power law is fitted to their tail (package powerlaw), and
// WeightWatcher's metrics follow (package metric). Names and definitions are those of WeightWatcher
// 0.7.5.5, and the numbers agree with it to rounding, with these differences:
//
//   - A failed fit has no exponent (NaN), not -1, and so is in no mean; an
//     infinite exponent is a failure, not a success.
//   - Convolutions with an even kernel keep N >= M.
//   - Entropies of rank-1 spectra, logarithms of zero and the like do not exist.
//   - Eigenvalues of convolutions are halved exactly.
//   - Every tensor is accounted for in [Result].Tensors; none is dropped silently.
//   - Duplicates (tied weights) are counted once, unless [Options].KeepDuplicates is set.
//   - Rows are in natural order of tensor names, and [Layer].ID counts from 0.
//
// # Precision
//
// Weights are decoded to float32, which is exact for all stored types but F64.
// Quantization is in float32, round half to even. Everything after is in float64.
// Each eigenvalue has an absolute error of a few k*eps*lambda_max, k the smaller
// dimension; ranks are those of the singular values. Every spectrum is checked:
// its sum must equal the squared Frobenius norm to 1e-12, or (N + 16 M) 2^-53 for matrices
// so large that this is more. [Options].Precision can
// allow eigenvalues in float32 where that can change no rank.
//
// # Memory
//
// One stored tensor for each thread and one more, and for each thread a float64
// Gram matrix of the smaller side with one panel of weights: [Plan.PeakBytes]
// estimates their sum. Eigenvalues are dropped after use unless
// [Options].KeepEigenvalues is set.
//
// # Threads
//
// Layers and levels are computed in parallel, each on one thread; cores that find no
// layer of their own help inside large ones. Results do not depend on how many there
// are. While an analysis runs, the linked BLAS is held
// to one thread a call, for the whole process: a program that uses the same BLAS
// elsewhere at that time will find it single-threaded.
//
// # Backends
//
// Eigenvalues and Gram matrices come from the backends that [Env] lists; the
// default is best. Without cgo everything is pure Go, with the same results to
// rounding, several times slower. If Env().BetterCore is not empty, OpenBLAS runs
// kernels too old for the processor: set OPENBLAS_CORETYPE before the process
// starts.
//
// # Compatibility
//
// Before version 1 anything may change, and changes are listed in CHANGELOG.md.
// Fields may be added to the structs at any time: use field names in literals.
package engine
