package packed

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// schemes are names of all schemes that have a layout: those of the registry, and settings of
// them that its examples do not show.
func schemes(t *testing.T) []string {
	t.Helper()
	names := []string{
		"bnb-nf4-b32", "bnb-nf4-b4096-dq", "bnb-fp4-dq", "bnb-fp4-b128",
		"gptq-int2-g32", "gptq-int2-row-asym", "gptq-int3-g32-asym", "gptq-int3-row", "gptq-int3-row-asym", "gptq-int4-g32-mse",
		"gptq-int8-g64-asym", "gptq-int8-row-asym", "gptq-int4-g48-asym",
		"awq-int4-g32", "awq-int4-g64",
		"mxfp8-e4m3:even", "mxfp8-e5m2:rceil", "mxfp4:ceil", "mxfp4:nearest", "mxfp4:modelopt", "mxfp4:microxcaling-even",
		"mlx-2bit", "mlx-3bit-g32", "mlx-5bit-g32", "mlx-6bit-g128", "mlx-8bit-g32", "mlx-4bit:cpu",
		"hqq-int1-g32", "hqq-int4-row", "hqq-int8-g64-axis0", "hqq-int4-g64-axis0", "hqq-int2-g16-axis0", "hqq-int3-g64-axis0", "hqq-int3-row",
		"hqq-int1-g8-axis0", "hqq-int4-g64:bf16", "hqq-int3-g64:f32", "hqq-int4-g64-noopt",
		"fp8-e5m2-tensor", "fp8-e5m2-direct", "quanto-qfloat8-e4m3",
	}
	for _, d := range quant.Descriptions() {
		if !strings.HasPrefix(d.Name, "gguf:") && !slices.Contains(names, d.Name) {
			names = append(names, d.Name)
		}
	}
	return names
}

// without are the schemes that no tool stores in safetensors in a layout that is known here.
var without = regexp.MustCompile(`^(int\d+(-.*)?|\dbit.*|q\d_.*|iq.*|tq.*|ggml-.*|torchao-.*|bnb-dynamic8|awq-int4-g\d+-sym|mxfp6-.*|mxint8.*|nvfp4:(torchao|single)|stored|fp16)$`)

// slow are schemes that search, which are tried on the quick kinds of weights only.
var slow, quick = regexp.MustCompile(`^hqq-|-mse$`), regexp.MustCompile(`^(heavy|zero groups|ties|ragged|one row|constant|outlier)$`)

// matrices are weights of many kinds and shapes.
func matrices() map[string]quant.Dense {
	rng := rand.New(rand.NewPCG(5, 6))
	fill := func(rows, cols int, f func(i int) float64) quant.Dense {
		d := quant.Dense{Rows: rows, Cols: cols, W: make([]float32, rows*cols)}
		for i := range d.W {
			d.W[i] = float32(f(i))
		}
		return d
	}
	normal := func(int) float64 { return 0.02 * rng.NormFloat64() }
	return map[string]quant.Dense{
		"gaussian": fill(64, 256, normal),
		"wide":     fill(32, 640, normal),
		"tall":     fill(160, 128, normal),
		"heavy":    fill(32, 256, func(int) float64 { return math.Pow(1-rng.Float64(), -0.5) * float64(1-2*rng.IntN(2)) / 50 }),
		"ragged":   fill(13, 75, normal),
		"odd":      fill(129, 131, normal),
		"one row":  fill(1, 384, normal),
		"one":      fill(1, 1, func(int) float64 { return 0.7 }),
		"zero":     fill(32, 128, func(int) float64 { return 0 }),
		"constant": fill(32, 128, func(int) float64 { return -0.3 }),
		"positive": fill(32, 128, func(int) float64 { return 1 + rng.Float64() }),
		"negative": fill(32, 128, func(int) float64 { return -1 - rng.Float64() }),
		"zero rows": fill(64, 128, func(i int) float64 {
			return normal(i) * float64(i/128%2)
		}),
		"zero groups": fill(32, 512, func(i int) float64 { return normal(i) * float64(i/128%2) }),
		"ties":        fill(32, 128, func(i int) float64 { return float64(i%31-15) / 2 }),
		"outlier": fill(32, 128, func(i int) float64 {
			if i == 777 {
				return 30
			}
			return normal(i)
		}),
	}
}

