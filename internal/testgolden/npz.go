package testgolden

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Shared returns the path of a file of the reference data that lie beside the checkout, and
// skips the test if they are not there. up leads from the folder of the test to the root of
// the repository.
func Shared(t testing.TB, up, path string) string {
	t.Helper()
	path = filepath.Join(filepath.FromSlash(up), "..", "shared", filepath.FromSlash(path))
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the reference data are not there: %v", err)
	}
	return path
}

// An Array is one array of a NumPy archive, in C order.
type Array struct {
	Shape []int
	Type  string // as NumPy writes it, "<f4"
	Data  []byte // little-endian
}

// Floats returns the elements of an array of float32 numbers.
func (a Array) Floats() []float32 {
	if a.Type != "<f4" {
		panic("an array of " + a.Type + ", not of float32")
	}
	x := make([]float32, len(a.Data)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(a.Data[4*i:]))
	}
	return x
}

// NPZ returns the arrays of a NumPy archive by name.
func NPZ(t testing.TB, path string) map[string]Array {
	t.Helper()
	archive, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	all := map[string]Array{}
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		r.Close()
		if err == nil {
			all[strings.TrimSuffix(f.Name, ".npy")], err = parseNPY(data)
		}
		if err != nil {
			t.Fatalf("%s: %s: %v", path, f.Name, err)
		}
	}
	return all
}

var npyHeader = regexp.MustCompile(`'descr': '([^']+)', 'fortran_order': False, 'shape': \(([0-9, ]*)\)`)

func parseNPY(data []byte) (Array, error) {
	if !bytes.HasPrefix(data, []byte("\x93NUMPY\x01\x00")) || len(data) < 10 {
		return Array{}, fmt.Errorf("not an array of NumPy's format 1.0")
	}
	end := 10 + int(binary.LittleEndian.Uint16(data[8:]))
	m := npyHeader.FindSubmatch(data[:min(end, len(data))])
	if m == nil {
		return Array{}, fmt.Errorf("header %q", data[:min(end, len(data))])
	}
	a := Array{Type: string(m[1]), Data: data[end:]}
	for part := range strings.SplitSeq(string(m[2]), ",") {
		if part = strings.TrimSpace(part); part != "" {
			n, err := strconv.Atoi(part)
			if err != nil {
				return Array{}, err
			}
			a.Shape = append(a.Shape, n)
		}
	}
	return a, nil
}
