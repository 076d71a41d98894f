package report_test

import (
	"maps"
	"math"
	"time"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

func recipe(name string) quant.Recipe {
	r, err := quant.Parse(name)
	if err != nil {
		panic(err)
	}
	return r
}

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
	sym, asym := recipe("4bit"), recipe("4bit-asym")
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
	alphas := map[quant.Recipe][]float64{
		quant.FP16: {2.25, 1.5, 3, 7.5, 4, 5}, sym: {2.25, 1, 2, 8, 3.5, 0}, asym: {2.25, 1.75, 0, 9, 3, 2.5},
	}
	res := &engine.Result{
		Source: engine.SourceInfo{Path: "models/hand", Format: "safetensors", Files: []checkpoint.File{
			{Name: "one.safetensors", Size: 1234, HeaderSHA256: "0123abcd"}, {Name: "two.safetensors", Size: 99, HeaderSHA256: "ef"},
		}},
		Options: engine.Options{
			Levels: []quant.Recipe{quant.FP16, sym, asym}, MinEvals: 11, MaxEvals: 222, MaxN: 3333,
			Layers: []string{"model.*", "*"}, Include: []engine.LayerType{engine.Dense, engine.Conv2D, engine.Embedding},
			Exclude: []engine.LayerType{engine.Conv1D}, KeepDuplicates: true, DequantDType: checkpoint.BF16, Precision: spectrum.Single,
		},
		Levels: []quant.Recipe{quant.FP16, sym, asym},
		Outcome: engine.Outcome{
			Threads: 3, Workers: 2, Interrupted: true,
			Warnings: []string{"a remark on the run", "another one"},
			Started:  time.Date(2026, 3, 4, 5, 6, 7, 891234000, time.UTC), Elapsed: 12345678 * time.Microsecond,
			Env: engine.Environment{
				Version: "1.2.3", Revision: "abcdef", Go: "go1.99", OS: "plan9", Arch: "mips", Cgo: true, CPUs: 7,
				Features: []string{"x", "y"}, QuantizeSIMD: "q", EigenSIMD: "e", IntegerSIMD: "i",
				BLAS: "the-blas", LAPACK: "the-lapack", BLASAll: []string{"the-blas", "other"}, LAPACKAll: []string{"the-lapack"},
				Library:    cblas.Info{Library: "OpenBLAS", Config: "OpenBLAS 9.9", Core: "Prescott", Parallel: "pthreads", Threads: 4},
				BetterCore: "Haswell",
			}},
	}
	methods := []spectrum.Method{spectrum.Gram, spectrum.SVD, spectrum.GramRank, spectrum.Gram, spectrum.GramFloat32, spectrum.GramRank}
	for k, level := range res.Levels {
		var rows []engine.Row
		for i := range layers {
			r := engine.Row{Layer: &layers[i], Level: level, Status: engine.RowSuccess, Method: methods[i], Values: metric.None()}
			number := func(column int) float64 { return float64(column) + float64(k+1)/8 + float64(i+1)/1024 }
			count := func(n int) float64 { return float64(100*k + 10*i + n) }
			values := map[string]float64{
				"alpha": alphas[level][i], "D": number(1) / 64, "sigma": number(2), "xmin": number(3), "xmax": number(4), "num_pl_spikes": count(5),
				"alpha_weighted": number(6), "log_alpha_norm": number(7), "norm": number(8), "log_norm": number(9),
				"spectral_norm": number(10), "lambda_max": number(10), "log_spectral_norm": number(11), "stable_rank": number(12), "entropy": number(13),
				"matrix_rank": count(6), "rank_loss": count(7), "weak_rank_loss": count(8), "sv_max": number(14), "sv_min": number(15),
				"alpha_other": number(17), "other_gap": number(16) / 64, "xmin_ties": count(3), "xmin_ties_left_out": count(1),
			}
			r.TraceError = number(18) * 0x1p-56
			if layers[i].Quantized {
				maps.Copy(values, map[string]float64{
					"scale": number(19), "unique_values": count(9), "mse": number(20), "mae": number(21),
					"max_abs_error": number(22), "snr_db": number(23), "relative_error": number(24),
				})
			}
			for name, v := range values {
				r.Set(name, v)
			}
			rows = append(rows, r)
		}
		res.Rows = append(res.Rows, rows)
	}
	res.Rows[0][1].Set("snr_db", math.Inf(1))
	res.Rows[0][1].Set("other_gap", math.Inf(1))
	res.Rows[0][1].Set("alpha_other", math.NaN())
	without := func(r *engine.Row, status engine.RowStatus, reason string) {
		missing := []string{"alpha", "sigma", "alpha_weighted", "log_alpha_norm", "D", "xmin", "xmax", "other_gap", "alpha_other", "num_pl_spikes"}
		switch status {
		case engine.RowDegenerate:
			missing = missing[:4]
		case engine.RowRefused, engine.RowMissing:
			*r = engine.Row{Layer: r.Layer, Level: r.Level, Values: metric.None()}
			missing = nil
		}
		r.Status, r.Reason = status, reason
		for _, name := range missing {
			r.Set(name, math.NaN())
		}
	}
	without(&res.Rows[1][4], engine.RowFailed, "fewer than two")
	without(&res.Rows[1][5], engine.RowRefused, "too large")
	without(&res.Rows[2][2], engine.RowMissing, "the run ended before")
	without(&res.Rows[2][5], engine.RowDegenerate, "equal eigenvalues")
	res.Rows[2][5].Set("spectral_norm", 0.5)
	res.Rows[2][5].Set("lambda_max", 0.5)

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
