package packed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// survives opens parts and reads all weights, which must not panic. It returns the error.
func survives(t *testing.T, l Layout, p Parts) error {
	t.Helper()
	m, err := l.Open(p)
	if err != nil {
		if m != nil {
			t.Errorf("%s: a matrix with the error %v", l.Name(), err)
		}
		if !errors.Is(err, checkpoint.ErrCorrupt) && !errors.Is(err, checkpoint.ErrUnsupported) && !errors.Is(err, checkpoint.ErrIncomplete) {
			t.Errorf("%s: the error %q has no class", l.Name(), err)
		}
		if !strings.Contains(err.Error(), "part") && !strings.Contains(err.Error(), "bits") && !strings.Contains(err.Error(), "form") || strings.Contains(err.Error(), "\n") || len(err.Error()) > 800 {
			t.Errorf("%s: the error %q names no part", l.Name(), err)
		}
		return err
	}
	rows, cols := m.Dims()
	stored := 0
	for _, part := range p {
		stored += len(part.Data)
	}
	if n, ok := product(rows, cols); !ok || n > 8*stored {
		t.Fatalf("%s: %d×%d weights in %d bytes", l.Name(), rows, cols, stored)
	}
	if Count(m) < 1 || rows%Count(m) != 0 {
		t.Errorf("%s: %d matrices of %d rows", l.Name(), Count(m), rows)
	}
	buf := make([]float32, cols)
	for row := range rows {
		m.Decode(buf, row, 0)
		m.Decode(buf[:1], row, cols-1)
	}
	return nil
}