// a fit is a scheme fitted to weights of a type, with the layout of the scheme.
type fitted struct {
	w      quant.Dense
	scheme quant.Scheme
	layout Layout
	bound  float32 // of relative errors
	q      quant.Quantizer
	out    checkpoint.DType
}

// fit returns nil if the scheme refuses the weights.
func fit(t *testing.T, name string, d checkpoint.DType, w quant.Dense) *fitted {
	t.Helper()
	recipe, err := quant.Parse(name)
	if err != nil {
		t.Fatal(err)
	}
	w.W = slices.Clone(w.W)
	d.Round(w.W)
	target := quant.Target{Name: "a.weight", Rows: w.Rows, Cols: w.Cols, DType: d}
	f := &fitted{w: w, scheme: recipe.For(target), out: checkpoint.F32}
	if f.layout, err = For(f.scheme, target); err != nil {
		t.Fatal(err)
	}
	if l, ok := f.layout.(GPTQ); ok && l.RoundScales {
		f.bound = 0x1p-11
	}
	if o, ok := f.scheme.(quant.Outputting); ok {
		f.out = o.Output(d)
	}
	if f.q, err = f.scheme.Fit(w, f.out); err != nil {
		return nil
	}
	return f
}

// refusals are schemes and kinds of weights that a layout cannot store, with a part of what
// the packer says.
var refusals = []struct{ name, kind, says string }{
	{`gptq-.*`, `ragged|odd|one|one row`, "must fill words"},
	{`awq-.*`, `ragged|odd|one|one row`, "cannot store"},
	{`hqq-int[124]-.*`, `ragged|odd|one|one row|.*`, "parts do not divide"},
	{`bitnet`, `ragged|odd|one|one row`, "multiple of 4"},
	{`mxfp4.*`, `ragged|odd|one`, "cannot store"},
	{`awq-.*f32`, `.*`, "F16 does not hold it"},
	{`awq-.*bf16`, `zero|constant|zero rows|zero groups`, "F16 does not hold it"}, // scales of 1e-5/15
}

// refused reports whether an error is one that is expected.
func refused(name, kind string, d checkpoint.DType, err error) bool {
	for _, r := range refusals {
		full := "^(?:" + r.name + ")$"
		if (regexp.MustCompile(full).MatchString(name) || regexp.MustCompile(full).MatchString(name+strings.ToLower(d.String()))) &&
			regexp.MustCompile("^(?:"+r.kind+")$").MatchString(kind) && strings.Contains(err.Error(), r.says) {
			return true
		}
	}
	return false
}

// TestRoundTrip: what is decoded from packed bytes is what the scheme makes of the weights, in
// every value, and the bytes are as many as the scheme says.
func TestRoundTrip(t *testing.T) {
	all := matrices()
	for _, name := range schemes(t) {
		if without.MatchString(name) {
			recipe, err := quant.Parse(name)
			if err != nil {
				t.Fatal(err)
			}
			if l, err := For(recipe.For(quant.Target{Rows: 4, Cols: 4}), quant.Target{}); err == nil {
				t.Errorf("%s has the layout %s", name, l.Name())
			}
			continue
		}
		t.Run(name, func(t *testing.T) {
			tried := 0
			for _, d := range []checkpoint.DType{checkpoint.F32, checkpoint.BF16, checkpoint.F16} {
				for kind, w := range all {
					if slow.MatchString(name) && !quick.MatchString(kind) {
						continue
					}
					f := fit(t, name, d, w)
					if f == nil {
						continue
					}
					parts, err := f.layout.Pack(f.w, f.q)
					if err != nil {
						if !refused(name, kind, d, err) {
							t.Errorf("%s %v: %v", kind, d, err)
						}
						continue
					}
					tried++
					f.compare(t, fmt.Sprintf("%s %v", kind, d), parts)
					f.compareSize(t, fmt.Sprintf("%s %v", kind, d), parts)
				}
			}
			if tried < 6 {
				t.Errorf("%d tensors were packed", tried)
			}
		})
	}
}

func abs(x float32) float32 { return max(x, -x) }

