package quant_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/internal/testgolden"
)

var updateDigests = flag.Bool("update-digests", false, "rewrite the hashes of what schemes make of the inputs, after TestGolden has passed")

const digestFile = "testdata/digests.json"

// digestNames are the schemes that are hashed: all examples of the registry, and others in
// the arithmetic of narrow types.
func digestNames() []string {
	var names []string
	for _, d := range quant.Descriptions() {
		if !strings.HasPrefix(d.Name, "gguf:") { // which are made of others
			names = append(names, d.Name)
		}
	}
	for _, name := range []string{
		"ct-w4a16", "ct-w4a16-asym", "ct-w8a16", "ct-w8a8", "ct-fp8", "ct-fp8-block", "ct-nvfp4", "awq-int4-g128", "quanto-qint8", "quanto-qint4", "quanto-qint2", "quanto-qfloat8",
		"torchao-int8", "torchao-int4-g128", "torchao-int4-g128-asym", "torchao-int4-tinygemm-g128", "torchao-float8", "mlx-4bit", "mlx-4bit:cpu", "mlx-3bit-g64:cpu", "bnb-nf4",
	} {
		for _, at := range []string{"@bf16", "@f16"} {
			names = append(names, name+at)
		}
	}
	return append(names, "bnb-fp4-dq", "bnb-nf4-b4096", "gptq-int4-g32-mse", "torchao-int4-g128-noclip", "mxfp6-e2m3:microxcaling", "mxint8:microxcaling", "mxfp8-e4m3:rceil", "mxfp8-e5m2:ceil",
		"mxfp4:modelopt", "hqq-int4-g64-axis0", "hqq-int4-g64:bf16", "hqq-int4-g64-noopt", "hqq-int8-row", "hqq-int1-g32", "torchao-float8-e5m2-row", "torchao-int8-tensor", "fp8-e5m2-tensor", "int5-row-asym", "int4-col")
}

// TestDigests: the values of every scheme are those that TestGolden compared with those of
// the tools, on every machine. Rows of edge cases are tensors of their own.
func TestDigests(t *testing.T) {
	inputs := testgolden.NPZ(t, "testdata/inputs.npz")
	got := map[string]string{}
	for _, name := range digestNames() {
		recipe, err := quant.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, input := range slices.Sorted(maps.Keys(inputs)) {
			got[name+" "+input] = digest(t, recipe, inputs[input], input == "edge")
		}
	}
	if *updateDigests {
		data, err := json.MarshalIndent(got, "", " ")
		if err == nil {
			err = os.WriteFile(digestFile, append(data, '\n'), 0o666)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(digestFile)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]string
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	if len(want) != len(got) {
		t.Errorf("%d hashes, want %d", len(got), len(want))
	}
	for key, w := range want {
		if got[key] != w {
			t.Errorf("%s: %s, want %s", key, got[key], w)
		}
	}
}

// digest hashes what becomes of an input: sixteen digits, or the error.
func digest(t *testing.T, recipe quant.Recipe, input testgolden.Array, apart bool) string {
	t.Helper()
	d := checkpoint.F32
	switch _, at, _ := strings.Cut(recipe.Name(), "@"); at {
	case "bf16":
		d = checkpoint.BF16
	case "f16":
		d = checkpoint.F16
	}
	x := input.Floats()
	d.Round(x)
	rows, cols := input.Shape[0], input.Shape[1]
	step := rows
	if apart {
		step = 1
	}
	h := sha256.New()
	for i := 0; i < rows; i += step {
		part := x[i*cols:][:step*cols]
		s := recipe.For(quant.Target{Rows: step, Cols: cols, DType: d})
		out := checkpoint.F32
		if o, ok := s.(quant.Outputting); ok {
			out = o.Output(d)
		}
		q, err := s.Fit(quant.Dense{Rows: step, Cols: cols, W: part}, out)
		if err != nil {
			if !apart {
				return "refused"
			}
			h.Write([]byte("refused"))
			continue
		}
		got := make([]float32, len(part))
		q.Dequantize(got, quant.Piece{W: part, Width: cols})
		for _, v := range got {
			var b [4]byte
			if v != 0 { // zeros of both signs are one
				binary.LittleEndian.PutUint32(b[:], math.Float32bits(v))
			}
			h.Write(b[:])
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