// sample returns layouts of all families with parts that they packed.
func sample(t testing.TB) map[Layout]Parts {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	all := map[Layout]Parts{}
	for _, name := range []string{
		"bnb-nf4", "bnb-fp4-dq", "bnb-int8", "gptq-int4-g32-asym", "gptq-int3-row", "awq-int4-g32@f16", "ct-w4a16-asym@bf16", "ct-w8a16@bf16", "ct-w8a8", "ct-fp8",
		"ct-nvfp4", "ct-mxfp4", "ct-mxfp8", "nvfp4:modelopt", "mxfp4:rceil", "fp8-e4m3-b128", "fp8-e4m3-b128:ue8m0", "fp8-e5m2-row", "fp8-e4m3-direct", "mlx-3bit-g32", "mlx-mxfp8", "mlx-nvfp4",
		"hqq-int4-g64-noopt", "hqq-int3-g64-noopt", "hqq-int2-g16-axis0-noopt", "quanto-qint4", "quanto-qint2", "quanto-qint8", "bitnet",
	} {
		recipe, err := quant.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		w := quant.Dense{Rows: 32, Cols: 128, W: make([]float32, 32*128)}
		for i := range w.W {
			w.W[i] = float32(rng.NormFloat64())
		}
		checkpoint.BF16.Round(w.W)
		target := quant.Target{Rows: w.Rows, Cols: w.Cols, DType: checkpoint.BF16}
		s := recipe.For(target)
		l, err := For(s, target)
		if err != nil {
			t.Fatal(err)
		}
		q, err := s.Fit(w, checkpoint.F32)
		if err != nil {
			t.Fatal(err)
		}
		if all[l], err = l.Pack(w, q); err != nil {
			t.Fatal(err)
		}
		if a, ok := l.(AWQ); ok {
			a.GEMV = true
			if all[a], err = a.Pack(w, q); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// replaced returns the parts with another one.
func replaced(p Parts, name string, part Part) Parts {
	q := maps.Clone(p)
	q[name] = part
	return q
}

// TestHostile breaks every part of every layout in many ways: none may panic, and what cannot be is
// refused.
func TestHostile(t *testing.T) {
	dims := []int{-1, 0, 1, 2, 3, 31, 33, 63, 64, 65, 1 << 31, 1 << 32, 1 << 61, math.MaxInt, math.MinInt}
	for l, good := range sample(t) {
		if err := survives(t, l, good); err != nil {
			t.Errorf("%s: %v", l.Name(), err)
		}
		survives(t, l, nil)
		for name, part := range good {
			if err := survives(t, l, without1(good, name)); err != nil && name != "group_size" && !strings.Contains(err.Error(), strings.TrimSuffix(strings.TrimSuffix(name, "nf4"), "fp4")) {
				t.Errorf("%s without %s: %v", l.Name(), name, err)
			}
			for d := checkpoint.InvalidDType; d <= checkpoint.F4+1; d++ {
				survives(t, l, replaced(good, name, Part{DType: d, Shape: part.Shape, Data: part.Data}))
			}
			for i := range part.Shape {
				for _, n := range append(dims, part.Shape[i]-1, part.Shape[i]+1, 2*part.Shape[i]) {
					shape := slices.Clone(part.Shape)
					shape[i] = n
					refuses(t, l, good, name, Part{DType: part.DType, Shape: shape, Data: part.Data})
					if size, ok := product(shape...); ok && size < 1<<16 {
						survives(t, l, replaced(good, name, blank(part.DType, shape...)))
					}
				}
			}
			for _, shape := range [][]int{nil, {}, {len(part.Data)}, {1, len(part.Data)}, {0}, {0, math.MaxInt}, {math.MaxInt, 0}, {1, 1, 1, 1, 1}, {math.MaxInt, math.MaxInt}, slices.Insert(slices.Clone(part.Shape), 0, 1)} {
				survives(t, l, replaced(good, name, Part{DType: part.DType, Shape: shape, Data: part.Data}))
			}
			for _, n := range []int{0, 1, len(part.Data) / 2, len(part.Data) - 1} {
				if n < len(part.Data) {
					refuses(t, l, good, name, Part{DType: part.DType, Shape: part.Shape, Data: part.Data[:n]})
				}
			}
			refuses(t, l, good, name, Part{DType: part.DType, Shape: part.Shape, Data: append(slices.Clone(part.Data), 0)})
			for seed := range 20 {
				survives(t, l, replaced(good, name, Part{DType: part.DType, Shape: part.Shape, Data: noise(seed, len(part.Data))}))
			}
		}
	}
}

// refuses replaces a part by one whose data do not fit to its shape: it must be refused if it
// is looked at at all.
func refuses(t *testing.T, l Layout, good Parts, name string, part Part) {
	t.Helper()
	err := survives(t, l, replaced(good, name, part))
	if _, ok := l.(HQQ); ok && !slices.Contains([]string{"W_q", "scale", "zero", "shape", "nbits", "axis", "group_size", "packing"}, name) || name == "weight_format" {
		return
	}
	if bits := part.DType.Bits(); err == nil {
		if n, ok := product(part.Shape...); !ok || n*bits/8 != len(part.Data) {
			t.Errorf("%s: part %s of shape %v and %d bytes is taken", l.Name(), name, part.Shape, len(part.Data))
		}
	}
}

// noise returns bytes that are nothing, or one value only.
func noise(seed, n int) []byte {
	data := make([]byte, n)
	rng := rand.New(rand.NewPCG(uint64(seed), 9))
	for i := range data {
		switch data[i] = byte(rng.Uint32()); seed {
		case 0:
			data[i] = 255
		case 1:
			data[i] = 0
		case 2:
			data[i] = 127
		}
	}
	return data
}

// TestRefusals: what a layout cannot be is said in words.
func TestRefusals(t *testing.T) {
	state := func(text string) Part { return Part{DType: checkpoint.U8, Shape: []int{len(text)}, Data: []byte(text)} }
	const nf4 = statePrefix + "nf4"
	good := `{"quant_type": "nf4", "blocksize": 64, "dtype": "float16", "shape": [32, 128]}`
	double := `"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.5`
	all := sample(t)
	bnb := all[BNB4{Block: 64, Output: checkpoint.BF16}]
	nested := all[BNB4{FP4: true, Double: true, Block: 64, Output: checkpoint.BF16}]
	if bnb == nil || nested == nil {
		t.Fatal("no sample of bitsandbytes")
	}
	fp4 := statePrefix + "fp4"
	for _, tc := range []struct {
		layout Layout
		parts  Parts
		says   string
	}{
		{BNB4{}, replaced(bnb, nf4, state(good+"x")), "goes on behind"},
		{BNB4{}, replaced(bnb, nf4, state(`[]`)), "cannot unmarshal"},
		{BNB4{}, replaced(bnb, nf4, state(``)), "EOF"},
		{BNB4{}, replaced(bnb, nf4, state(good[:len(good)-1]+`, "shape": [64, 64]}`)), `"shape" is there twice`},
		{BNB4{}, replaced(bnb, nf4, state(good[:len(good)-1]+`, "Shape": [64, 64]}`)), `"shape" is there twice`},
		{BNB4{}, replaced(bnb, nf4, state(good[:len(good)-1]+`, "more": 1}`)), "unknown field"},
		{BNB4{}, replaced(bnb, nf4, state(strings.Replace(good, "64", "-64", 1))), "blocksize is -64"},
		{BNB4{}, replaced(bnb, nf4, state(strings.Replace(good, "64", "6.5", 1))), "cannot unmarshal"},
		{BNB4{}, replaced(bnb, nf4, state(strings.Replace(good, "[32, 128]", "[4096]", 1))), "not two dimensions"},
		{BNB4{}, replaced(bnb, nf4, state(strings.Replace(good, "[32, 128]", "[4294967296, 4294967296]", 1))), "shape is"},
		{BNB4{}, replaced(bnb, nf4, state(strings.Replace(good, "[32, 128]", "[32, 129]", 1))), "but part weight has"},
		{BNB4{}, replaced(bnb, nf4, state(strings.Replace(good, `"nf4"`, `"fp4"`, 1))), "quant_type"},
		{BNB4{}, replaced(bnb, nf4, state(good+strings.Repeat(" ", maxState))), "too many"},
		{BNB4{}, replaced(bnb, fp4, bnb[nf4]), "where one is"},
		{BNB4{}, without1(bnb, nf4), "is missing"},
		{BNB4{}, replaced(nested, fp4, state(strings.Replace(good, "nf4", "fp4", 1))), "does not say how part weight.absmax"},
		{BNB4{}, replaced(nested, fp4, state(strings.Replace(good[:len(good)-1]+", "+strings.Replace(double, "256", "0", 1)+"}", "nf4", "fp4", 1))), "nested_blocksize 0"},
		{GPTQ{Bits: 5}, nil, "2, 3, 4 or 8 bits"},
		{GPTQ{Bits: 3, Zeros: ZeroCarries}, nil, "no such reading"},
		{GPTQ{Bits: 4, Group: 64}, all[GPTQ{Bits: 4, Group: 32, RoundScales: true}], "part scales has 4 groups, where 128 inputs in groups of 64 have 2"},
		{GPTQ{Bits: 8, Group: 32}, all[GPTQ{Bits: 4, Group: 32, RoundScales: true}], "part qzeros has the shape"},
		{GPTQ{Bits: 4, Group: 32}, replaced(all[GPTQ{Bits: 4, Group: 32, RoundScales: true}], "g_idx", numbers(checkpoint.I32, append(make([]int, 127), 4)...)), "part g_idx says group 4 for input 127, of 4 groups"},
		{GPTQ{Bits: 4, Group: 32}, replaced(all[GPTQ{Bits: 4, Group: 32, RoundScales: true}], "g_idx", numbers(checkpoint.I32, append(make([]int, 127), -1)...)), "part g_idx says group -1"},
		{Packed{Bits: 9}, nil, "not 1 to 8"},
		{BNB8{}, replaced(all[BNB8{}], "weight_format", scalar(checkpoint.U8, 1)), "part weight_format is 1"},
		{FP4{Form: ModelOpt}, replaced(all[FP4{Form: ModelOpt}], "weight_scale", blank(checkpoint.U8, 256)), "TensorRT-LLM"},
		{FP4{Form: 7}, nil, "no form 7"},
		{Elements{Rows: -1}, nil, "tiles of -1×0"},
		{MLX{Bits: 7, Group: 64}, nil, "which MLX does not have"},
		{MLX{Mode: 9}, nil, "which MLX does not have"},
		{MLX{Bits: 3, Group: math.MaxInt}, all[MLX{Bits: 3, Group: 32, Scales: checkpoint.BF16}], "which no groups"},
		{Quanto{Bits: 3}, nil, "not 2 or 4"},
		{Quanto{Bits: 4, Inputs: 33}, all[Quanto{Bits: 4, Inputs: 128, Scales: checkpoint.BF16, Compute: checkpoint.BF16}], "no rows of 33"},
	} {
		err := survives(t, tc.layout, tc.parts)
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%+v: the error %v does not say %q", tc.layout, err, tc.says)
		}
	}
}

// other is a quantizer that gives what it is told.
type other struct {
	groups quant.Granularity
	code   float32
	group  func(row int) quant.Group
}

func (other) Dequantize([]float32, quant.Piece) {}
func (o other) Groups() quant.Granularity       { return o.groups }

func (o other) Encode(codes []float32, p quant.Piece, f func(at, n int, g quant.Group)) {
	for i := range codes {
		codes[i] = o.code
	}
	p.EachRow(func(row, _, at, n int) { f(at, n, o.group(row)) })
}

// keep is a quantizer without codes.
type keep struct{}

func (keep) Dequantize([]float32, quant.Piece) {}

// TestUnpackable: the packer refuses what the layout cannot hold exactly.
func TestUnpackable(t *testing.T) {
	row := quant.Granularity{Rows: 1}
	same := func(g quant.Group) func(int) quant.Group { return func(int) quant.Group { return g } }
	w := quant.Dense{Rows: 32, Cols: 32, W: make([]float32, 32*32)}
	for _, tc := range []struct {
		layout Layout
		q      quant.Quantizer
		says   string
	}{
		{BNB8{}, keep{}, "without codes"},
		{BNB8{}, other{quant.Granularity{}, 0, same(quant.Group{})}, "groups of all×all weights where it has 1×all"},
		{BNB8{}, other{row, 200, same(quant.Group{Scale: 1})}, "the code 200 of weight (0, 0)"},
		{BNB8{}, other{row, 0.5, same(quant.Group{Scale: 1})}, "the code 0.5"},
		{BNB8{}, other{row, 1, same(quant.Group{Scale: 1, Zero: 1})}, "the zero point 1"},
		{BNB8{}, other{row, 1, same(quant.Group{Scale: 1, Bias: 1})}, "the bias 1"},
		{GPTQ{Bits: 4}, other{row, 1, same(quant.Group{Scale: 0.1})}, "the scale 0.1 of the group of row 0 that is number 0 there: F16 does not hold it"},
		{GPTQ{Bits: 4, RoundScales: true}, other{row, 1, same(quant.Group{Scale: 1e9})}, "the scale 1e+09"},
		{GPTQ{Bits: 4}, other{row, 1, same(quant.Group{Scale: 1, Zero: 16})}, "the zero point 16"},
		{GPTQ{Bits: 4}, other{row, 16, same(quant.Group{Scale: 1})}, "the code 16"},
		{GPTQ{Bits: 5}, other{row, 1, same(quant.Group{Scale: 1})}, "2, 3, 4 or 8"},
		{Elements{DType: checkpoint.I8}, other{quant.Granularity{}, 1, func(row int) quant.Group { return quant.Group{Scale: float32(row)} }}, "two scales, 0 and 1, of one group at (1, 0)"},
		{Elements{}, other{quant.Granularity{}, 1, same(quant.Group{Scale: 1})}, "as invalid"},
		{FP4{Form: MXFP4}, other{quant.Granularity{Rows: 1, Cols: 32}, 1, same(quant.Group{Scale: 3})}, "the scale 3"},
		{FP4{Form: MXFP4}, other{quant.Granularity{Rows: 1, Cols: 32}, 1, same(quant.Group{})}, "the scale 0 of weight (0, 0), whose code is 1"},
		{FP4{Form: MXFP4}, other{quant.Granularity{Rows: 1, Cols: 32}, 5, same(quant.Group{Scale: 1})}, "the code 5"},
		{FP4{Form: NVFP4}, other{quant.Granularity{Rows: 1, Cols: 16}, 1, func(row int) quant.Group {
			return quant.Group{Scale: 1, Inner: 1 + float32(row), Outer: 1 + float32(row)}
		}}, "cannot store"},
		{BNB4{Block: 32, Double: true}, other{quant.Granularity{Run: 32}, 1, same(quant.Group{Scale: 1, Inner: 0.12345, Outer: 1})}, "the scale 1"},
	} {
		if _, err := tc.layout.Pack(w, tc.q); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%+v: the error %v does not say %q", tc.layout, err, tc.says)
		}
	}
	for _, l := range []Layout{BNB4{Block: 64}, BNB8{}, GPTQ{Bits: 4}, AWQ{}, Packed{Bits: 4}, Elements{DType: checkpoint.I8}, FP4{}, MLX{Bits: 4, Group: 32}, HQQ{Bits: 4}, Quanto{Bits: 4}, BitNet{}} {
		if _, err := l.Pack(quant.Dense{}, keep{}); err == nil {
			t.Errorf("%s packs nothing", l.Name())
		}
	}
}

// TestMemory: Open takes little memory beside the parts, whatever these say.
func TestMemory(t *testing.T) {
	for l, p := range sample(t) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := l.Open(p); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
			t.Errorf("%s: %d bytes", l.Name(), n)
		}
	}
}

