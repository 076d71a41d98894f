package testsource

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// A Tensor is a tensor that a test stores in a file.
type Tensor struct {
	Name  string
	DType checkpoint.DType
	Shape []int
	Data  []byte // little-endian, row-major
}

// A Format is a reader under test, with a function that writes files for it.
type Format struct {
	// Name is the expected result of Source.Format.
	Name string
	// DTypes lists the element types that the format can store.
	DTypes []checkpoint.DType
	// Write stores the tensors, in this order, in the empty folder dir and
	// returns the path to open.
	Write func(tb testing.TB, dir string, tensors []Tensor) (path string)
	// Open opens what Write has written.
	Open func(path string) (checkpoint.Source, error)
}

// Model returns tensors for Test: names whose natural order differs from the order of
// their bytes, a tensor without elements, and for each of dtypes a matrix and, if the
// type takes whole bytes, a scalar. The data are pseudo-random and the same on every
// call. The tensors are not in any sorted order.
func Model(dtypes []checkpoint.DType) []Tensor {
	first := dtypes[0]
	tensors := []Tensor{
		{Name: "layers.10.weight", DType: first, Shape: []int{4, 8}},
		{Name: "layers.2.weight", DType: first, Shape: []int{8, 4}},
		{Name: "layers.1.weight", DType: first, Shape: []int{2, 2, 8}},
		{Name: "none", DType: first, Shape: []int{0, 8}},
		{Name: "ünï\n\x1b[31m", DType: first, Shape: []int{8}},
	}
	for _, d := range dtypes {
		tensors = append(tensors, Tensor{Name: "type." + d.String(), DType: d, Shape: []int{3, 8}})
		if d.Bits()%8 == 0 {
			tensors = append(tensors, Tensor{Name: "scalar." + d.String(), DType: d, Shape: []int{}})
		}
	}
	state := uint32(1)
	for i := range tensors {
		n := tensors[i].DType.Bits()
		for _, d := range tensors[i].Shape {
			n *= d
		}
		data := make([]byte, n/8)
		for j := range data {
			state = state*1664525 + 1013904223 // Numerical Recipes' generator
			data[j] = byte(state >> 24)
		}
		tensors[i].Data = data
	}
	return tensors
}

// Test runs the conformance suite on the reader f. Every subtest writes its own files.
func Test(t *testing.T, f Format) {
	model := Model(f.DTypes)
	open := func(t *testing.T) (string, checkpoint.Source) {
		t.Helper()
		path := f.Write(t, t.TempDir(), model)
		src, err := f.Open(path)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		t.Cleanup(func() { src.Close() })
		return path, src
	}
	t.Run("description", func(t *testing.T) {
		path, src := open(t)
		testDescription(t, f, path, src, model)
	})
	t.Run("bytes", func(t *testing.T) {
		_, src := open(t)
		testBytes(t, src, model)
	})
	t.Run("concurrent", func(t *testing.T) {
		_, src := open(t)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { testBytes(t, src, model) })
		}
		wg.Wait()
	})
	t.Run("buffer of wrong length", func(t *testing.T) {
		_, src := open(t)
		tensors := src.Tensors()
		for i := range tensors {
			for _, n := range []int64{tensors[i].Size - 1, tensors[i].Size + 1} {
				if n >= 0 && src.ReadTensor(make([]byte, n), &tensors[i]) == nil {
					t.Errorf("%s: no error for %d bytes, size %d", tensors[i].Name, n, tensors[i].Size)
				}
			}
		}
	})
	t.Run("foreign tensor", func(t *testing.T) {
		_, src := open(t)
		for name, change := range map[string]func(*checkpoint.Tensor){
			"file":            func(t *checkpoint.Tensor) { t.File = "another" },
			"before the data": func(t *checkpoint.Tensor) { t.Offset = 0 },
			"negative":        func(t *checkpoint.Tensor) { t.Offset = -1 },
			"beyond the data": func(t *checkpoint.Tensor) { t.Offset = 1 << 62 },
		} {
			foreign := src.Tensors()[0]
			change(&foreign)
			if src.ReadTensor(make([]byte, foreign.Size), &foreign) == nil {
				t.Errorf("%s: no error", name)
			}
		}
	})
	t.Run("truncated after open", func(t *testing.T) {
		path, src := open(t)
		testTruncated(t, path, src)
	})
	t.Run("close", func(t *testing.T) {
		_, src := open(t)
		if err := src.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		tensor := slices.MaxFunc(src.Tensors(), func(a, b checkpoint.Tensor) int { return int(a.Size - b.Size) })
		if src.ReadTensor(make([]byte, tensor.Size), &tensor) == nil {
			t.Error("no error from ReadTensor after Close")
		}
	})
}

