package kernel

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// eachSet runs f once for every instruction set of this build and machine.
// absMax returns the largest magnitude in a range.
func absMax(r Range) float32 { return max(-r.Min, r.Max) }

func eachSet(t *testing.T, f func(t *testing.T, set Set)) {
	for _, set := range Sets() {
		t.Run("simd="+set.String(), func(t *testing.T) { f(t, set) })
	}
}

// sample returns n weights of the given kind. Kinds differ in what may go wrong:
// subnormals, exact ties, values beyond half precision, all equal.
func sample(rng *rand.Rand, n int, kind int) []float32 {
	x := make([]float32, n)
	for i := range x {
		switch kind {
		case 0:
			x[i] = float32(rng.NormFloat64() * 0.02)
		case 1:
			x[i] = float32(rng.IntN(255)-127) * 0.5
		case 2:
			x[i] = math.Float32frombits(rng.Uint32()&^(0xff<<23) | uint32(rng.IntN(254))<<23)
		case 3:
			x[i] = float32(rng.NormFloat64() * 1e-41)
		case 4:
			x[i] = 0.25
		case 5:
			x[i] = float32(rng.NormFloat64() * 1e5)
		}
	}
	return x
}

const kinds = 6

// compare runs every loop over x with the given instruction set and in Go.
func compare(t *testing.T, set Set, x []float32, bits int) {
	t.Helper()
	if len(x) == 0 {
		return
	}
	r := set.findRange(x)
	if g := findRangeGeneric(x); r != g {
		t.Fatalf("range: got %v, want %v", r, g)
	}
	finite := r.NonFinite == 0
	y, g := make([]float32, len(x)), make([]float32, len(x))
	codes, gcodes := make([]uint16, len(x)), make([]uint16, len(x))
	qmax := float32(int(1)<<(bits-1) - 1)
	if s := absMax(r) / qmax; finite && s > 0 {
		p := SymmetricParams{Scale: s, QMax: qmax}
		set.quantizeSymmetric(y, x, p)
		quantizeSymmetricGeneric(g, x, p)
		sameBits(t, "symmetric", y, g)
		set.codesSymmetric(codes, x, p)
		codesSymmetricGeneric(gcodes, x, p)
		sameCodes(t, codes, gcodes)
		for i, c := range codes {
			if want := (float32(c) - qmax) * s; y[i] != want {
				t.Fatalf("code %d of element %d stands for %v, dequantized is %v", c, i, want, y[i])
			}
		}
		sameSums(t, set.sumErrors(x, y), sumErrorsGeneric(x, y))
		if bits <= 8 {
			compareIntegers(t, set, x, codes, y, p)
		}
	}
	qall := float32(int(1)<<bits - 1)
	if s := (r.Max - r.Min) / qall; finite && s > 0 && !math.IsInf(float64(s), 0) {
		p := AsymmetricParams{Scale: s, Zero: -r.Min / s, Min: r.Min, QMax: qall}
		set.quantizeAsymmetric(y, x, p)
		quantizeAsymmetricGeneric(g, x, p)
		sameBits(t, "asymmetric", y, g)
		set.codesAsymmetric(codes, x, p)
		codesAsymmetricGeneric(gcodes, x, p)
		sameCodes(t, codes, gcodes)
	}
	if finite {
		wide, gwide := make([]float64, len(x)), make([]float64, len(x))
		if a, b := set.widen(wide, x), widenGeneric(gwide, x); math.Float64bits(a) != math.Float64bits(b) {
			t.Fatalf("sum of squares: got %v, want %v", a, b)
		}
		for i := range wide {
			if wide[i] != gwide[i] {
				t.Fatalf("widen: element %d: got %v, want %v", i, wide[i], gwide[i])
			}
		}
		copy(y, x)
		copy(g, x)
		set.roundBF16(y)
		roundBF16Generic(g)
		sameBits(t, "bfloat16", y, g)
	}
	copy(y, x)
	copy(g, x)
	set.roundF16(y)
	roundF16Generic(g)
	sameBits(t, "float16", y, g)
	set.codesF16(codes, x)
	codesF16Generic(gcodes, x)
	sameCodes(t, codes, gcodes)
	enc := make([]byte, 2*len(x))
	for i, c := range codes {
		binary.LittleEndian.PutUint16(enc[2*i:], c)
	}
	set.decodeF16(y, enc)
	decodeF16Generic(g, enc)
	sameBits(t, "decode float16", y, g)
	set.decodeBF16(y, enc)
	decodeBF16Generic(g, enc)
	sameBits(t, "decode bfloat16", y, g)
	seen, gseen := make([]byte, 65536), make([]byte, 65536)
	set.mark(seen, codes)
	markGeneric(gseen, codes)
	if string(seen) != string(gseen) {
		t.Fatal("marks differ")
	}
}

