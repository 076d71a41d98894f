package testsource_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/safetensors"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/testsource"
)

// TestSafetensors runs the suite on the safetensors reader, which passes it.
func TestSafetensors(t *testing.T) {
	testsource.Test(t, testsource.Format{
		Name:   "safetensors",
		DTypes: []checkpoint.DType{checkpoint.F32, checkpoint.F4},
		Write: func(tb testing.TB, dir string, tensors []testsource.Tensor) string {
			path := filepath.Join(dir, "m.safetensors")
			if err := os.WriteFile(path, testsource.Safetensors(tensors, map[string]string{"k": "v"}), 0o666); err != nil {
				tb.Fatal(err)
			}
			return path
		},
		Open: func(path string) (checkpoint.Source, error) { return safetensors.Open(path) },
	})
}

// TestModel checks the assumptions of the suite: the tensors are not in natural order,
// and each has as many bytes as its shape and type require.
func TestModel(t *testing.T) {
	model := testsource.Model([]checkpoint.DType{checkpoint.F16, checkpoint.F6E2M3})
	if slices.IsSortedFunc(model, func(a, b testsource.Tensor) int {
		if checkpoint.NaturalLess(a.Name, b.Name) {
			return -1
		}
		return 1
	}) {
		t.Error("the tensors are sorted")
	}
	for _, m := range model {
		tensor := checkpoint.Tensor{Shape: m.Shape}
		if got, want := int64(len(m.Data))*8, tensor.Elements()*int64(m.DType.Bits()); got != want {
			t.Errorf("%q: %d bits, want %d", m.Name, got, want)
		}
	}
}

func TestFile(t *testing.T) {
	got := string(testsource.Safetensors([]testsource.Tensor{{Name: "a", DType: checkpoint.U8, Shape: []int{1}, Data: []byte{7}}}, nil))
	want := "\x38\x00\x00\x00\x00\x00\x00\x00" + `{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}   ` + "\x07"
	if got != want {
		t.Errorf("file %q, want %q", got, want)
	}
}
