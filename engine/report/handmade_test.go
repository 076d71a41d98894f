package report_test

import (
	"math"
	"time"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// handMade returns an interrupted run at three levels in which every number is another
// one, and every state of a row and of a tensor occurs. The layers are
//
//	0 embed      an embedding, not quantized
//	1 a          analysed
//	2 b[0]       an expert; at 4bit-asym not reached, and rows that are stand behind it
//	3 c          a convolution
//	4 d          without a fit at 4bit
//	5 =e         refused at 4bit, an infinite exponent at 4bit-asym
//
// This is the one place in these tests where a result is put together.
func handMade() *engine.Result {
	sym, asym := quant.Level{Scheme: quant.Symmetric, Bits: 4}, quant.Level{Scheme: quant.Asymmetric, Bits: 4}
	layers := []engine.Layer{
		{LongName: "embed", Type: engine.Embedding, Rows: 40, Cols: 30, Slices: 1},
		{LongName: "model.a", Type: engine.Dense, Rows: 24, Cols: 60, Slices: 1, Quantized: true},
		{LongName: "model.b[0]", Type: engine.Dense, Rows: 20, Cols: 25, Slices: 1, Quantized: true},
		{LongName: "model.c", Type: engine.Conv2D, Rows: 16, Cols: 8, Slices: 9, Quantized: true},
		{LongName: "model.d", Type: engine.Dense, Rows: 33, Cols: 22, Slices: 1, Quantized: true},
		{LongName: "=e", Type: engine.Dense, Rows: 12, Cols: 48, Slices: 1, Quantized: true},
	}
	for i := range layers {
		layers[i].ID = i
	}
	alphas := map[quant.Level][]float64{
		quant.FP16: {2.25, 1.5, 3, 7.5, 4, 5}, sym: {2.25, 1, 2, 8, 3.5, 0}, asym: {2.25, 1.75, 0, 9, 3, 2.5},
	}
	res := &engine.Result{
		Source: engine.SourceInfo{Path: "models/hand", Format: "safetensors", Files: []checkpoint.File{
			{Name: "one.safetensors", Size: 1234, HeaderSHA256: "0123abcd"}, {Name: "two.safetensors", Size: 99, HeaderSHA256: "ef"},
		}},
		Options: engine.Options{
			Levels: []quant.Level{quant.FP16, sym, asym}, MinEvals: 11, MaxEvals: 222, MaxN: 3333,
			Layers: []string{"model.*", "*"}, Include: []engine.LayerType{engine.Dense, engine.Conv2D, engine.Embedding},
			Exclude: []engine.LayerType{engine.Conv1D}, AllMatrices: true, DequantDType: checkpoint.BF16, Precision: spectrum.Single,
		},
		Threads: 3, Workers: 2, Levels: []quant.Level{quant.FP16, sym, asym}, Interrupted: true,
		Warnings: []string{"a remark on the run", "another one"},
		Started:  time.Date(2026, 3, 4, 5, 6, 7, 891234000, time.UTC), Elapsed: 12345678 * time.Microsecond,
		Env: engine.Environment{
			Version: "1.2.3", Revision: "abcdef", Go: "go1.99", OS: "plan9", Arch: "mips", Cgo: true, CPUs: 7,
			Features: []string{"x", "y"}, QuantizeSIMD: "q", EigenSIMD: "e", IntegerSIMD: "i",
			BLAS: "the-blas", LAPACK: "the-lapack", BLASAll: []string{"the-blas", "other"}, LAPACKAll: []string{"the-lapack"},
			Library:    cblas.Info{Library: "OpenBLAS", Config: "OpenBLAS 9.9", Core: "Prescott", Parallel: "pthreads", Threads: 4},
			BetterCore: "Haswell",
		},
	}
	methods := []spectrum.Method{spectrum.Gram, spectrum.SVD, spectrum.GramRank, spectrum.Gram32, spectrum.Eigen32, spectrum.GramRank}
	for k, level := range res.Levels {
		var rows []engine.Row
		for i := range layers {
			r := engine.Row{Layer: &layers[i], Level: level, Status: engine.FitSuccess, Alpha: alphas[level][i], Method: methods[i]}
			number := func(column int) float64 { return float64(column) + float64(k+1)/8 + float64(i+1)/1024 }
			r.D, r.Sigma, r.XMin, r.XMax, r.NumPLSpikes = number(1)/64, number(2), number(3), number(4), 100*k+10*i+5
			r.AlphaWeighted, r.LogAlphaNorm, r.Norm, r.LogNorm = number(6), number(7), number(8), number(9)
			r.SpectralNorm, r.LogSpectralNorm, r.StableRank, r.Entropy = number(10), number(11), number(12), number(13)
			r.MatrixRank, r.RankLoss, r.WeakRankLoss, r.SVMax, r.SVMin = 100*k+10*i+6, 100*k+10*i+7, 100*k+10*i+8, number(14), number(15)
			r.Runner, r.RunnerAlpha, r.TraceError = number(16)/64, number(17), number(18)*0x1p-56
			if layers[i].Quantized {
				r.Scale = number(19)
				r.Errors = quant.Errors{Unique: 100*k + 10*i + 9, MSE: number(20), MAE: number(21), MaxAbs: number(22), SNR: number(23), Relative: number(24)}
			}
			rows = append(rows, r)
		}
		res.Rows = append(res.Rows, rows)
	}
	res.Rows[0][1].Errors.SNR = math.Inf(1)
	res.Rows[0][1].Runner, res.Rows[0][1].RunnerAlpha = math.Inf(1), math.NaN()
	without := func(r *engine.Row, status engine.FitStatus, reason string) {
		nan := math.NaN()
		r.Status, r.Reason = status, reason
		r.Alpha, r.Sigma, r.AlphaWeighted, r.LogAlphaNorm = nan, nan, nan, nan
		if status == engine.FitDegenerate {
			return
		}
		r.D, r.XMin, r.XMax, r.Runner, r.RunnerAlpha = nan, nan, nan, nan, nan
		if status == engine.FitFailed {
			return
		}
		*r = engine.Row{
			Layer: r.Layer, Level: r.Level, Status: status, Reason: reason,
			Alpha: nan, D: nan, Sigma: nan, XMin: nan, XMax: nan, AlphaWeighted: nan, LogAlphaNorm: nan,
			Norm: nan, LogNorm: nan, SpectralNorm: nan, LogSpectralNorm: nan, StableRank: nan, Entropy: nan,
			SVMax: nan, SVMin: nan, Runner: nan, RunnerAlpha: nan,
		}
	}
	without(&res.Rows[1][4], engine.FitFailed, "fewer than two")
	without(&res.Rows[1][5], engine.FitRefused, "too large")
	without(&res.Rows[2][2], engine.FitMissing, "the run ended before")
	without(&res.Rows[2][5], engine.FitDegenerate, "equal eigenvalues")
	res.Rows[2][5].SpectralNorm = 0.5

	tensor := func(name, file string, status engine.Status, reason string, shape ...int) engine.TensorStatus {
		return engine.TensorStatus{Tensor: checkpoint.Tensor{Name: name, DType: checkpoint.BF16, Shape: shape, File: file}, Status: status, Reason: reason}
	}
	for i, name := range []string{"embed.weight", "model.a.weight", "model.b", "model.c.weight", "model.d.weight", "=e.weight"} {
		ts := tensor(name, "one.safetensors", engine.Analysed, "", layers[i].Rows, layers[i].Cols)
		ts.Type, ts.Layers = layers[i].Type, layers[i:i+1]
		res.Tensors = append(res.Tensors, ts)
	}
	res.Tensors[2].Status, res.Tensors[2].Reason = engine.Planned, "not reached"
	res.Tensors[5].Status, res.Tensors[5].Reason = engine.Refused, "at 4bit: too large"
	res.Tensors = append(res.Tensors,
		tensor("model.f\n.weight", "two.safetensors", engine.Refused, "3 of 9 weights are NaN", 3, 3),
		tensor("norm.bias", "two.safetensors", engine.Skipped, "a vector", 30),
		tensor("norm.weight", "two.safetensors", engine.Skipped, "a vector", 30),
		tensor("scalar", "two.safetensors", engine.Skipped, "no elements"))
	return res
}
