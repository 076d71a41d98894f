package quant_test

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/internal/testgolden"
)

// goldenNames turn names of the reference data into those of schemes, where these have no
// such spelling.
var goldenNames = []struct{ from, to string }{
	{`gptq-(int\d-g128)-(sym|asym)-fasterquant-H=I`, "gptq-$1-$2"}, // the whole loop without data
	{`mlx-affine-(\dbit-g\d+)`, "mlx-$1:cpu"},
	{`MXFP4`, "ggml-mxfp4"},
	{`NVFP4`, "ggml-nvfp4"},
}

// goldenName returns the name of the scheme of a key, and the type of its input.
func goldenName(key string) (string, checkpoint.DType) {
	base, at, _ := strings.Cut(key, "@")
	d := map[string]checkpoint.DType{"": checkpoint.F32, "bf16": checkpoint.BF16, "f16": checkpoint.F16}[at]
	for _, n := range goldenNames {
		re := regexp.MustCompile("^(?:" + n.from + ")$")
		if re.MatchString(base) {
			return re.ReplaceAllString(base, n.to), d
		}
	}
	return base, d
}

// notTried are keys of schemes that are not built.
var notTried = regexp.MustCompile(`^(tables|IQ[123]_.*)$`)

// TestGolden holds every scheme to what the tools' own code gives.
func TestGolden(t *testing.T) {
	inputs := testgolden.NPZ(t, testgolden.Shared(t, "../..", "golden/schemes/inputs.npz"))
	for _, file := range []string{"bnb", "hqq", "quanto", "torchao", "compressed-tensors", "awq", "gptq", "modelopt", "microxcaling", "mlx", "fp8", "bitnet", "ggml"} {
		t.Run(file, func(t *testing.T) {
			arrays := testgolden.NPZ(t, testgolden.Shared(t, "../..", "golden/schemes/"+file+".npz"))
			var keys []string
			for k := range arrays {
				if strings.HasSuffix(k, "/dq") {
					keys = append(keys, k)
				}
			}
			slices.Sort(keys)
			for _, k := range keys {
				parts := strings.Split(k, "/")
				if notTried.MatchString(parts[0]) || inputs[parts[1]].Data == nil {
					continue
				}
				t.Run(parts[0]+"/"+parts[1], func(t *testing.T) { compareGolden(t, parts[0], inputs[parts[1]], arrays[k], parts[1] == "edge") })
			}
		})
	}
}

// sums are the names of schemes that are made of sums over many weights.
var sums = regexp.MustCompile(`^(hqq-|quanto-.*-hqq|bnb-.*-dq|bitnet)`)

func abs(x float32) float32 { return max(x, -x) }

// compareGolden compares one array with what becomes of its input: of each row for itself
// if the rows are tensors of their own.
func compareGolden(t *testing.T, key string, input, want testgolden.Array, apart bool) {
	name, d := goldenName(key)
	recipe, err := quant.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	x, w := input.Floats(), want.Floats()
	d.Round(x)
	rows, cols := input.Shape[0], input.Shape[1]
	if !apart {
		compareTensor(t, recipe, d, x, w, rows, cols, "")
		return
	}
	for i := range rows {
		compareTensor(t, recipe, d, x[i*cols:][:cols], w[i*cols:][:cols], 1, cols, fmt.Sprintf("row %d: ", i))
	}
}

func compareTensor(t *testing.T, recipe quant.Recipe, d checkpoint.DType, x, want []float32, rows, cols int, where string) {
	t.Helper()
	s := recipe.For(quant.Target{Rows: rows, Cols: cols, DType: d})
	out := checkpoint.F32
	if o, ok := s.(interface {
		Output(checkpoint.DType) checkpoint.DType
	}); ok {
		out = o.Output(d)
	}
	defined := true
	for _, v := range want {
		defined = defined && v-v == 0
	}
	q, err := s.Fit(quant.Dense{Rows: rows, Cols: cols, W: x}, out)
	if err != nil {
		if defined {
			t.Errorf("%s%v", where, err)
		}
		return
	}
	got := make([]float32, len(x))
	q.Dequantize(got, quant.Piece{W: x, Width: cols})
	// Where a tool adds in an order of its own, last digits differ, and now and then a code.
	tolerance, allowed := float32(0), 0
	if sums.MatchString(recipe.Name()) {
		tolerance, allowed = max(1e-6*quant.RangeOf(x).AbsMax(), 1e-43), len(x)/100
		if strings.Contains(recipe.Name(), "hqq") {
			// The zero point of a group moves all of it, and in rows of ties, or of numbers near
			// the smallest, the last digits of a mean decide when the search ends.
			allowed = max(allowed, cols)
		}
	}
	different, first := 0, -1
	for i := range got {
		if want[i]-want[i] == 0 && !(abs(got[i]-want[i]) <= tolerance) {
			if different++; first < 0 {
				first = i
			}
		}
		if got[i]-got[i] != 0 {
			t.Errorf("%sweight %d, %g, becomes %g", where, i, x[i], got[i])
			return
		}
	}
	if different > allowed {
		t.Errorf("%s%d of %d differ: weight %d, %g, becomes %g, want %g (%g)", where, different, len(got), first, x[first], got[first], want[first],
			math.Abs(float64(got[first]-want[first])/float64(want[first])))
	}
}
