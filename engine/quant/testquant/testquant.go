// Package testquant is the conformance suite for quantization schemes. Each scheme runs
// [Test] from its tests. The package is imported by tests only.
package testquant

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// Properties say what holds of a scheme beyond what holds of all.
type Properties struct {
	// Idempotent: the dequantized weights, quantized again, stay as they are, to this
	// relative error of the largest weight. Negative if it does not hold.
	Idempotent float64
	// Divides is what the number of columns of a tensor must be a multiple of; 0 if the
	// scheme takes all. Others are refused.
	Divides int
	// Global says that all weights share a parameter beside those of their groups.
	Global bool
	// Equivariant: weights times a power of two have results times that power.
	Equivariant bool
}

// floats are the types that dequantized weights may be stored in.
var floats = []checkpoint.DType{checkpoint.F32, checkpoint.F16, checkpoint.BF16, checkpoint.F64}

// matrices returns weights of many kinds and shapes.
func matrices() map[string]quant.Dense {
	rng := rand.New(rand.NewPCG(11, 12))
	fill := func(rows, cols int, f func(i int) float64) quant.Dense {
		d := quant.Dense{Rows: rows, Cols: cols, W: make([]float32, rows*cols)}
		for i := range d.W {
			d.W[i] = float32(f(i))
		}
		return d
	}
	normal := func(int) float64 { return 0.02 * rng.NormFloat64() }
	return map[string]quant.Dense{
		"gaussian":   fill(48, 256, normal),
		"ragged":     fill(13, 75, normal),
		"one row":    fill(1, 300, normal),
		"one column": fill(70, 1, normal),
		"one weight": fill(1, 1, func(int) float64 { return 0.7 }),
		"heavy":      fill(32, 96, func(int) float64 { return math.Pow(1-rng.Float64(), -0.5) * float64(1-2*rng.IntN(2)) / 50 }),
		"outlier": fill(16, 64, func(i int) float64 {
			if i == 777 {
				return 30
			}
			return normal(i)
		}),
		"positive":  fill(16, 64, func(int) float64 { return 1 + rng.Float64() }),
		"ties":      fill(16, 64, func(i int) float64 { return float64(i%31-15) / 2 }),
		"zero":      fill(8, 32, func(int) float64 { return 0 }),
		"constant":  fill(8, 32, func(int) float64 { return -0.3 }),
		"zero rows": fill(16, 32, func(i int) float64 { return normal(i) * float64(i/32%2) }),
		"subnormal": fill(8, 32, func(int) float64 { return 1e-40 * rng.NormFloat64() }),
	}
}

// dequantize fits the scheme to w and returns what becomes of it, read in pieces cut at
// multiples of cut columns, or in one piece if cut is 0.
func dequantize(s quant.Scheme, w quant.Dense, out checkpoint.DType, cut int) ([]float32, quant.Quantizer, error) {
	q, err := s.Fit(w, out)
	if err != nil {
		return nil, nil, err
	}
	dst := make([]float32, len(w.W))
	if cut == 0 {
		w.Each(1, func(p quant.Piece) { q.Dequantize(dst, p) })
		return dst, q, nil
	}
	for row := range w.Rows {
		for col := 0; col < w.Cols; col += cut {
			n := min(cut, w.Cols-col)
			at := row*w.Cols + col
			q.Dequantize(dst[at:at+n], quant.Piece{W: w.W[at : at+n], Row: row, Col: col, Width: w.Cols})
		}
	}
	return dst, q, nil
}

// Test runs the suite on the scheme called name.
func Test(t *testing.T, name string, props Properties) {
	recipe, err := quant.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	s := recipe.For(quant.Target{Name: "a.weight", Rows: 64, Cols: 256})
	t.Run("name", func(t *testing.T) {
		back, err := quant.Parse(recipe.Name())
		if err != nil || back != recipe {
			t.Errorf("%s reads back as %v, %v", recipe.Name(), back, err)
		}
	})
	TestScheme(t, s, props)
}

