package packed

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// TestVariants: settings that no scheme chooses decode to the same weights, in every value.
func TestVariants(t *testing.T) {
	w := matrices()["zero groups"]
	for _, tc := range []struct {
		scheme string
		layout Layout
	}{
		{"gptq-int4-g128-asym", GPTQ{Bits: 4, Group: 128, Scales: checkpoint.F32}},
		{"gptq-int4-g128-asym", GPTQ{Bits: 4, Group: 128, Scales: checkpoint.F32, V2: true}},
		{"gptq-int3-g32-asym", GPTQ{Bits: 3, Group: 32, Scales: checkpoint.F32, V2: true}},
		{"gptq-int3-g32", GPTQ{Bits: 3, Group: 32, Scales: checkpoint.F32, Zeros: ZeroWide}},
		{"gptq-int2-row", GPTQ{Bits: 2, Scales: checkpoint.F32}},
		{"gptq-int8-row", GPTQ{Bits: 8, Group: -1, Scales: checkpoint.F32, Zeros: ZeroCarries}},
		{"awq-int4-g128", AWQ{Group: 128, Scales: checkpoint.F32}},
		{"awq-int4-g128", AWQ{Group: 128, Scales: checkpoint.F32, GEMV: true}},
		{"awq-int4-g64", AWQ{Group: 64, Scales: checkpoint.F32, GEMV: true}},
		{"awq-int4-g32", AWQ{Group: 32, Scales: checkpoint.F32, GEMV: true}},
		{"ct-w4a16-asym", Packed{Bits: 4, Group: 128, Asymmetric: true, Gaps: true, Scales: checkpoint.F32}},
		{"ct-w4a16", Packed{Bits: 5, Group: 128, Scales: checkpoint.F32}},
		{"ct-w4a16-asym", Packed{Bits: 7, Group: 128, Asymmetric: true, Gaps: true, Scales: checkpoint.F32}},
		{"ct-w4a16-asym", Packed{Bits: 6, Group: 128, Asymmetric: true, Scales: checkpoint.F32}},
		{"mxfp4:rceil", FP4{Form: GPTOSS, Prefix: "gate_up_proj"}},
		{"fp8-e4m3-b128:ue8m0", Elements{DType: checkpoint.F8E4M3, Rows: 128, Cols: 128, Scales: checkpoint.U8}},
		{"bitnet", BitNet{Multiplies: true}},
	} {
		f := fit(t, tc.scheme, checkpoint.F32, w)
		parts, err := tc.layout.Pack(f.w, f.q)
		if err != nil {
			t.Errorf("%s: %v", tc.layout.Name(), err)
			continue
		}
		f.layout, f.bound = tc.layout, 0
		f.compare(t, tc.layout.Name(), parts)
	}
}

// words returns a part of words of 32 bits.
func words(rows, cols int, x ...uint32) Part {
	p := blank(checkpoint.I32, rows, cols)
	for i, v := range x {
		binary.LittleEndian.PutUint32(p.Data[4*i:], v)
	}
	return p
}

// reals returns a part of numbers.
func reals(d checkpoint.DType, shape []int, x ...float32) Part {
	p := blank(d, shape...)
	d.Encode(p.Data, x)
	return p
}

// TestZeroReadings: a stored zero of all ones is 0, 2^bits, or carries into the next one.
func TestZeroReadings(t *testing.T) {
	ones := make([]float32, 8)
	for i := range ones {
		ones[i] = 1
	}
	p := Parts{
		"qweight": words(1, 8, slices.Repeat([]uint32{0x99999999}, 8)...), // codes of 9
		"qzeros":  words(1, 1, 0x777777f7),                                // of output 1: 15
		"scales":  reals(checkpoint.F16, []int{1, 8}, ones...),
	}
	for reading, want := range map[ZeroReading][3]float32{ZeroWraps: {1, 9, 1}, ZeroWide: {1, -7, 1}, ZeroCarries: {1, 9, 0}} {
		m, err := GPTQ{Bits: 4, Zeros: reading}.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		for row, w := range want {
			var x [1]float32
			if m.Decode(x[:], row, 5); x[0] != w {
				t.Errorf("reading %d: output %d has the weight %g, not %g", reading, row, x[0], w)
			}
		}
		if notes := Notes(m); len(notes) != 1 || !strings.HasPrefix(notes[0], "1 zero points are stored as 15") {
			t.Errorf("reading %d: notes %q", reading, notes)
		}
	}
	m, err := GPTQ{Bits: 4, V2: true}.Open(p)
	if err != nil || len(Notes(m)) != 0 {
		t.Fatalf("version 2: %v, notes %q", err, Notes(m))
	}
	var x [1]float32
	if m.Decode(x[:], 1, 0); x[0] != -6 {
		t.Errorf("version 2: %g", x[0])
	}
}

