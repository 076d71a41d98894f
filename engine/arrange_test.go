package engine_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// oriented are schemes with groups in rows, in the flattened tensor, in tiles, and of whole
// rows, and one that searches the whole tensor.
const oriented = "stored,int8-row,int4-g32,bnb-nf4,fp8-e4m3-b128,mxfp4:floor,q4_0,hqq-int4-g64"

// transpose returns the transpose of a rows×cols matrix.
func transpose(w []float32, rows, cols int) []float32 {
	t := make([]float32, len(w))
	for i := range rows {
		for j := range cols {
			t[j*rows+i] = w[i*cols+j]
		}
	}
	return t
}

// TestInputFirst: a matrix that is stored [inputs, outputs] has the groups, and so the rows,
// of the one that is stored [outputs, inputs], and says so.
func TestInputFirst(t *testing.T) {
	const in, out = 96, 288
	w := gaussian(5, in*out)
	for _, name := range []string{"h.0.attn.c_attn.weight", "params/dense/kernel"} {
		first := newMemory().addAs(checkpoint.BF16, name, w, in, out).analyze(t, oriented, nil)
		last := newMemory().addAs(checkpoint.BF16, "x.weight", transpose(w, in, out), out, in).analyze(t, oriented, nil)
		for k := range first.Rows {
			a, b := &first.Rows[k][0], &last.Rows[k][0]
			if a.Status != engine.RowSuccess || !near(a.Get("mse"), b.Get("mse")) && k > 0 || !near(a.Get("max_abs_error"), b.Get("max_abs_error")) && k > 0 || !near(a.Get("alpha"), b.Get("alpha")) || !near(a.Get("norm"), b.Get("norm")) || a.Bits != b.Bits {
				t.Errorf("%s at %s: alpha %v, mse %v, %v bits; the other way round %v, %v, %v", name, a.Level.Name(),
					a.Get("alpha"), a.Get("mse"), a.Bits, b.Get("alpha"), b.Get("mse"), b.Bits)
			}
			if said := strings.Contains(strings.Join(a.Doubts(), " "), "stored [inputs, outputs]"); said != (k > 0) {
				t.Errorf("%s at %s: %q", name, a.Level.Name(), a.Doubts())
			}
		}
	}
	// The projection of other models with that name is stored as usual.
	res := newMemory().add("h.0.attn.c_attn.weight", w, out, in).analyze(t, "int4-g32", nil)
	if res.Rows[0][0].Layer.InputFirst {
		t.Error("a Linear layer is taken for one of GPT-2")
	}
}

// near reports whether numbers are equal but for the order of sums.
func near(a, b float64) bool { return max(a-b, b-a) <= 1e-9*max(a, -a) }

// TestConvolutionGroups: a convolution is quantized as the matrix that has a row for each
// output: its copies, and the spectra of its slices, are those of the values of that matrix.
func TestConvolutionGroups(t *testing.T) {
	const out, in, kernel = 64, 32, 9
	w := gaussian(6, out*in*kernel)
	for _, name := range strings.Split(oriented, ",")[1:] {
		want := make([]float32, len(w))
		if _, err := quant.Apply(want, w, out, in*kernel, name); err != nil {
			t.Fatal(err)
		}
		conv := newMemory().add("c.weight", w, out, in, 3, 3).analyze(t, name, func(o *engine.Options) { o.MinEvals = 0 })
		ready := newMemory().add("c.weight", want, out, in, 3, 3).analyze(t, "stored", func(o *engine.Options) { o.MinEvals = 0 })
		a, b := &conv.Rows[0][0], &ready.Rows[0][0]
		if a.Status != engine.RowSuccess || !near(a.Get("alpha"), b.Get("alpha")) || !near(a.Get("norm"), b.Get("norm")) {
			t.Errorf("%s: alpha %v, norm %v, %s; of its values %v, %v", name, a.Get("alpha"), a.Get("norm"), a.Reason, b.Get("alpha"), b.Get("norm"))
		}
	}
}

