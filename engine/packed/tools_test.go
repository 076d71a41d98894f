package packed

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/internal/testgolden"
)

// toolNames turn names of the reference data into those of schemes.
var toolNames = []struct{ from, to string }{
	{`bnb-(nf4|fp4)-b64(-dq)?`, "bnb-$1$2"}, {`bnb-(nf4|fp4)-b(128|4096)`, "bnb-$1-b$2"}, {`bnb-int8`, "bnb-int8"}, {`mlx-affine-(\dbit-g\d+)`, "mlx-$1:cpu"},
	{`modelopt-nvfp4`, "nvfp4:modelopt"}, {`ct-nvfp4a16`, "ct-nvfp4"}, {`ct-(w\da16)`, "ct-$1"}, {`ct-w4a16_asym`, "ct-w4a16-asym"}, {`ct-mxfp4a16`, "ct-mxfp4"},
	{`hqq-(int\d-(?:g\d+|row)(?:-axis0)?)`, "hqq-$1"}, {`fp8-(e4m3|e5m2)-(tensor|row)`, "fp8-$1-$2"}, {`fp8-(e4m3|e5m2)-direct`, "fp8-$1-direct"}, {`fp8-e4m3-b128x128-deepseek`, "fp8-e4m3-b128"},
	{`fp8-e4m3-b128x128-ue8m0`, "fp8-e4m3-b128:ue8m0"}, {`quanto-(qint\d)`, "quanto-$1"}, {`quanto-qfloat8_e4m3fn`, "quanto-qfloat8"}, {`awq-(int4-g\d+)`, "awq-$1"},
}

// toolParts are the parts of a layout by names of arrays of the reference data: those whose
// bytes the tool has made as they are stored, or in float32.
var toolParts = map[string][]string{
	"packed": {"weight"}, "absmax": {"weight.absmax"}, "nested_absmax": {"weight.nested_absmax"}, "nested_map": {"weight.nested_quant_map"},
	"scb": {"SCB"}, "scale": {"scales", "scale", "weight_scale", "weight._scale", "weight_scale_inv"}, "bias": {"biases"}, "global": {"weight_global_scale", "weight_scale_2"},
	"shift": {"weight._shift"}, "zero": {"zero"}, "codes": {"weight"},
}

// TestTools compares packed bytes and parameters with those that tools have made.
func TestTools(t *testing.T) {
	inputs := testgolden.NPZ(t, testgolden.Shared(t, "../..", "golden/schemes/inputs.npz"))
	compared := map[string]int{}
	for _, file := range []string{"bnb", "mlx", "modelopt", "compressed-tensors", "fp8", "quanto", "awq"} {
		arrays := testgolden.NPZ(t, testgolden.Shared(t, "../..", "golden/schemes/"+file+".npz"))
		for _, key := range slices.Sorted(maps.Keys(arrays)) {
			parts := strings.Split(key, "/")
			names := toolParts[parts[len(parts)-1]]
			if parts[len(parts)-1] == "codes" && file == "mlx" {
				continue // they are not packed
			}
			if len(parts) != 3 || parts[1] != "gauss" || names == nil {
				continue
			}
			base, at, _ := strings.Cut(parts[0], "@")
			d := map[string]checkpoint.DType{"": checkpoint.F32, "bf16": checkpoint.BF16, "f16": checkpoint.F16}[at]
			for _, n := range toolNames {
				re := regexp.MustCompile("^(?:" + n.from + ")$")
				if !re.MatchString(base) {
					continue
				}
				in := inputs[parts[1]]
				f := fit(t, re.ReplaceAllString(base, n.to), d, quant.Dense{Rows: in.Shape[0], Cols: in.Shape[1], W: in.Floats()})
				got, err := exactly(f.layout, f.out).Pack(f.w, f.q)
				if err != nil {
					t.Errorf("%s: %v", key, err)
					continue
				}
				for _, name := range names {
					if part, ok := got[name]; ok {
						compared[file]++
						compareArray(t, key, part, arrays[key])
					}
				}
			}
		}
	}
	for file, least := range map[string]int{"bnb": 32, "mlx": 36, "modelopt": 4, "compressed-tensors": 15, "fp8": 12, "quanto": 13, "awq": 4} {
		if compared[file] < least {
			t.Errorf("%d parts of %s were compared", compared[file], file)
		}
	}
}

// exactly returns a layout with scales in the type in which the scheme computes.
func exactly(l Layout, d checkpoint.DType) Layout {
	switch l := l.(type) {
	case AWQ:
		l.Scales = d
		return l
	case GPTQ:
		l.Scales, l.RoundScales = d, false
		return l
	}
	return l
}

// compareArray compares a part with an array: bytes with bytes, and numbers by their values,
// whichever way their matrix is turned.
func compareArray(t *testing.T, key string, part Part, want testgolden.Array) {
	t.Helper()
	if want.Type != "<f4" {
		if !bytes.Equal(part.Data, want.Data) {
			t.Errorf("%s: other bytes", key)
		}
		return
	}
	var got floats
	if part.DType == checkpoint.U8 {
		got = of(part, checkpoint.F8E8M0)
	} else {
		got = of(part, checkpoint.U8)
	}
	w := want.Floats()
	turned := len(part.Shape) == 2 && len(want.Shape) == 2 && part.Shape[0] == want.Shape[1] && part.Shape[0] != want.Shape[0]
	for i, v := range w {
		at := i
		if turned {
			at = i%want.Shape[1]*want.Shape[0] + i/want.Shape[1]
		}
		if g := got.at(at); g != v {
			t.Errorf("%s: number %d is %g, not %g", key, i, g, v)
			return
		}
	}
}