// TestThreeBits: the number of words of a row says whether codes of 3 bits cross their ends, and
// where it does not, the layout says it.
func TestThreeBits(t *testing.T) {
	for _, tc := range []struct {
		cols, words int
		layout      Packed
		gaps, fails bool
	}{
		{64, 6, Packed{Bits: 3}, false, false},
		{64, 7, Packed{Bits: 3}, true, false},
		{64, 8, Packed{Bits: 3}, false, true},
		{64, 5, Packed{Bits: 3}, false, true},
		{20, 2, Packed{Bits: 3}, false, false}, // both
		{20, 2, Packed{Bits: 3, Gaps: true}, true, false},
		{64, 6, Packed{Bits: 3, Gaps: true}, false, true},
	} {
		row := make([]uint32, tc.words)
		for i := range tc.cols { // the codes i mod 8
			bit := 3 * i
			if tc.gaps {
				bit = i/10*32 + i%10*3
			}
			for j := range 3 {
				if i%8>>j&1 == 1 && (bit+j)/32 < len(row) {
					row[(bit+j)/32] |= 1 << ((bit + j) % 32)
				}
			}
		}
		p := Parts{
			"weight_packed": words(1, tc.words, row...), "weight_shape": numbers(checkpoint.I64, 1, tc.cols),
			"weight_scale": reals(checkpoint.BF16, []int{1, 1}, 0.5),
		}
		m, err := tc.layout.Open(p)
		if (err != nil) != tc.fails {
			t.Errorf("%+v: %v", tc, err)
		}
		if err != nil {
			continue
		}
		for i, v := range decoded(m) {
			if want := float32(i%8-4) / 2; v != want {
				t.Errorf("%+v: weight %d is %g, not %g", tc, i, v, want)
				break
			}
		}
	}
}

// TestExperts: the matrices of a stack stand under each other.
func TestExperts(t *testing.T) {
	p := Parts{"gate_blocks": blank(checkpoint.U8, 3, 2, 1, 16), "gate_scales": blank(checkpoint.U8, 3, 2, 1)}
	for i := range 6 {
		p["gate_scales"].Data[i] = byte(127 + i)
		p["gate_blocks"].Data[16*i] = 0x72 // 1, then 6
	}
	m, err := FP4{Form: GPTOSS, Prefix: "gate"}.Open(p)
	if err != nil {
		t.Fatal(err)
	}
	if rows, cols := m.Dims(); rows != 6 || cols != 32 || Count(m) != 3 {
		t.Errorf("%d×%d weights of %d matrices", rows, cols, Count(m))
	}
	for row := range 6 {
		var x [3]float32
		if m.Decode(x[:], row, 0); x != [3]float32{float32(int(1) << row), float32(int(6) << row), 0} {
			t.Errorf("row %d begins with %v", row, x)
		}
	}
}

// TestActOrder: with indices of groups, each input has the parameters of its group.
func TestActOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	w := quant.Dense{Rows: 32, Cols: 64, W: make([]float32, 32*64)}
	for i := range w.W {
		w.W[i] = float32(rng.NormFloat64())
	}
	f := fit(t, "gptq-int4-g32-asym", checkpoint.F32, w)
	for _, l := range []Layout{GPTQ{Bits: 4, Group: 32, Scales: checkpoint.F32}, Packed{Bits: 8, Group: 32, Asymmetric: true, Scales: checkpoint.F32}} {
		p, err := l.Pack(f.w, f.q)
		if err != nil {
			t.Fatal(err)
		}
		name := "g_idx"
		if _, ok := l.(Packed); ok {
			name = "weight_g_idx"
		}
		index := make([]int, 64)
		for i := range index {
			index[i] = 1 - i/32 // the groups change places
		}
		p[name] = numbers(checkpoint.I32, index...)
		m, err := l.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		plain, _ := l.Open(without1(p, name))
		got, swapped := decoded(m), decoded(plain)
		a, b := m.(*matrix), plain.(*matrix)
		for i, v := range got {
			row, col := i/64, i%64
			group, place, _ := b.groups.find(row, (col+32)%64, 64)
			if want := (a.meaning.values[a.codes.at(row, col)] - b.zeros.at(group, row, place)) * b.scales.at(group); v != want {
				t.Fatalf("%s: weight (%d, %d) is %g, not %g", l.Name(), row, col, v, want)
			}
		}
		if slices.Equal(got, swapped) {
			t.Errorf("%s: the index changes nothing", l.Name())
		}
	}
}

// without1 returns the parts but one.
func without1(p Parts, name string) Parts {
	q := Parts{}
	for n, part := range p {
		if n != name {
			q[n] = part
		}
	}
	return q
}

