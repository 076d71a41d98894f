package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/testsource"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/internal/ggml"
)

// A coded tensor is a matrix in a GGUF file, of a type with a number.
type coded struct {
	name       string
	rows, cols int
	id         uint32
	data       []byte
}

// openGGUF writes matrices to a GGUF file, in which offsets are multiples of 32, and opens it.
func openGGUF(t *testing.T, matrices ...coded) checkpoint.Source {
	t.Helper()
	le := binary.LittleEndian
	file := le.AppendUint64(le.AppendUint64(append([]byte("GGUF"), 3, 0, 0, 0), uint64(len(matrices))), 0)
	var data []byte
	for _, m := range matrices {
		data = append(data, make([]byte, (32-len(data)%32)%32)...)
		file = append(le.AppendUint64(file, uint64(len(m.name))), m.name...)
		file = le.AppendUint64(le.AppendUint64(le.AppendUint32(file, 2), uint64(m.cols)), uint64(m.rows))
		file = le.AppendUint64(le.AppendUint32(file, m.id), uint64(len(data)))
		data = append(data, m.data...)
	}
	file = append(file, make([]byte, (32-len(file)%32)%32)...)
	path := filepath.Join(t.TempDir(), "m.gguf")
	if err := os.WriteFile(path, append(file, data...), 0o666); err != nil {
		t.Fatal(err)
	}
	return openPath(t, path)
}

// everyType returns a matrix of each type of ggml, and what their blocks stand for.
func everyType(t *testing.T, rows int) (matrices []coded, values map[string][]float32) {
	values = map[string][]float32{}
	for i, typ := range ggml.Types() {
		weights, size := typ.Block()
		w := gaussian(uint64(50+i), rows*256)
		m := coded{typ.Name() + ".weight", rows, 256, typ.ID(), make([]byte, rows*256/weights*size)}
		if err := typ.Quantize(m.data, w); err != nil {
			t.Fatal(err)
		}
		typ.Decode(w, m.data)
		matrices, values[m.name] = append(matrices, m), w
	}
	return matrices, values
}

// TestCoded: weights in blocks have the rows of the float32 numbers that they stand for, but for
// the bits of the level stored, which are those of the blocks.
func TestCoded(t *testing.T) {
	const rows = 40
	matrices, values := everyType(t, rows)
	plain := newMemory()
	for _, m := range matrices {
		plain.add(m.name, values[m.name], rows, 256)
	}
	const levels = "stored,fp16,4bit,int8-row,q8_0,ct-w4a16"
	want := plain.analyze(t, levels, nil)
	opts := engine.DefaultOptions()
	opts.Levels, _ = quant.ParseList(levels)
	opts.KeepEigenvalues = true
	got, err := engine.Analyze(context.Background(), openGGUF(t, matrices...), opts)
	if err != nil {
		t.Fatal(err)
	}
	for k := range want.Rows {
		rows := map[string]*engine.Row{}
		for i := range want.Rows[k] {
			rows[want.Rows[k][i].Layer.LongName] = &want.Rows[k][i]
		}
		for i := range got.Rows[k] {
			a := &got.Rows[k][i]
			b := rows[a.Layer.LongName]
			typ, _ := ggml.Lookup(a.Layer.Name())
			bits := b.Bits
			if weights, size := typ.Block(); a.Level == quant.Stored {
				bits = 8 * float64(size) / float64(weights)
			}
			if a.Status != b.Status || !slices.Equal(a.Eigenvalues, b.Eigenvalues) || !sameErrors(a, b) || a.Bits != bits {
				t.Errorf("%s at %s: %s %s, %g bits, errors %v; as float32 %s %s, %g bits, errors %v", a.Layer.LongName, a.Level.Name(), a.Status, a.Reason, a.Bits, a.Get("mse"), b.Status, b.Reason, bits, b.Get("mse"))
			}
		}
	}
}