func testDescription(t *testing.T, f Format, path string, src checkpoint.Source, model []Tensor) {
	if got := src.Format(); got != f.Name {
		t.Errorf("Format() = %q, want %q", got, f.Name)
	}
	if got := src.Path(); got != path {
		t.Errorf("Path() = %q, want %q", got, path)
	}
	want := slices.Clone(model)
	slices.SortFunc(want, func(a, b Tensor) int {
		if checkpoint.NaturalLess(a.Name, b.Name) {
			return -1
		}
		return 1
	})
	files := make(map[string]checkpoint.File)
	for i, file := range src.Files() {
		files[file.Name] = file
		if i > 0 && src.Files()[i-1].Name >= file.Name {
			t.Errorf("Files() out of order: %q", file.Name)
		}
		if len(file.HeaderSHA256) != 64 {
			t.Errorf("%s: HeaderSHA256 = %q, want 64 digits", file.Name, file.HeaderSHA256)
		}
	}
	got := src.Tensors()
	if len(got) != len(want) {
		t.Fatalf("%d tensors, want %d", len(got), len(want))
	}
	for i := range want {
		g, w := &got[i], &want[i]
		if g.Name != w.Name || g.DType != w.DType || g.Size != int64(len(w.Data)) {
			t.Errorf("tensor %d is %q %s of %d bytes, want %q %s of %d", i, g.Name, g.DType, g.Size, w.Name, w.DType, len(w.Data))
		}
		if diff := cmp.Diff(w.Shape, g.Shape); diff != "" {
			t.Errorf("%q: shape (-want +got):\n%s", w.Name, diff)
		}
		file, ok := files[g.File]
		if !ok || g.Offset < 0 || g.Offset > file.Size-g.Size {
			t.Errorf("%q: bytes %d+%d of %q, which has %d", g.Name, g.Offset, g.Size, g.File, file.Size)
		}
	}
}

func testBytes(t *testing.T, src checkpoint.Source, model []Tensor) {
	byName := make(map[string][]byte)
	for _, m := range model {
		byName[m.Name] = m.Data
	}
	tensors := src.Tensors()
	for i := range tensors {
		dst := bytes.Repeat([]byte{0xa5}, int(tensors[i].Size))
		if err := src.ReadTensor(dst, &tensors[i]); err != nil {
			t.Errorf("ReadTensor: %v", err)
		} else if !bytes.Equal(dst, byName[tensors[i].Name]) {
			t.Errorf("%q: wrong bytes", tensors[i].Name)
		}
	}
}

// testTruncated removes the last byte of every file and reads all tensors. Reading a
// tensor that has lost a byte must fail; no read may return wrong bytes.
func testTruncated(t *testing.T, path string, src checkpoint.Source) {
	dir := path
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		dir = filepath.Dir(path)
	}
	sizes := make(map[string]int64)
	for _, file := range src.Files() {
		sizes[file.Name] = file.Size
		if err := os.Truncate(filepath.Join(dir, file.Name), file.Size-1); err != nil {
			t.Fatal(err)
		}
	}
	cut := 0
	tensors := src.Tensors()
	for i := range tensors {
		tensor := &tensors[i]
		err := src.ReadTensor(make([]byte, tensor.Size), tensor)
		if tensor.Size > 0 && tensor.Offset+tensor.Size == sizes[tensor.File] {
			cut++
			if err := checkTruncated(err, tensor); err != nil {
				t.Error(err)
			}
		}
	}
	if cut == 0 {
		t.Error("no tensor ends a file: nothing was tested")
	}
}

func checkTruncated(err error, tensor *checkpoint.Tensor) error {
	var te *checkpoint.TensorError
	switch {
	case !errors.Is(err, checkpoint.ErrCorrupt):
		return fmt.Errorf("%q: error %v, want one of class ErrCorrupt", tensor.Name, err)
	case !errors.As(err, &te) || te.File != tensor.File || te.Tensor != tensor.Name:
		return fmt.Errorf("%q: error %v, want a TensorError that names file and tensor", tensor.Name, err)
	}
	return nil
}