// compareIntegers holds Codes8 to Go and to the 16-bit codes, and Scale16 to both: the
// codes times a power of two, read back.
func compareIntegers(t *testing.T, set Set, x []float32, codes []uint16, scratch []float32, p SymmetricParams) {
	t.Helper()
	got, want := make([]int8, len(x)), make([]int8, len(x))
	squares := set.codes8(got, x, p.Scale, p.QMax)
	if g := codes8Generic(want, x, p.Scale, p.QMax); squares != g || !slices.Equal(got, want) {
		t.Fatalf("codes of 8 bits: got %v, sum of squares %v, want %v and %v", got, squares, want, g)
	}
	for i, c := range codes {
		if int(got[i]) != int(c)-int(p.QMax) {
			t.Fatalf("code of element %d: got %d, and %d less %v", i, got[i], c, p.QMax)
		}
		scratch[i] = float32(got[i]) * 0x1p-9
	}
	got16, want16 := make([]int16, len(x)), make([]int16, len(x))
	s, g := set.scale16(got16, scratch, 0x1p9), scale16Generic(want16, scratch, 0x1p9)
	if s != squares || g != squares || !slices.Equal(got16, want16) {
		t.Fatalf("scaled: got %v, sum of squares %v, want %v and %v (%v)", got16, s, want16, g, squares)
	}
	for i, v := range got16 {
		if int(v) != int(got[i]) {
			t.Fatalf("scaled element %d: got %d, want %d", i, v, got[i])
		}
	}
}

func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: element %d: got %v (%08x), want %v (%08x)", what, i,
				got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}

func sameCodes(t *testing.T, got, want []uint16) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("code of element %d: got %d, want %d", i, got[i], want[i])
		}
	}
}

func sameSums(t *testing.T, got, want ErrorSums) {
	t.Helper()
	if got != want && !(math.IsInf(want.Square, 0) && math.IsInf(got.Square, 0)) {
		t.Fatalf("error sums: got %+v, want %+v", got, want)
	}
}

func TestAgainstGeneric(t *testing.T) {
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, n := range []int{1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000, 4097} {
			for kind := range kinds {
				x := sample(rng, n, kind)
				for bits := 2; bits <= 16; bits++ {
					compare(t, set, x, bits)
				}
				if n > 2 {
					x[n/2] = float32(math.NaN())
					x[n-1] = float32(math.Inf(-1))
					compare(t, set, x, 4)
				}
			}
		}
	})
}

// TestEveryHalf checks all 65536 patterns of the 16-bit formats.
func TestEveryHalf(t *testing.T) {
	src := make([]byte, 2*65536)
	for i := range 65536 {
		binary.LittleEndian.PutUint16(src[2*i:], uint16(i))
	}
	eachSet(t, func(t *testing.T, set Set) {
		got, want := make([]float32, 65536), make([]float32, 65536)
		set.decodeF16(got, src)
		decodeF16Generic(want, src)
		sameBits(t, "float16", got, want)
		back := make([]uint16, 65536)
		set.codesF16(back, got)
		for i, c := range back {
			if v := want[i]; v == v && int(c) != i {
				t.Fatalf("float16 %04x comes back as %04x", i, c)
			}
		}
		set.decodeBF16(got, src)
		decodeBF16Generic(want, src)
		sameBits(t, "bfloat16", got, want)
	})
}