// TestSampleInGGUF: the sample packed as a file of type Q4_K_M, analysed as it is stored, has the
// spectra of the level gguf:q4_k_m.
func TestSampleInGGUF(t *testing.T) {
	sample := openPath(t, "../examples/gosrc-lm")
	opts := engine.DefaultOptions()
	opts.Levels, _ = quant.ParseList("gguf:q4_k_m")
	opts.KeepEigenvalues = true
	want, err := engine.Analyze(context.Background(), sample, opts)
	if err != nil {
		t.Fatal(err)
	}
	var matrices []coded
	simulated := map[string]*engine.Row{}
	for i := range want.Rows[0] {
		row := &want.Rows[0][i]
		typ, ok := ggml.Lookup(row.Scheme)
		if !ok {
			continue // an embedding
		}
		if instead, _, ok := strings.Cut(row.Note, ":"); ok { // rows do not take the type
			typ, _ = ggml.Lookup(instead)
		}
		weights, size := typ.Block()
		m := coded{row.Layer.Tensor, row.Layer.Rows, row.Layer.Cols, typ.ID(), make([]byte, row.Layer.Rows*row.Layer.Cols/weights*size)}
		if err := typ.Quantize(m.data, weightsOf(t, sample, m.name)); err != nil {
			t.Fatal(err)
		}
		matrices, simulated[m.name] = append(matrices, m), row
	}
	opts.Levels = []quant.Recipe{quant.Stored}
	got, err := engine.Analyze(context.Background(), openGGUF(t, matrices...), opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(matrices) != 29 || len(got.Rows[0]) != 29 {
		t.Fatalf("%d matrices, %d rows, want 29", len(matrices), len(got.Rows[0]))
	}
	for i := range got.Rows[0] {
		a := &got.Rows[0][i]
		b := simulated[a.Layer.Tensor]
		if !slices.Equal(a.Eigenvalues, b.Eigenvalues) || a.Get("alpha") != b.Get("alpha") || a.Bits != b.Bits {
			t.Errorf("%s: alpha %v, %v bits; simulated %v, %v", a.Layer.LongName, a.Get("alpha"), a.Bits, b.Get("alpha"), b.Bits)
		}
	}
}

// TestExport: a copy in floating point has the values that blocks stand for, rounded if it is
// asked for, and says what it rounds and leaves out.
func TestExport(t *testing.T) {
	matrices, values := everyType(t, 4)
	half := gaussian(9, 4*256)
	checkpoint.F16.Round(half)
	f16 := coded{"half.weight", 4, 256, 1, make([]byte, 2*4*256)}
	checkpoint.F16.Encode(f16.data, half)
	values[f16.name] = half
	whole := coded{"count", 4, 256, 24, slices.Repeat([]byte{1, 0, 255, 7}, 256)}
	src := openGGUF(t, append(matrices, f16, whole, coded{"iq.weight", 4, 256, 19, make([]byte, 4*50)})...)
	for _, to := range []checkpoint.DType{checkpoint.InvalidDType, checkpoint.F32, checkpoint.BF16} {
		path := filepath.Join(t.TempDir(), "out.safetensors")
		sum, err := engine.Export(context.Background(), src, path, to, false)
		if err != nil {
			t.Fatal(err)
		}
		rounded := 0
		if to == checkpoint.BF16 {
			rounded = len(values)
			for _, w := range values {
				c := slices.Clone(w)
				if to.Round(c); slices.Equal(c, w) {
					rounded--
				}
			}
		}
		if sum.Copied.Tensors+sum.Decoded.Tensors != len(values)+1 || sum.Rounded.Tensors != rounded || len(sum.LeftOut) != 1 || sum.LeftOut[0].Parameters != 4*256 {
			t.Errorf("to %v: %+v, want %d rounded", to, sum, rounded)
		}
		copied := openPath(t, path)
		for name, w := range values {
			want := slices.Clone(w)
			if to != checkpoint.InvalidDType {
				to.Round(want)
			}
			if got := weightsOf(t, copied, name); !slices.Equal(got, want) {
				t.Errorf("%s to %v: other values", name, to)
			}
		}
		for _, tensor := range copied.Tensors() {
			if data := make([]byte, tensor.Size); tensor.Name == "count" {
				if err := copied.ReadTensor(data, &tensor); err != nil || !slices.Equal(data, whole.data) || tensor.DType != checkpoint.I8 {
					t.Errorf("integers: %v, %v", tensor, err)
				}
			}
		}
		if _, err := engine.Export(context.Background(), src, path, to, false); !errors.Is(err, fs.ErrExist) {
			t.Errorf("to a file that exists: %v", err)
		}
		if _, err := engine.Export(context.Background(), src, path, to, true); err != nil {
			t.Error(err)
		}
	}
	// float64 numbers are rounded once.
	wide := []float64{1.00048828125 + 0x1p-40, 1 + 0x1p-8 + 0x1p-40, 1.5, -1.00048828125 - 0x1p-40}
	data := make([]byte, 8*len(wide))
	for i, v := range wide {
		binary.LittleEndian.PutUint64(data[8*i:], math.Float64bits(v))
	}
	doubles := openTensors(t, testsource.Tensor{Name: "d", DType: checkpoint.F64, Shape: []int{4}, Data: data})
	for to, want := range map[checkpoint.DType][]float32{
		checkpoint.F16: {1 + 0x1p-10, 1 + 0x1p-8, 1.5, -1 - 0x1p-10}, checkpoint.BF16: {1, 1 + 0x1p-7, 1.5, -1},
	} {
		path := filepath.Join(t.TempDir(), "out.safetensors")
		if sum, err := engine.Export(context.Background(), doubles, path, to, false); err != nil || sum.Rounded.Tensors != 1 {
			t.Fatalf("%+v, %v", sum, err)
		}
		if got := weightsOf(t, openPath(t, path), "d"); !slices.Equal(got, want) {
			t.Errorf("to %v: %v, want %v", to, got, want)
		}
	}
	binary.LittleEndian.PutUint64(data, math.Float64bits(1e300))
	huge := openTensors(t, testsource.Tensor{Name: "d", DType: checkpoint.F64, Shape: []int{4}, Data: data})
	if _, err := engine.Export(context.Background(), huge, filepath.Join(t.TempDir(), "out.safetensors"), checkpoint.F32, false); !errors.Is(err, quant.ErrOverflow) {
		t.Errorf("1e300 in float32: %v", err)
	}
	if _, err := engine.Export(context.Background(), huge, huge.Path(), checkpoint.InvalidDType, true); !errors.Is(err, checkpoint.ErrOutput) {
		t.Errorf("onto the source: %v", err)
	}
	large := openTensors(t, stored("large", checkpoint.F32, []float32{1, 1e5}, 2))
	path := filepath.Join(t.TempDir(), "out.safetensors")
	if _, err := engine.Export(context.Background(), large, path, checkpoint.F16, false); !errors.Is(err, quant.ErrOverflow) {
		t.Errorf("1e5 in float16: %v", err)
	}
	for _, bad := range []string{filepath.Dir(path), filepath.Join(path, "x.safetensors"), path + ".bin"} {
		if _, err := engine.Export(context.Background(), large, bad, checkpoint.F32, true); !errors.Is(err, checkpoint.ErrOutput) && bad != filepath.Join(path, "x.safetensors") || err == nil {
			t.Errorf("to %s: %v", bad, err)
		}
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}
