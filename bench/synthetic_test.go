package bench

import (
	"bytes"
	"math"
	"os"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/open"
)

func TestSynthetic(t *testing.T) {
	for _, dtype := range []checkpoint.DType{checkpoint.F64, checkpoint.F32, checkpoint.F16, checkpoint.BF16} {
		cfg := tinyModel()
		cfg.DType, cfg.Blocks = dtype, 2
		path, err := WriteSynthetic(t.Context(), t.TempDir(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		src, _, err := open.Open(path, open.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		if n := len(src.Tensors()); n != 18 {
			t.Errorf("%v: %d tensors", dtype, n)
		}
		weights := int64(0)
		for i := range src.Tensors() {
			x := &src.Tensors()[i]
			if x.DType != dtype {
				t.Errorf("%s is %v, want %v", x.Name, x.DType, dtype)
			}
			if len(x.Shape) == 2 {
				weights += x.Elements()
			}
			stored, values := make([]byte, x.Size), make([]float32, x.Elements())
			if err := src.ReadTensor(stored, x); err != nil {
				t.Fatal(err)
			}
			dtype.Encoding().Decode(values, stored)
			for j, v := range values {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) || len(x.Shape) == 1 && v != 1 {
					t.Fatalf("%v: element %d of %s is %g", dtype, j, x.Name, v)
				}
			}
		}
		if weights != cfg.Weights() {
			t.Errorf("%d weights, announced %d", weights, cfg.Weights())
		}
	}
}

// TestSyntheticRepeats checks that equal configurations give equal bytes, that another
// seed gives other bytes, and that blocks differ.
func TestSyntheticRepeats(t *testing.T) {
	write := func(seed uint64) []byte {
		cfg := tinyModel()
		cfg.Seed = seed
		path, err := WriteSynthetic(t.Context(), t.TempDir(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	a := write(1)
	if !bytes.Equal(a, write(1)) {
		t.Error("two files of one seed differ")
	}
	if bytes.Equal(a, write(2)) {
		t.Error("files of two seeds are the same")
	}
	cfg := tinyModel()
	first, second := make([]float32, 8), make([]float32, 8)
	cfg.rowsOf(&matrix{name: "model.layers.0.x", rows: 1, cols: 8})(first)
	cfg.rowsOf(&matrix{name: "model.layers.1.x", rows: 1, cols: 8})(second)
	if first[0] == second[0] {
		t.Error("two tensors start alike")
	}
}

func TestSyntheticErrors(t *testing.T) {
	if _, err := WriteSynthetic(t.Context(), t.TempDir()+"/missing", tinyModel()); err == nil {
		t.Error("no error for a folder that does not exist")
	}
	cfg := tinyModel()
	cfg.Hidden = 0
	if _, err := WriteSynthetic(t.Context(), t.TempDir(), cfg); err == nil {
		t.Error("no error for an empty model")
	}
}