// TestTies checks values by hand: halves go to the even neighbour.
func TestTies(t *testing.T) {
	x := []float32{-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3, -3}
	want := []float32{-2, -2, 0, 0, 2, 2, 3, -3}
	eachSet(t, func(t *testing.T, set Set) {
		got := make([]float32, len(x))
		set.quantizeSymmetric(got, x, SymmetricParams{Scale: 1, QMax: 3})
		sameBits(t, "ties", got, want)
	})
}

// TestCodes8 covers ties, infinities, scales at both ends of the range, and lengths
// around the point where the C loop empties its sum of squares.
func TestCodes8(t *testing.T) {
	inf := float32(math.Inf(1))
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewPCG(9, 10))
		ties := make([]int8, 8)
		set.codes8(ties, []float32{-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, inf, -inf}, 1, 3)
		if want := []int8{-2, -2, 0, 0, 2, 2, 3, -3}; !slices.Equal(ties, want) {
			t.Fatalf("ties: got %v, want %v", ties, want)
		}
		for _, n := range []int{1, 7, 8, 31, 32, 33, 1000, 65536, 70000, 140000} {
			for _, qmax := range []float32{127, 63, 31, 15, 7, 3, 1, 0} {
				for _, sigma := range []float64{0.02, 1, 1e-41, 1e30} {
					x := make([]float32, n)
					for i := range x {
						x[i] = float32(rng.NormFloat64() * sigma)
					}
					scale := max(float32(sigma)*4/max(1, qmax), math.SmallestNonzeroFloat32)
					got, want := make([]int8, n), make([]int8, n)
					a, b := set.codes8(got, x, scale, qmax), codes8Generic(want, x, scale, qmax)
					if a != b || !slices.Equal(got, want) {
						t.Fatalf("%d elements of about %v/%v, qmax %v: sum of squares %v, want %v", n, sigma, scale, qmax, a, b)
					}
				}
			}
		}
		// The largest sum that int32 must hold.
		x, got := make([]float32, 200000), make([]int8, 200000)
		for i := range x {
			x[i] = -127
		}
		if s := set.codes8(got, x, 1, 127); s != 200000*127*127 {
			t.Errorf("sum of squares of the largest codes: %v", s)
		}
	})
}

func TestScale16(t *testing.T) {
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewPCG(9, 10))
		for _, n := range []int{1, 7, 8, 31, 32, 33, 1000, 70001} {
			want, x := make([]int16, n), make([]float32, n)
			squares := int64(0)
			for i := range want {
				want[i] = int16(rng.IntN(2*32767+1) - 32767)
				x[i] = float32(want[i]) * 0x1p-9
				squares += int64(want[i]) * int64(want[i])
			}
			got, generic := make([]int16, n), make([]int16, n)
			if s, g := set.scale16(got, x, 0x1p9), scale16Generic(generic, x, 0x1p9); s != float64(squares) || g != s {
				t.Errorf("squares of %d elements: got %v, Go %v, want %v", n, s, g, squares)
			}
			if !slices.Equal(got, want) || !slices.Equal(generic, want) {
				t.Errorf("%d elements: got %v, Go %v, want %v", n, got, generic, want)
			}
		}
	})
}

// TestSets: the functions of the package take the best set, and the portable one, the
// zero Set, is always there.
func TestSets(t *testing.T) {
	sets := Sets()
	if got := sets[len(sets)-1]; got != 0 {
		t.Errorf("the last set is %v", got)
	}
	if SIMD() != sets[0].String() {
		t.Errorf("in use: %s, the best: %v", SIMD(), sets[0])
	}
}