// TestRearrangedCopies: the copies of tensors that are rearranged hold the values of the
// rearranged matrices, in their places.
func TestRearrangedCopies(t *testing.T) {
	const out, in = 64, 96
	conv, first := gaussian(7, out*32*9), gaussian(8, out*in)
	for _, d := range []checkpoint.DType{checkpoint.F32, checkpoint.BF16} {
		d.Round(conv)
		d.Round(first)
		src := openTensors(t, stored("c.weight", d, conv, out, 32, 3, 3), stored("k/kernel", d, first, in, out))
		level, err := quant.Parse("int4-g32")
		if err != nil {
			t.Fatal(err)
		}
		for _, dequant := range []checkpoint.DType{checkpoint.InvalidDType, checkpoint.F32, checkpoint.F16} {
			opts := engine.DefaultOptions()
			opts.DequantDType = dequant
			to := d
			if dequant != checkpoint.InvalidDType {
				to = dequant
			}
			path := filepath.Join(t.TempDir(), "out.safetensors")
			if _, err := engine.Quantize(context.Background(), src, path, level, opts, true); err != nil {
				t.Fatal(err)
			}
			copied := openPath(t, path)
			for name, want := range map[string][]float32{
				"c.weight": apply(t, conv, out, 32*9, "int4-g32"),
				"k/kernel": transpose(apply(t, transpose(first, in, out), out, in, "int4-g32"), out, in),
			} {
				to.Round(want)
				if got := weightsOf(t, copied, name); !slices.Equal(got, want) {
					t.Errorf("%s in %v, stored in %v: other values", name, d, to)
				}
			}
		}
	}
}

// TestValidateRearranged: the errors that validate measures are those of an analysis, of weights
// computed in the type in which they are stored, and of tensors that are rearranged for a scheme.
func TestValidateRearranged(t *testing.T) {
	m := newMemory().addAs(checkpoint.BF16, "x.weight", gaussian(9, 64*256), 64, 256).
		addAs(checkpoint.BF16, "c.weight", gaussian(10, 64*32*9), 64, 32, 3, 3).
		add("k/kernel", gaussian(11, 96*64), 96, 64)
	const levels = "quanto-qint4,int4-g32,int8-row,gptq-int4-g64,4bit"
	res := m.analyze(t, levels, func(o *engine.Options) { o.MinEvals, o.DequantDType = 0, checkpoint.F32 })
	opts := engine.DefaultOptions()
	opts.Levels, opts.MinEvals = res.Levels, 0
	checks, err := engine.Validate(context.Background(), m, opts)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, c := range checks {
		found[c.Tensor+" "+c.Level.Name()] = c.Errors.MSE
	}
	for k, level := range res.Levels {
		for i := range res.Rows[k] {
			row := &res.Rows[k][i]
			mse, ok := found[row.Layer.Tensor+" "+level.Name()]
			if row.Status != engine.RowSuccess || !ok || !near(mse, row.Get("mse")) {
				t.Errorf("%s at %s: %s, error %v, validate says %v", row.Layer.Tensor, level.Name(), row.Reason, row.Get("mse"), mse)
			}
		}
	}
}

func apply(t *testing.T, w []float32, rows, cols int, name string) []float32 {
	t.Helper()
	got := make([]float32, len(w))
	if _, err := quant.Apply(got, w, rows, cols, name); err != nil {
		t.Fatal(err)
	}
	return got
}

// weightsOf returns the weights of a tensor.
func weightsOf(t *testing.T, src checkpoint.Source, name string) []float32 {
	t.Helper()
	for _, ts := range src.Tensors() {
		if ts.Name == name {
			data, w := make([]byte, ts.Size), make([]float32, ts.Elements())
			if err := src.ReadTensor(data, &ts); err != nil {
				t.Fatal(err)
			}
			ts.DType.Encoding().Decode(w, data)
			return w
		}
	}
	t.Fatalf("no tensor %s", name)
	return nil
}