// TestScheme runs the suite on a scheme that Parse need not know.
func TestScheme(t *testing.T, s quant.Scheme, props Properties) {
	if large, small := s.BitsPerWeight(0, 0), s.BitsPerWeight(4, 256); !(large > 0) || small < large {
		t.Errorf("%g bits a weight, %g in a small tensor", large, small)
	}
	all := matrices()
	for kind, w := range all {
		if props.Divides > 0 && w.Cols%props.Divides != 0 {
			delete(all, kind)
			if _, err := s.Fit(w, checkpoint.F32); err == nil {
				t.Errorf("%s: rows of %d weights are taken", kind, w.Cols)
			}
		}
	}
	t.Run("stored", func(t *testing.T) { testStored(t, s, all) })
	t.Run("pieces", func(t *testing.T) { testPieces(t, s, all) })
	t.Run("concurrent", func(t *testing.T) { testConcurrent(t, s, all) })
	if !props.Global {
		t.Run("groups", func(t *testing.T) { testGroups(t, s, all) })
	}
	t.Run("codebook", func(t *testing.T) { testCodebook(t, s, all) })
	t.Run("unit", func(t *testing.T) { testUnit(t, s, all) })
	t.Run("refusals", func(t *testing.T) { testRefusals(t, s) })
	if props.Idempotent >= 0 {
		t.Run("idempotent", func(t *testing.T) { testIdempotent(t, s, all, props.Idempotent) })
	}
	if props.Equivariant {
		t.Run("equivariant", func(t *testing.T) { testEquivariant(t, s, all) })
	}
}

// testStored: results can be stored, weights are left alone, and nothing is written
// behind the destination.
func testStored(t *testing.T, s quant.Scheme, all map[string]quant.Dense) {
	for kind, w := range all {
		for _, out := range floats {
			q, err := s.Fit(w, out)
			if err != nil {
				t.Errorf("%s in %v: %v", kind, out, err)
				continue
			}
			before := slices.Clone(w.W)
			dst := make([]float32, len(w.W)+8)
			for i := range dst {
				dst[i] = -7
			}
			w.Each(1, func(p quant.Piece) { q.Dequantize(dst[:len(p.W)], p) })
			if !slices.Equal(before, w.W) {
				t.Errorf("%s in %v: the weights were changed", kind, out)
			}
			for _, v := range dst[len(w.W):] {
				if v != -7 {
					t.Errorf("%s in %v: written behind the destination", kind, out)
				}
			}
			rounded := slices.Clone(dst[:len(w.W)])
			out.Round(rounded)
			for i, v := range dst[:len(w.W)] {
				if v-v != 0 || rounded[i] != v {
					t.Fatalf("%s: weight %d = %v cannot be stored as %v", kind, i, v, out)
				}
			}
		}
	}
}

// testPieces: a weight has one result, in whatever piece it is read.
func testPieces(t *testing.T, s quant.Scheme, all map[string]quant.Dense) {
	align := s.Granularity().Align()
	for kind, w := range all {
		want, _, err := dequantize(s, w, checkpoint.BF16, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, cut := range []int{align, 3 * align, w.Cols} {
			got, _, err := dequantize(s, w, checkpoint.BF16, cut)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: other results in pieces of %d columns, %v", kind, cut, err)
			}
		}
	}
}

func testConcurrent(t *testing.T, s quant.Scheme, all map[string]quant.Dense) {
	w := all["gaussian"]
	want, q, err := dequantize(s, w, checkpoint.F32, 0)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			got := make([]float32, len(want))
			w.Each(1, func(p quant.Piece) { q.Dequantize(got, p) })
			if !slices.Equal(got, want) {
				t.Error("other results beside other goroutines")
			}
		})
	}
	group.Wait()
}