// TestDecode: weights are read without allocation, at any place, and bad calls panic.
func TestDecode(t *testing.T) {
	for _, name := range schemes(t) {
		if without.MatchString(name) || slow.MatchString(name) && name != "hqq-int4-g64" {
			continue
		}
		f := fit(t, name, checkpoint.F16, matrices()["heavy"])
		parts, err := f.layout.Pack(f.w, f.q)
		if err != nil {
			t.Fatal(err)
		}
		m, err := f.layout.Open(parts)
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]float32, 200)
		if n := testing.AllocsPerRun(5, func() { m.Decode(dst, 3, 7) }); n != 0 {
			t.Errorf("%s: %g allocations", name, n)
		}
		m.Decode(nil, 0, 0)
		for _, at := range [][2]int{{-1, 0}, {f.w.Rows, 0}, {0, -1}, {0, f.w.Cols - 199}, {0, math.MaxInt}} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: (%d, %d) is read", name, at[0], at[1])
					}
				}()
				m.Decode(dst, at[0], at[1])
			}()
		}
	}
}

// TestPlanes: the places of codes in planes are those that the libraries say in words, each written
// down here by itself.
func TestPlanes(t *testing.T) {
	// code is the code of weight i of the flattened matrix.
	code := func(i, bits int) uint32 { return uint32(i*i*7+i/3*5+i>>4) & (1<<bits - 1) }
	check := func(name string, m Matrix, err error, want func(i int) float32) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		for i, v := range decoded(m) {
			if v != want(i) {
				t.Errorf("%s: weight %d is %g, not %g", name, i, v, want(i))
				return
			}
		}
	}
	one := func(shape ...int) Part {
		n, _ := product(shape...)
		return reals(checkpoint.F32, shape, slices.Repeat([]float32{1}, n)...)
	}
	const rows, cols, group = 16, 24, 8
	for _, axis := range []int{0, 1} {
		height, width, shape := rows*cols/group, group, []int{rows * cols / group, 1}
		if axis == 0 {
			height, width, shape = width, height, []int{1, height}
		}
		for _, packing := range []struct {
			name        string
			bits, parts int
			shift       func(part int) int
		}{
			{"8bit_u8", 8, 1, func(int) int { return 0 }}, {"4bit_u8", 4, 2, func(p int) int { return []int{4, 0}[p] }},
			{"2bit_u8", 2, 4, func(p int) int { return []int{6, 4, 2, 0}[p] }}, {"1bit_u8", 1, 8, func(p int) int { return 7 - p }},
			{"3bit_32", 3, 10, func(p int) int { return []int{27, 24, 21, 18, 15, 12, 9, 6, 3, 0}[p] }},
		} {
			step, size, d := (height+packing.parts-1)/packing.parts, 1, checkpoint.U8
			if packing.bits == 3 {
				size, d = 4, checkpoint.I32
			}
			w := blank(d, step, width)
			for r := range height {
				for c := range width {
					v := code(r*width+c, packing.bits) << packing.shift(r/step)
					for b := range size {
						w.Data[(r%step*width+c)*size+b] |= byte(v >> (8 * b))
					}
				}
			}
			m, err := HQQ{}.Open(Parts{
				"W_q": w, "scale": one(shape...), "zero": reals(checkpoint.F32, shape, make([]float32, rows*cols/group)...), "nbits": scalar(checkpoint.I64, packing.bits),
				"group_size": scalar(checkpoint.I32, group), "axis": scalar(checkpoint.I32, axis), "shape": numbers(checkpoint.I64, rows, cols),
				"packing": {DType: checkpoint.U8, Shape: []int{7}, Data: []byte(packing.name)},
			})
			check(packing.name, m, err, func(i int) float32 { return float32(code(i, packing.bits)) })
		}
	}
	for _, bits := range []int{2, 4} {
		const count = rows*cols/group - 1 // so that the last part is short
		step := (count + 8/bits - 1) / (8 / bits)
		w := blank(checkpoint.U8, step, group)
		for r := range count {
			for c := range group {
				w.Data[r%step*group+c] |= byte(code(r*group+c, bits) << (bits * (r / step)))
			}
		}
		m, err := Quanto{Bits: bits, Inputs: group}.Open(Parts{quantoData: w, quantoScale: one(count, 1), quantoShift: one(count, 1)})
		check("quanto", m, err, func(i int) float32 { return float32(code(i, bits)) - 1 })
	}
	w := blank(checkpoint.U8, rows/4, cols)
	for r := range rows {
		for c := range cols {
			w.Data[r%(rows/4)*cols+c] |= byte(code(r*cols+c, 2) << (2 * (r / (rows / 4))))
		}
	}
	m, err := BitNet{}.Open(Parts{"weight": w, "weight_scale": reals(checkpoint.BF16, []int{1}, 4)})
	check("BitNet", m, err, func(i int) float32 { return (float32(code(i, 2)) - 1) / 4 })
	m, err = BitNet{Multiplies: true}.Open(Parts{"weight": w, "weight_scale": reals(checkpoint.BF16, []int{1}, 4)})
	check("BitNet", m, err, func(i int) float32 { return (float32(code(i, 2)) - 1) * 4 })
}
