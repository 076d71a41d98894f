package engine_test

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/open"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/testsource"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// stored returns a tensor of weights in a type.
func stored(name string, d checkpoint.DType, w []float32, shape ...int) testsource.Tensor {
	data := make([]byte, len(w)*d.Bits()/8)
	d.Encode(data, w)
	return testsource.Tensor{Name: name, DType: d, Shape: shape, Data: data}
}

// openTensors writes tensors to a file and opens it.
func openTensors(t *testing.T, tensors ...testsource.Tensor) checkpoint.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := os.WriteFile(path, testsource.Safetensors(tensors, nil), 0o666); err != nil {
		t.Fatal(err)
	}
	return openPath(t, path)
}

func openPath(t *testing.T, path string) checkpoint.Source {
	t.Helper()
	src, _, err := open.Open(path, open.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	return src
}

// floats are the types that weights are stored in.
var floats = []checkpoint.DType{checkpoint.F32, checkpoint.F16, checkpoint.BF16, checkpoint.F64}

// TestStoredTypes: weights that all types hold exactly have the same spectra, exponents
// and errors to the last bit, whichever they are stored in, and those of the weights
// themselves.
func TestStoredTypes(t *testing.T) {
	const rows, cols = 64, 96
	w := gaussian(31, rows*cols)
	for i, v := range w {
		// Seven binary digits.
		f, e := math.Frexp(float64(v) * (1 + float64(i%5)))
		w[i] = float32(math.Ldexp(math.Round(f*128)/128, e))
	}
	wide := slices.Clone(w[:cols*rows/2])
	var want [][]engine.Row
	for _, d := range floats {
		src := openTensors(t, stored("a.weight", d, w, rows, cols), stored("b.weight", d, wide, cols, rows/2), stored("c.weight", d, w[:12*6*9], 12, 6, 3, 3))
		for _, out := range []checkpoint.DType{checkpoint.F16, checkpoint.BF16} {
			opts := engine.DefaultOptions()
			opts.Levels, _ = quant.ParseList("fp16,8,4,2,4-asym")
			opts.KeepEigenvalues, opts.DequantDType = true, out
			res, err := engine.Analyze(context.Background(), src, opts)
			if err != nil {
				t.Fatal(err)
			}
			at := slices.Index([]checkpoint.DType{checkpoint.F16, checkpoint.BF16}, out)
			if len(want) == at {
				want = append(want, slices.Concat(res.Rows...))
			}
			for i, got := range slices.Concat(res.Rows...) {
				w := want[at][i]
				if !slices.Equal(got.Eigenvalues, w.Eigenvalues) || got.Get("alpha") != w.Get("alpha") || !sameErrors(&got, &w) || len(got.Eigenvalues) == 0 {
					t.Errorf("%v to %v at %v, %s: alpha %v, errors %+v; stored as %v %v, %+v", d, out, got.Level, got.Layer.LongName, got.Get("alpha"), got.Values, floats[0], w.Get("alpha"), w.Values)
				}
			}
		}
	}
	exact := analyzeExact(t, w, rows, cols, 1, engine.Dense)
	if got := want[0][0]; relative(got.Get("alpha"), exact.Get("alpha")) > 1e-10 || relative(got.Get("norm"), exact.Get("norm")) > 1e-13 {
		t.Errorf("alpha %v, norm %v; the weights have %v, %v", got.Get("alpha"), got.Get("norm"), exact.Get("alpha"), exact.Get("norm"))
	}
}

// TestQuantizeTypes: every type to every type at several levels. What is quantized is what
// the quantizer makes of the whole tensor, in the type asked for; limits of size do not
// count; all else is copied byte for byte.
func TestQuantizeTypes(t *testing.T) {
	const rows, cols = 150, 120 // more than is looked at together
	w, tiny := gaussian(41, rows*cols), gaussian(42, 4*4)
	for _, d := range floats {
		tensors := []testsource.Tensor{
			stored("a.weight", d, w, rows, cols), stored("tiny.weight", d, tiny, 4, 4), stored("one.weight", d, tiny, 16, 1),
			stored("embed.weight", d, w[:600], 20, 30), stored("a.bias", d, w[:20], 20),
			{Name: "codes.weight", DType: checkpoint.I8, Shape: []int{4, 4}, Data: make([]byte, 16)},
		}
		quantized := []string{"a.weight", "tiny.weight", "one.weight"}
		src := openTensors(t, tensors...)
		for _, level := range []string{"fp16", "4", "3-asym"} {
			for _, out := range []checkpoint.DType{checkpoint.InvalidDType, checkpoint.F16, checkpoint.BF16, checkpoint.F32} {
				want := out
				if out == checkpoint.InvalidDType {
					want = d
				}
				opts := engine.DefaultOptions()
				opts.DequantDType = out
				l, err := quant.Parse(level)
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(t.TempDir(), "q.safetensors")
				q, err := engine.Quantize(context.Background(), src, path, l, opts, false)
				if err != nil || q.Changed.Tensors != len(quantized) || q.Copied.Tensors != len(tensors)-len(quantized) {
					t.Fatalf("%v to %v: %+v, %v", d, out, q, err)
				}
				copied := openPath(t, path)
				for _, ts := range copied.Tensors() {
					i := slices.IndexFunc(tensors, func(o testsource.Tensor) bool { return o.Name == ts.Name })
					data, expected, dtype := make([]byte, ts.Size), tensors[i].Data, tensors[i].DType
					if slices.Contains(quantized, ts.Name) {
						expected, dtype = dequantized(t, tensors[i], l, want), want
					}
					if err := copied.ReadTensor(data, &ts); err != nil {
						t.Fatal(err)
					}
					if ts.DType != dtype || !slices.Equal(ts.Shape, tensors[i].Shape) || !bytes.Equal(data, expected) {
						t.Errorf("%v at %v to %v: %s is %v %v with other bytes than %v %v should have", d, level, want, ts.Name, ts.DType, ts.Shape, dtype, tensors[i].Shape)
					}
				}
			}
		}
	}
}

// dequantized returns the bytes of a tensor quantized and dequantized all at once.
func dequantized(t *testing.T, ts testsource.Tensor, l quant.Recipe, out checkpoint.DType) []byte {
	t.Helper()
	w := make([]float32, len(ts.Data)/(ts.DType.Bits()/8))
	ts.DType.Encoding().Decode(w, ts.Data)
	q, err := l.For(quant.Target{}).Fit(quant.Dense{Rows: 1, Cols: len(w), W: w}, out)
	if err != nil {
		t.Fatal(err)
	}
	d := make([]float32, len(w))
	q.Dequantize(d, quant.Piece{W: w, Width: len(w)})
	return stored(ts.Name, out, d).Data
}

// TestLimits: there is no limit to the size of a layer, but with WeightWatcher's options,
// where what is just at a limit is analysed.
func TestLimits(t *testing.T) {
	opts := engine.DefaultOptions()
	if opts.MinEvals != 10 || opts.MaxEvals != 0 || opts.MaxN != 0 {
		t.Errorf("limits %d, %d, %d", opts.MinEvals, opts.MaxEvals, opts.MaxN)
	}
	opts.LikeWeightWatcher()
	if opts.MinEvals != 10 || opts.MaxEvals != 15000 || opts.MaxN != 50000 {
		t.Errorf("limits %d, %d, %d", opts.MinEvals, opts.MaxEvals, opts.MaxN)
	}
	m := newMemory()
	for name, shape := range map[string][]int{
		"10.weight": {10, 30}, "15000.weight": {15000, 15000}, "50000.weight": {20, 50000},
		"below 10.weight": {9, 30}, "above 15000.weight": {15001, 15001}, "above 50000.weight": {50001, 20},
	} {
		m.add(name, nil, shape...)
	}
	for name, ts := range describe(t, m, (*engine.Options).LikeWeightWatcher) {
		if want := name[0] < 'a'; (ts.Status == engine.Planned) != want {
			t.Errorf("%s: %s (%s)", name, ts.Status, ts.Reason)
		}
	}
}

// TestValidateCancelled: a check that was ended is no pass.
func TestValidateCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	m := newMemory().add("a.weight", gaussian(1, 600), 20, 30)
	if checks, err := engine.Validate(ctx, m, engine.DefaultOptions()); err != context.Canceled || len(checks) != 0 {
		t.Errorf("%d checks, error %v", len(checks), err)
	}
	broken := brokenSource{newMemory().add("b.weight", gaussian(1, 600), 20, 30)}
	if _, err := engine.Validate(context.Background(), broken, engine.DefaultOptions()); err == nil {
		t.Error("weights that cannot be read passed")
	}
}