// fuzzFamily is the fuzz target of layouts whose parts have the names.
func fuzzFamily(f *testing.F, layouts []Layout, names ...string) {
	for l, p := range sample(f) {
		for i, k := range layouts {
			if fmt.Sprintf("%T", l) == fmt.Sprintf("%T", k) {
				f.Add(encodeParts(p, names, i))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 1 {
			return
		}
		l := layouts[int(data[0])%len(layouts)]
		survives(t, l, decodeParts(data[1:], names))
	})
}

// encodeParts writes parts so that decodeParts reads them.
func encodeParts(p Parts, names []string, layout int) []byte {
	data := []byte{byte(layout)}
	for i, name := range names {
		part, ok := p[name]
		if !ok {
			continue
		}
		data = append(data, byte(i), byte(part.DType), byte(len(part.Shape)))
		for _, d := range part.Shape {
			data = append(data, byte(d), byte(d>>8))
		}
		data = append(data, byte(len(part.Data)), byte(len(part.Data)>>8))
		data = append(data, part.Data...)
	}
	return data
}

// decodeParts makes parts of any bytes. A dimension of 0xff00 and more stands for a large number.
func decodeParts(data []byte, names []string) Parts {
	p := Parts{}
	next := func(n int) []byte {
		n = min(n, len(data))
		part := data[:n:n]
		data = data[n:]
		return part
	}
	number := func() int {
		b := append(next(2), 0, 0)
		return int(b[0]) | int(b[1])<<8
	}
	for len(data) > 3 {
		head := next(3)
		part := Part{DType: checkpoint.DType(head[1] % 24), Shape: make([]int, head[2]%6)}
		for i := range part.Shape {
			if part.Shape[i] = number(); part.Shape[i] >= 0xff00 {
				part.Shape[i] = 1<<(part.Shape[i]&63) - part.Shape[i]>>6&1
			}
		}
		part.Data = next(number())
		p[names[int(head[0])%len(names)]] = part
	}
	return p
}

func FuzzBitsAndBytes(f *testing.F) {
	fuzzFamily(f, []Layout{BNB4{}, BNB8{}}, "weight", "weight.absmax", "weight.quant_map", "weight.nested_absmax", "weight.nested_quant_map",
		statePrefix+"nf4", statePrefix+"fp4", "SCB", "weight_format")
}

func FuzzGPTQ(f *testing.F) {
	fuzzFamily(f, []Layout{GPTQ{Bits: 4, Group: 32}, GPTQ{Bits: 3}, GPTQ{Bits: 2, V2: true, Group: 7}, GPTQ{Bits: 8, Zeros: ZeroCarries}, GPTQ{Bits: 4, Zeros: ZeroWide}},
		"qweight", "qzeros", "scales", "g_idx")
}

func FuzzAWQ(f *testing.F) {
	fuzzFamily(f, []Layout{AWQ{Group: 32}, AWQ{GEMV: true, Group: 32}, AWQ{}, AWQ{GEMV: true}}, "qweight", "qzeros", "scales")
}

func FuzzPacked(f *testing.F) {
	fuzzFamily(f, []Layout{Packed{Bits: 4, Group: 128}, Packed{Bits: 3}, Packed{Bits: 3, Gaps: true}, Packed{Bits: 8, Group: 5}, Packed{Bits: 1}},
		"weight_packed", "weight_scale", "weight_zero_point", "weight_shape", "weight_g_idx")
}

func FuzzElements(f *testing.F) {
	fuzzFamily(f, []Layout{Elements{}, Elements{Rows: 1}, Elements{Rows: 1, Cols: 32}, Elements{Rows: 128, Cols: 128}, Elements{Rows: 3, Cols: 5}, Elements{Cols: 4}, Elements{Unscaled: true}, Elements{Rows: math.MaxInt, Cols: math.MaxInt}},
		"weight", "weight_scale", "weight_zero_point")
}

func FuzzFP4(f *testing.F) {
	fuzzFamily(f, []Layout{FP4{Form: NVFP4}, FP4{Form: MXFP4}, FP4{Form: ModelOpt}, FP4{Form: GPTOSS}},
		"weight_packed", "weight", "weight_scale", "weight_global_scale", "weight_scale_2", "blocks", "scales")
}

func FuzzMLX(f *testing.F) {
	fuzzFamily(f, []Layout{MLX{Bits: 4, Group: 64}, MLX{Bits: 3, Group: 32}, MLX{Bits: 6, Group: 1}, MLX{Mode: MLXMXFP4}, MLX{Mode: MLXMXFP8}, MLX{Mode: MLXNVFP4}}, "weight", "scales", "biases")
}

func FuzzHQQ(f *testing.F) {
	fuzzFamily(f, []Layout{HQQ{}, HQQ{Compute: checkpoint.F16}}, "W_q", "scale", "zero", "nbits", "group_size", "axis", "shape", "packing", "view_as_float")
}

func FuzzQuanto(f *testing.F) {
	fuzzFamily(f, []Layout{Quanto{Bits: 4, Inputs: 128}, Quanto{Bits: 2, Inputs: 3}, BitNet{}, BitNet{Multiplies: true}}, quantoData, quantoScale, quantoShift, "weight", "weight_scale")
}

// FuzzRoundTrip: whatever finite weights a tensor has, the scheme or the packer refuses it, or its
// bytes give the weights of the scheme.
func FuzzRoundTrip(f *testing.F) {
	var names []string
	for _, d := range quant.Descriptions() {
		if !without.MatchString(d.Name) && !strings.HasPrefix(d.Name, "gguf:") {
			names = append(names, d.Name)
		}
	}
	for i := range names {
		f.Add(uint16(i), uint8(i), []byte{0, 0, 0x80, 0x3f, 1, 0, 0, 0, 0xff, 0xff, 0x7f, 0x7f})
		f.Add(uint16(i), uint8(i), []byte{0xff, 0xff, 0x7f, 0x80, 0, 0, 0, 0x80, 0x12, 0x34, 0x56, 0x38})
	}
	f.Fuzz(func(t *testing.T, which uint16, how uint8, data []byte) {
		w := quant.Dense{Rows: 32, Cols: 128, W: make([]float32, 32*128)}
		if how&1 != 0 {
			w = quant.Dense{Rows: 5, Cols: 90, W: make([]float32, 5*90)}
		}
		d := []checkpoint.DType{checkpoint.F32, checkpoint.BF16, checkpoint.F16}[int(how>>1)%3]
		for i := range w.W {
			if len(data) >= 4 && i/w.Cols != 3 {
				at := i * 4 % (len(data) - 3)
				w.W[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[at:]) ^ uint32(i)<<13)
			}
		}
		d.Round(w.W)
		for i, v := range w.W {
			if v-v != 0 {
				w.W[i] = 0
			}
		}
		name := names[int(which)%len(names)]
		if f := fit(t, name, d, w); f != nil {
			f.layout, f.bound = exactly(f.layout, checkpoint.F32), 0
			if parts, err := f.layout.Pack(f.w, f.q); err == nil {
				f.compare(t, fmt.Sprintf("%s %v", name, d), parts)
			}
		}
	})
}