// testGroups: what shares no parameters with a weight does not change its result.
func testGroups(t *testing.T, s quant.Scheme, all map[string]quant.Dense) {
	g := s.Granularity()
	if g == (quant.Granularity{}) {
		return // all weights share them
	}
	w := all["gaussian"]
	want, _, err := dequantize(s, w, checkpoint.F32, 0)
	if err != nil {
		t.Fatal(err)
	}
	other := quant.Dense{Rows: w.Rows, Cols: w.Cols, W: slices.Clone(w.W)}
	const at = 10*256 + 70
	other.W[at] *= 40
	got, _, err := dequantize(s, other, checkpoint.F32, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if got[i] != want[i] && !shares(g, i, at, w.Cols) {
			t.Fatalf("weight %d changes with weight %d, in another group", i, at)
		}
	}
}

// shares reports whether weights i and j share parameters.
func shares(g quant.Granularity, i, j, cols int) bool {
	if g.Run != 0 {
		return i/g.Run == j/g.Run
	}
	block := func(i, size int) int {
		if size == 0 {
			return 0
		}
		return i / size
	}
	return block(i/cols, g.Rows) == block(j/cols, g.Rows) && block(i%cols, g.Cols) == block(j%cols, g.Cols)
}

// testCodebook: the value of a weight's code is its result.
func testCodebook(t *testing.T, s quant.Scheme, all map[string]quant.Dense) {
	for kind, w := range all {
		for _, out := range floats {
			got, q, err := dequantize(s, w, out, 0)
			if err != nil {
				t.Fatal(err)
			}
			book, ok := q.(quant.Codebook)
			if !ok {
				continue
			}
			codes := make([]uint16, len(got))
			book.Codes(codes, w.W, got)
			if values := book.Values(codes); !slices.Equal(values, got) {
				t.Errorf("%s in %v: the values of the codes are not the results", kind, out)
			}
		}
	}
}