// compare decodes parts and compares them with what the quantizer gives, in whole rows and in
// pieces.
func (f *fitted) compare(t *testing.T, where string, parts Parts) {
	t.Helper()
	m, err := f.layout.Open(parts)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	if rows, cols := m.Dims(); rows != f.w.Rows || cols != f.w.Cols {
		t.Errorf("%s: %d×%d weights are %d×%d", where, f.w.Rows, f.w.Cols, rows, cols)
		return
	}
	want, got := make([]float32, len(f.w.W)), make([]float32, len(f.w.W))
	f.q.Dequantize(want, quant.Piece{W: f.w.W, Width: f.w.Cols})
	for row := range f.w.Rows {
		m.Decode(got[row*f.w.Cols:][:f.w.Cols], row, 0)
	}
	f.out.Round(got)
	for i := range want {
		if want[i] != got[i] && !(abs(want[i]-got[i]) <= f.bound*abs(want[i])) {
			t.Errorf("%s: weight (%d, %d), %g, is %g, and %g from its bytes", where, i/f.w.Cols, i%f.w.Cols, f.w.W[i], want[i], got[i])
			return
		}
	}
	rng := rand.New(rand.NewPCG(7, 8))
	piece := make([]float32, f.w.Cols)
	for range 50 {
		row, col := rng.IntN(f.w.Rows), rng.IntN(f.w.Cols)
		part := piece[:rng.IntN(f.w.Cols-col)+1]
		m.Decode(part, row, col)
		f.out.Round(part)
		for i, v := range part {
			if v != got[row*f.w.Cols+col+i] {
				t.Errorf("%s: weight (%d, %d) in a piece from column %d on is %g, not %g", where, row, col+i, col, v, got[row*f.w.Cols+col+i])
				return
			}
		}
	}
}

// described are parts that say how others are to be read: they are none of a scheme's bits.
var described = regexp.MustCompile(`^(g_idx|weight_shape|weight_format|weight\.(nested_)?quant_map|weight\.quant_state\..*|nbits|group_size|axis|shape|packing|unpack_view_dtype|view_as_float|channel_wise|optimize|round_zero|encoded_state_dict|stores_quant_config)$`)

// compareSize compares the number of bits with what the scheme says.
func (f *fitted) compareSize(t *testing.T, where string, parts Parts) {
	t.Helper()
	bits := 0
	for name, p := range parts {
		if !described.MatchString(name) {
			bits += 8 * len(p.Data)
		}
	}
	n := float64(f.w.Rows * f.w.Cols)
	want, got := f.scheme.BitsPerWeight(f.w.Rows, f.w.Cols), float64(bits)/n
	slack := 0.0
	switch l := f.layout.(type) {
	case BitNet:
		want += 2 - math.Log2(3) // two bits for three values
	case BNB4:
		slack = 4 / n // of the last byte
		if l.Double { // whole runs of 256 scales, and the mean is in the object
			blocks := float64(parts["weight.absmax"].Shape[0])
			want += 32 * (math.Ceil(blocks/256) - blocks/256 - 1) / n
		}
	case Packed:
		// Rows are filled up to whole words, and so are the zero points of a group.
		slack = 32/float64(f.w.Cols) + 32*float64(parts["weight_scale"].Shape[1])/n
	case HQQ:
		if l.Bits == 3 {
			slack = 0.2 + 32*10*float64(parts["W_q"].Shape[1])/n // ten codes in a word, and rows filled up to ten
		}
	case Quanto:
		slack = 8 * float64(parts[quantoData].Shape[1]) / n // the last part may be short
	}
	if scale := scaleBits(f.layout, parts); scale > 0 {
		want += scale / n
	}
	if !(abs(float32(got-want)) <= float32(slack)+1e-5) {
		t.Errorf("%s: %g bits a weight, the scheme says %g", where, got, want)
	}
}

// scaleBits returns by how many bits scales take more than schemes count, which is 16 bits for
// each number of tools that store them in the type of the weights.
func scaleBits(l Layout, parts Parts) float64 {
	more := 0.0
	for _, name := range []string{"scale", "zero", "scales", "biases", "weight_scale", "weight._scale", "weight._shift"} {
		p, ok := parts[name]
		if _, counted := l.(BitNet); !ok || counted || p.DType != checkpoint.F32 {
			continue
		}
		if e, ok := l.(Elements); ok && e.Weight == "" && e.Scales == checkpoint.InvalidDType {
			continue // they are float32, and counted so
		}
		more += 16 * float64(len(p.Data)/4)
	}
	return more
}