// TestFunctions: the functions of the package compute what the Go loops do.
func TestFunctions(t *testing.T) {
	x := sample(rand.New(rand.NewPCG(3, 4)), 100, 0)
	n := len(x)
	y, g := make([]float32, n), make([]float32, n)
	codes, gcodes := make([]uint16, n), make([]uint16, n)
	r := FindRange(x)
	if want := findRangeGeneric(x); r != want {
		t.Errorf("range: got %v, want %v", r, want)
	}
	p := SymmetricParams{Scale: absMax(r) / 7, QMax: 7}
	QuantizeSymmetric(y, x, p)
	quantizeSymmetricGeneric(g, x, p)
	sameBits(t, "symmetric", y, g)
	CodesSymmetric(codes, x, p)
	codesSymmetricGeneric(gcodes, x, p)
	sameCodes(t, codes, gcodes)
	a := AsymmetricParams{Scale: (r.Max - r.Min) / 15, Zero: -r.Min / ((r.Max - r.Min) / 15), Min: r.Min, QMax: 15}
	QuantizeAsymmetric(y, x, a)
	quantizeAsymmetricGeneric(g, x, a)
	sameBits(t, "asymmetric", y, g)
	CodesAsymmetric(codes, x, a)
	codesAsymmetricGeneric(gcodes, x, a)
	sameCodes(t, codes, gcodes)
	sameSums(t, SumErrors(x, y), sumErrorsGeneric(x, y))
	c8, g8, c16, g16 := make([]int8, n), make([]int8, n), make([]int16, n), make([]int16, n)
	if s, want := Codes8(c8, x, p.Scale, 7), codes8Generic(g8, x, p.Scale, 7); s != want || !slices.Equal(c8, g8) {
		t.Errorf("8-bit codes %v, squares %v, want %v, %v", c8, s, g8, want)
	}
	for i, c := range c8 {
		y[i] = float32(c) / 8
	}
	if s, want := Scale16(c16, y, 8), scale16Generic(g16, y, 8); s != want || !slices.Equal(c16, g16) {
		t.Errorf("scaled to 16 bits %v, squares %v, want %v, %v", c16, s, g16, want)
	}
	wide, gwide := make([]float64, n), make([]float64, n)
	if s, want := Widen(wide, x), widenGeneric(gwide, x); s != want || !slices.Equal(wide, gwide) {
		t.Errorf("widened %v, squares %v, want %v, %v", wide, s, gwide, want)
	}
	for _, f := range []struct {
		name       string
		round, ref func([]float32)
	}{{"float16", RoundF16, roundF16Generic}, {"bfloat16", RoundBF16, roundBF16Generic}} {
		copy(y, x)
		copy(g, x)
		f.round(y)
		f.ref(g)
		sameBits(t, f.name, y, g)
	}
	CodesF16(codes, x)
	codesF16Generic(gcodes, x)
	sameCodes(t, codes, gcodes)
	half := make([]byte, 2*n)
	for i, c := range codes {
		binary.LittleEndian.PutUint16(half[2*i:], c)
	}
	DecodeF16(y, half)
	decodeF16Generic(g, half)
	sameBits(t, "decode float16", y, g)
	DecodeBF16(y, half)
	decodeBF16Generic(g, half)
	sameBits(t, "decode bfloat16", y, g)
	seen, gseen := make([]byte, 65536), make([]byte, 65536)
	Mark(seen, codes)
	markGeneric(gseen, codes)
	if !slices.Equal(seen, gseen) {
		t.Error("marks differ")
	}
}

// TestEmpty: no elements are no work and no sums.
func TestEmpty(t *testing.T) {
	DecodeF16(nil, nil)
	DecodeBF16(nil, nil)
	QuantizeSymmetric(nil, nil, SymmetricParams{1, 7})
	QuantizeAsymmetric(nil, nil, AsymmetricParams{1, 0, 0, 7})
	CodesSymmetric(nil, nil, SymmetricParams{1, 7})
	CodesAsymmetric(nil, nil, AsymmetricParams{1, 0, 0, 7})
	RoundF16(nil)
	RoundBF16(nil)
	CodesF16(nil, nil)
	Mark(make([]byte, 65536), nil)
	if r := FindRange(nil); r != (Range{}) {
		t.Errorf("range of nothing: %v", r)
	}
	if s := SumErrors(nil, nil); s != (ErrorSums{}) {
		t.Errorf("errors of nothing: %v", s)
	}
	if s := Widen(nil, nil) + Codes8(nil, nil, 1, 7) + Scale16(nil, nil, 1); s != 0 {
		t.Errorf("squares of nothing: %v", s)
	}
}

