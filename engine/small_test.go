package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// memory is a checkpoint in memory.
type memory struct {
	tensors []checkpoint.Tensor
	data    map[string][]float32
}

func newMemory() *memory { return &memory{data: map[string][]float32{}} }

// add adds a float32 tensor.
func (m *memory) add(name string, w []float32, shape ...int) *memory {
	return m.addAs(checkpoint.F32, name, w, shape...)
}

func (m *memory) addAs(d checkpoint.DType, name string, w []float32, shape ...int) *memory {
	m.tensors = append(m.tensors, checkpoint.Tensor{
		Name: name, DType: d, Shape: shape, File: "memory", Size: int64(d.Bits() / 8 * len(w)), Encoding: d.Encoding(),
	})
	m.data[name] = w
	return m
}

func (m *memory) Format() string               { return "memory" }
func (m *memory) Path() string                 { return "memory" }
func (m *memory) Files() []checkpoint.File     { return nil }
func (m *memory) Tensors() []checkpoint.Tensor { return m.tensors }
func (m *memory) Close() error                 { return nil }

func (m *memory) ReadTensor(dst []byte, t *checkpoint.Tensor) error {
	t.DType.Encode(dst, m.data[t.Name])
	return nil
}

// analyze analyses m at the given levels with float32 results.
func (m *memory) analyze(t *testing.T, levels string, change func(*engine.Options)) *engine.Result {
	t.Helper()
	opts := engine.DefaultOptions()
	var err error
	if opts.Levels, err = quant.ParseList(levels); err != nil {
		t.Fatal(err)
	}
	opts.KeepEigenvalues = true
	if change != nil {
		change(&opts)
	}
	res, err := engine.Analyze(context.Background(), m, opts)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// lcg gives the uniform numbers of the golden cases.
func lcg(n int, seed uint64) []float64 {
	out := make([]float64, n)
	for i := range out {
		seed = (1103515245*seed + 12345) % (1 << 31)
		out[i] = float64(seed) / (1 << 31)
	}
	return out
}

// goldenMatrix is mat() of testdata/weightwatcher-small/golden.py.
func goldenMatrix(rows, cols int, seed uint64, kind string) []float32 {
	w := make([]float32, rows*cols)
	for i, u := range lcg(rows*cols, seed) {
		u -= 0.5
		switch kind {
		case "uniform":
			w[i] = float32(u * 0.2)
		case "heavy":
			w[i] = float32(u * 0.2 * (1 / math.Sqrt(float64(i/cols+1))) * 4)
		case "ternary":
			switch {
			case u > 0.47:
				w[i] = 0.25
			case u < -0.47:
				w[i] = -0.25
			}
		}
	}
	return w
}

func goldenCases(t *testing.T) map[string]map[string]string {
	t.Helper()
	data, err := os.ReadFile("testdata/weightwatcher-small/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases map[string]json.RawMessage `json:"cases"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	cases := map[string]map[string]string{}
	for name, raw := range file.Cases {
		var fields map[string]any
		if json.Unmarshal(raw, &fields) != nil {
			continue // the list of slices
		}
		m := map[string]string{}
		for k, v := range fields {
			switch v := v.(type) {
			case float64:
				m[k] = strconv.FormatFloat(v, 'g', -1, 64)
			default:
				m[k] = fmt.Sprint(v)
			}
		}
		cases[name] = m
	}
	return cases
}

// analyzeExact measures weights as they are. The golden matrices do not fit
// float16, and every level of an analysis would change them.
func analyzeExact(t *testing.T, w []float32, rows, cols, slices int, typ engine.LayerType) *engine.Row {
	t.Helper()
	row, err := engine.MeasureForTest(w, rows, cols, slices, typ)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func TestSmallAgainstWeightWatcher(t *testing.T) {
	cases := goldenCases(t)
	scaled := goldenMatrix(24, 30, 5, "heavy")
	for i := range scaled {
		scaled[i] *= 0.01
	}
	for _, tc := range []struct {
		name       string
		w          []float32
		rows, cols int
	}{
		{"A_uniform_40x64", goldenMatrix(40, 64, 1, "uniform"), 40, 64},
		{"B_heavy_64x96", goldenMatrix(64, 96, 2, "heavy"), 64, 96},
		{"C_square_48x48", goldenMatrix(48, 48, 3, "uniform"), 48, 48},
		{"D_ternary_32x48", goldenMatrix(32, 48, 4, "ternary"), 32, 48},
		{"E_heavy_small_24x30", scaled, 24, 30},
	} {
		t.Run(tc.name, func(t *testing.T) {
			compareRow(t, tc.name, analyzeExact(t, tc.w, tc.rows, tc.cols, 1, engine.Dense), cases[tc.name])
		})
	}
}

// TestConvAgainstWeightWatcher takes the slices of a 3×3 convolution. With the
// NumPy that made the golden numbers the tool multiplied each weight in float32
// by the root of 1/2, rounded; ours halves the eigenvalues exactly. So the weights
// are multiplied in the same way here and taken for slices without a factor.
func TestConvAgainstWeightWatcher(t *testing.T) {
	const rows, cols, slices = 16, 8, 9
	rounded := float32(math.Sqrt(0.5))
	w := make([]float32, 0, rows*cols*slices)
	for s := range slices {
		for _, v := range goldenMatrix(rows, cols, uint64(10+s), "heavy") {
			w = append(w, v*rounded)
		}
	}
	row := analyzeExact(t, w, rows, cols, slices, engine.Dense)
	row.Layer.Type = engine.Conv2D
	compareRow(t, "F", row, goldenCases(t)["F_conv_16x8x3x3_pool"])
}

// TestConvFactor shows the way of a convolution through the engine: slices are
// gathered from the stored order, pooled, and their eigenvalues halved.
func TestConvFactor(t *testing.T) {
	const rows, cols, k = 12, 6, 3
	stored := make([]float32, rows*cols*k*k)
	sliced := make([]float32, len(stored))
	for i := range stored {
		// Eighths are exact in float16.
		stored[i] = float32((i*7919)%17-8) / 8
		sliced[(i%(k*k))*rows*cols+i/(k*k)] = stored[i]
	}
	res := newMemory().add("c.weight", stored, rows, cols, k, k).analyze(t, "fp16", nil)
	got := &res.Rows[0][0]
	want := analyzeExact(t, sliced, rows, cols, k*k, engine.Dense)
	if got.Layer.Type != engine.Conv2D || got.Layer.NumEvals() != cols*k*k {
		t.Fatalf("layer %+v", got.Layer)
	}
	for i := range want.Eigenvalues {
		if g, w := got.Eigenvalues[i], want.Eigenvalues[i]/2; math.Abs(g-w) > 1e-14*want.Get("spectral_norm") {
			t.Errorf("eigenvalue %d = %v, want %v", i, g, w)
		}
	}
}