// testUnit: where there is a unit, of the tensor or of its rows, dividing by it gives integers
// within the limit.
func testUnit(t *testing.T, s quant.Scheme, all map[string]quant.Dense) {
	for kind, w := range all {
		for _, out := range floats {
			got, q, err := dequantize(s, w, out, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, limit := range []int{math.MaxInt8, math.MaxInt16} {
				if integral, ok := q.(quant.Integral); ok {
					if unit, largest, ok := integral.Unit(limit); ok {
						if float64(float32(unit)) != unit || largest > limit {
							t.Errorf("%s in %v: unit %g, largest multiple %d of %d", kind, out, unit, largest, limit)
						}
						testMultiples(t, fmt.Sprintf("%s in %v", kind, out), got, unit, largest, out)
					}
				}
				if integral, ok := q.(quant.RowIntegral); ok {
					units, largest, ok := integral.RowUnits(limit)
					if ok && (len(units) != w.Rows || largest > limit) {
						t.Errorf("%s in %v: %d units, largest multiple %d of %d", kind, out, len(units), largest, limit)
					}
					for i, unit := range units {
						if !(unit >= 0x1p-126) {
							t.Errorf("%s in %v: unit %g of row %d", kind, out, unit, i)
						}
						testMultiples(t, fmt.Sprintf("%s in %v, row %d", kind, out, i), got[i*w.Cols:][:w.Cols], unit, largest, out)
					}
				}
			}
		}
	}
}

// testMultiples: weights are integer multiples of a unit up to the largest, exactly in narrow
// types.
func testMultiples(t *testing.T, where string, weights []float32, unit float64, largest int, out checkpoint.DType) {
	t.Helper()
	exact := out == checkpoint.F16 || out == checkpoint.BF16
	for i, v := range weights {
		n := float64(v) / unit
		r := math.RoundToEven(n)
		if math.Abs(r) > float64(largest) || exact && n != r || math.Abs(n-r) > 1e-4+3*0x1p-24*math.Abs(n) {
			t.Fatalf("%s: weight %d = %v is %v times %v, at most %d", where, i, v, n, unit, largest)
		}
	}
}

// testRefusals: weights that are not finite, or have no finite result, are errors.
func testRefusals(t *testing.T, s quant.Scheme) {
	w := quant.Dense{Rows: 2, Cols: 256, W: make([]float32, 512)}
	for i := range w.W {
		w.W[i] = float32(i-240) / 256
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		w.W[5] = float32(bad)
		if _, err := s.Fit(w, checkpoint.F32); err == nil {
			t.Errorf("%g among the weights was taken", bad)
		}
	}
	w.W[5] = 70000
	if _, err := s.Fit(w, checkpoint.F16); !errors.Is(err, quant.ErrOverflow) {
		t.Errorf("70000 in float16: %v", err)
	}
	w.W[5] = 1
	if _, err := s.Fit(w, checkpoint.I8); err == nil {
		t.Error("results stored as integers")
	}
}

func testIdempotent(t *testing.T, s quant.Scheme, all map[string]quant.Dense, tolerance float64) {
	for kind, w := range all {
		once, _, err := dequantize(s, w, checkpoint.F32, 0)
		if err != nil {
			t.Fatal(err)
		}
		twice, _, err := dequantize(s, quant.Dense{Rows: w.Rows, Cols: w.Cols, W: once}, checkpoint.F32, 0)
		if err != nil {
			t.Fatal(err)
		}
		top := float64(quant.RangeOf(once).AbsMax())
		for i := range once {
			if d := math.Abs(float64(twice[i]) - float64(once[i])); d > tolerance*top {
				t.Errorf("%s: weight %d = %v becomes %v, then %v", kind, i, w.W[i], once[i], twice[i])
				break
			}
		}
	}
}

func testEquivariant(t *testing.T, s quant.Scheme, all map[string]quant.Dense) {
	for kind, w := range all {
		if kind == "subnormal" {
			continue // precision is lost at other powers
		}
		want, _, err := dequantize(s, w, checkpoint.F32, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, factor := range []float32{0x1p-20, 0x1p-1, 0x1p7} {
			scaled := quant.Dense{Rows: w.Rows, Cols: w.Cols, W: slices.Clone(w.W)}
			for i := range scaled.W {
				scaled.W[i] *= factor
			}
			got, _, err := dequantize(s, scaled, checkpoint.F32, 0)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if got[i] != want[i]*factor {
					t.Errorf("%s times %g: weight %d becomes %v, want %v", kind, factor, i, got[i], want[i]*factor)
					break
				}
			}
		}
	}
}

// A Vector is one tensor and what a scheme makes of it.
type Vector struct {
	Scheme  string    `json:"scheme"`
	Comment string    `json:"comment,omitempty"`
	Out     string    `json:"out"` // type of the results, as safetensors names it
	Rows    int       `json:"rows"`
	Cols    int       `json:"cols"`
	Weights []float32 `json:"weights"`
	Want    []float32 `json:"want"`
}

// Vectors holds schemes to the vectors of a JSON file, every value in every bit but for
// the sign of zero.
func Vectors(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []Vector
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("%s holds no vectors", file)
	}
	for i, v := range all {
		t.Run(fmt.Sprintf("%d %s %s", i, v.Scheme, v.Out), func(t *testing.T) {
			recipe, err := quant.Parse(v.Scheme)
			if err != nil {
				t.Fatal(err)
			}
			out, ok := checkpoint.ParseDType(v.Out)
			if !ok || len(v.Weights) != v.Rows*v.Cols {
				t.Fatalf("type %s, %d weights", v.Out, len(v.Weights))
			}
			s := recipe.For(quant.Target{Rows: v.Rows, Cols: v.Cols})
			got, _, err := dequantize(s, quant.Dense{Rows: v.Rows, Cols: v.Cols, W: v.Weights}, out, 0)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, v.Want) {
				t.Errorf("%s\n%v becomes\n%v, want\n%v", v.Comment, v.Weights, got, v.Want)
			}
		})
	}
}