func TestMisfits(t *testing.T) {
	x, y := make([]float32, 4), make([]float32, 3)
	for name, f := range map[string]func(){
		"decode float16":   func() { DecodeF16(x, make([]byte, 7)) },
		"decode bfloat16":  func() { DecodeBF16(x, make([]byte, 9)) },
		"symmetric":        func() { QuantizeSymmetric(y, x, SymmetricParams{1, 7}) },
		"asymmetric":       func() { QuantizeAsymmetric(y, x, AsymmetricParams{1, 0, 0, 7}) },
		"symmetric codes":  func() { CodesSymmetric(make([]uint16, 3), x, SymmetricParams{1, 7}) },
		"asymmetric codes": func() { CodesAsymmetric(make([]uint16, 3), x, AsymmetricParams{1, 0, 0, 7}) },
		"8-bit codes":      func() { Codes8(make([]int8, 3), x, 1, 7) },
		"8-bit codes, 128": func() { Codes8(make([]int8, 4), x, 1, 128) },
		"8-bit codes, -1":  func() { Codes8(make([]int8, 4), x, 1, -1) },
		"8-bit codes, NaN": func() { Codes8(make([]int8, 4), x, 1, float32(math.NaN())) },
		"scale to 16 bits": func() { Scale16(make([]int16, 3), x, 1) },
		"scale, long":      func() { Scale16(make([]int16, 5), x, 1) },
		"float16 codes":    func() { CodesF16(make([]uint16, 3), x) },
		"sums":             func() { SumErrors(x, y) },
		"widen":            func() { Widen(make([]float64, 3), x) },
		"marks":            func() { Mark(make([]byte, 65535), make([]uint16, 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Fatal("no panic")
				}
			}()
			f()
		})
	}
}

// FuzzAgainstGeneric holds every instruction set to the Go loops on arbitrary
// float32 patterns.
func FuzzAgainstGeneric(f *testing.F) {
	f.Add([]byte{0, 0, 128, 63, 0, 0, 0, 191, 1, 0, 0, 0, 0, 0, 128, 127}, uint8(2))
	f.Add([]byte{255, 255, 127, 127, 255, 255, 127, 255, 0, 0, 0, 128}, uint8(0))
	f.Add(make([]byte, 400), uint8(14))
	f.Fuzz(func(t *testing.T, data []byte, bits uint8) {
		x := make([]float32, len(data)/4)
		for i := range x {
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
		}
		for _, set := range Sets() {
			compare(t, set, x, 2+int(bits)%15)
		}
	})
}

func BenchmarkKernels(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 1 << 14
	x, y, w := sample(rng, n, 0), make([]float32, n), make([]float64, n)
	codes, seen, half := make([]uint16, n), make([]byte, 65536), make([]byte, 2*n)
	codes8, codes16 := make([]int8, n), make([]int16, n)
	CodesF16(codes, x)
	for i, c := range codes {
		binary.LittleEndian.PutUint16(half[2*i:], c)
	}
	p := SymmetricParams{Scale: absMax(FindRange(x)) / 7, QMax: 7}
	for _, c := range []struct {
		name  string
		bytes int
		f     func()
	}{
		{"decode_f16", 6, func() { DecodeF16(y, half) }},
		{"decode_bf16", 6, func() { DecodeBF16(y, half) }},
		{"range", 4, func() { FindRange(x) }},
		{"quantize_symmetric", 8, func() { QuantizeSymmetric(y, x, p) }},
		{"codes_symmetric", 6, func() { CodesSymmetric(codes, x, p) }},
		{"codes8", 5, func() { Codes8(codes8, x, p.Scale, p.QMax) }},
		{"scale16", 6, func() { Scale16(codes16, y, 1) }},
		{"mark", 3, func() { Mark(seen, codes) }},
		{"round_f16", 8, func() { RoundF16(y) }},
		{"round_bf16", 8, func() { RoundBF16(y) }},
		{"sum_errors", 8, func() { SumErrors(x, y) }},
		{"widen", 12, func() { Widen(w, x) }},
		{"copy", 8, func() { copy(y, x) }},
	} {
		b.Run("loop="+c.name+"/simd="+SIMD(), func(b *testing.B) {
			b.SetBytes(int64(c.bytes * n))
			for b.Loop() {
				c.f()
			}
		})
	}
}
