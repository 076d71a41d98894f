package ggml

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/wwq-fast/wwq-fast/internal/testgolden"
)

// same reports whether a and b are equal, zeros of either sign and all NaN being so.
func same(a, b float32) bool { return a == b || a != a && b != b }

// undefinedRows returns, by type, which rows of the edge cases have no result that ggml
// defines, and the names of all rows.
func undefinedRows(t *testing.T) (rows []string, undefined map[string][]string) {
	t.Helper()
	data, err := os.ReadFile(testgolden.Shared(t, "../..", "golden/schemes/edge.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Rows       []string
		NotDefined map[string][]string `json:"not_defined"`
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all.Rows, all.NotDefined
}

// TestReference holds every type to what ggml gave, byte for byte.
func TestReference(t *testing.T) {
	inputs := testgolden.NPZ(t, testgolden.Shared(t, "../..", "golden/schemes/inputs.npz"))
	golden := testgolden.NPZ(t, testgolden.Shared(t, "../..", "golden/schemes/ggml.npz"))
	rows, undefined := undefinedRows(t)
	for _, typ := range Types() {
		t.Run(typ.Name(), func(t *testing.T) {
			for _, input := range []string{"gauss", "student", "real", "edge", "randombytes"} {
				bytes, ok := golden[typ.Name()+"/"+input+"/bytes"]
				if !ok {
					t.Fatalf("no %s", input)
				}
				dq := golden[typ.Name()+"/"+input+"/dq"].Floats()
				height := bytes.Shape[0]
				width, stride := len(dq)/height, len(bytes.Data)/height
				for r := range height {
					want, values := bytes.Data[r*stride:(r+1)*stride], dq[r*width:(r+1)*width]
					name := input
					if input == "edge" {
						name = rows[r]
					}
					if slices.Contains(undefined[typ.Name()], name) {
						checkUndefined(t, typ, name, inputs[input].Floats()[r*width:(r+1)*width])
						continue
					}
					if input == "randombytes" {
						got := make([]float32, width)
						typ.Decode(got, want)
						compare(t, name, r, got, values)
						continue
					}
					src := inputs[input].Floats()[r*width : (r+1)*width]
					checkRow(t, typ, name, r, src, want, values)
				}
			}
		})
	}
}

func checkRow(t *testing.T, typ Type, name string, r int, src []float32, want []byte, values []float32) {
	t.Helper()
	got := make([]byte, len(want))
	if err := typ.Quantize(got, src); err != nil {
		t.Errorf("%s, row %d: %v", name, r, err)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s, row %d: byte %d is %#x, want %#x", name, r, i, got[i], want[i])
			break
		}
	}
	dq := make([]float32, len(src))
	typ.Decode(dq, got)
	compare(t, name, r, dq, values)
	clear(dq)
	if err := typ.Dequantized(dq, src); err != nil {
		t.Error(err)
	}
	compare(t, name+" at once", r, dq, values)
}

// checkUndefined: weights that are too small become zeros, and weights that are too large
// are refused.
func checkUndefined(t *testing.T, typ Type, name string, src []float32) {
	t.Helper()
	dq := make([]float32, len(src))
	err := typ.Dequantized(dq, src)
	if name != "subnormal_f32" && name != "tiny_normal_f32" {
		if !errors.Is(err, ErrOverflow) {
			t.Errorf("%s: %v, %v", name, err, dq)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
	compare(t, name, 0, dq, make([]float32, len(src)))
}

func compare(t *testing.T, name string, r int, got, want []float32) {
	t.Helper()
	for i := range want {
		if !same(got[i], want[i]) {
			t.Errorf("%s, row %d: weight %d is %v (%#x), want %v (%#x)", name, r, i, got[i],
				math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
			return
		}
	}
}
