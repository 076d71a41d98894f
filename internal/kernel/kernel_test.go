package kernel

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// sets are the instruction sets that a build may have.
var sets = []string{"avx512", "avx2", "neon", "scalar", "generic"}

// eachSet runs f once for every instruction set of this build and machine.
func eachSet(t *testing.T, f func(t *testing.T)) {
	was := SIMD()
	defer Force(was)
	for _, name := range sets {
		if Force(name) {
			t.Run("simd="+name, f)
		}
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

// compare runs every loop over x in the forced instruction set and in Go.
func compare(t *testing.T, x []float32, bits int) {
	t.Helper()
	r := FindRange(x)
	if g := FindRangeGeneric(x); r != g {
		t.Fatalf("range: got %v, want %v", r, g)
	}
	finite := r.NonFinite == 0
	y, g := make([]float32, len(x)), make([]float32, len(x))
	codes, gcodes := make([]uint16, len(x)), make([]uint16, len(x))
	qmax := float32(int(1)<<(bits-1) - 1)
	if s := r.AbsMax() / qmax; finite && s > 0 {
		p := SymmetricParams{Scale: s, QMax: qmax}
		QuantizeSymmetric(y, x, p)
		QuantizeSymmetricGeneric(g, x, p)
		sameBits(t, "symmetric", y, g)
		CodesSymmetric(codes, x, p)
		CodesSymmetricGeneric(gcodes, x, p)
		sameCodes(t, codes, gcodes)
		for i, c := range codes {
			if want := (float32(c) - qmax) * s; y[i] != want {
				t.Fatalf("code %d of element %d stands for %v, dequantized is %v", c, i, want, y[i])
			}
		}
		sameSums(t, SumErrors(x, y), SumErrorsGeneric(x, y))
	}
	qall := float32(int(1)<<bits - 1)
	if s := (r.Max - r.Min) / qall; finite && s > 0 && !math.IsInf(float64(s), 0) {
		p := AsymmetricParams{Scale: s, Zero: -r.Min / s, Min: r.Min, QMax: qall}
		QuantizeAsymmetric(y, x, p)
		QuantizeAsymmetricGeneric(g, x, p)
		sameBits(t, "asymmetric", y, g)
		CodesAsymmetric(codes, x, p)
		CodesAsymmetricGeneric(gcodes, x, p)
		sameCodes(t, codes, gcodes)
	}
	if finite {
		wide, gwide := make([]float64, len(x)), make([]float64, len(x))
		if a, b := Widen(wide, x), WidenGeneric(gwide, x); math.Float64bits(a) != math.Float64bits(b) {
			t.Fatalf("sum of squares: got %v, want %v", a, b)
		}
		for i := range wide {
			if wide[i] != gwide[i] {
				t.Fatalf("widen: element %d: got %v, want %v", i, wide[i], gwide[i])
			}
		}
		copy(y, x)
		copy(g, x)
		RoundBF16(y)
		RoundBF16Generic(g)
		sameBits(t, "bfloat16", y, g)
	}
	copy(y, x)
	copy(g, x)
	RoundF16(y)
	RoundF16Generic(g)
	sameBits(t, "float16", y, g)
	CodesF16(codes, x)
	CodesF16Generic(gcodes, x)
	sameCodes(t, codes, gcodes)
	enc := make([]byte, 2*len(x))
	for i, c := range codes {
		binary.LittleEndian.PutUint16(enc[2*i:], c)
	}
	DecodeF16(y, enc)
	DecodeF16Generic(g, enc)
	sameBits(t, "decode float16", y, g)
	DecodeBF16(y, enc)
	DecodeBF16Generic(g, enc)
	sameBits(t, "decode bfloat16", y, g)
	seen, gseen := make([]byte, 65536), make([]byte, 65536)
	Mark(seen, codes)
	MarkGeneric(gseen, codes)
	if string(seen) != string(gseen) {
		t.Fatal("marks differ")
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
	eachSet(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, n := range []int{0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000, 4097} {
			for kind := range kinds {
				x := sample(rng, n, kind)
				for bits := 2; bits <= 16; bits++ {
					compare(t, x, bits)
				}
				if n > 2 {
					x[n/2] = float32(math.NaN())
					x[n-1] = float32(math.Inf(-1))
					compare(t, x, 4)
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
	eachSet(t, func(t *testing.T) {
		got, want := make([]float32, 65536), make([]float32, 65536)
		DecodeF16(got, src)
		DecodeF16Generic(want, src)
		sameBits(t, "float16", got, want)
		back := make([]uint16, 65536)
		CodesF16(back, got)
		for i, c := range back {
			if v := want[i]; v == v && int(c) != i {
				t.Fatalf("float16 %04x comes back as %04x", i, c)
			}
		}
		DecodeBF16(got, src)
		DecodeBF16Generic(want, src)
		sameBits(t, "bfloat16", got, want)
	})
}

// TestTies checks values by hand: halves go to the even neighbour.
func TestTies(t *testing.T) {
	x := []float32{-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3, -3}
	want := []float32{-2, -2, 0, 0, 2, 2, 3, -3}
	eachSet(t, func(t *testing.T) {
		got := make([]float32, len(x))
		QuantizeSymmetric(got, x, SymmetricParams{Scale: 1, QMax: 3})
		sameBits(t, "ties", got, want)
	})
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
		was := SIMD()
		defer Force(was)
		for _, name := range sets {
			if Force(name) {
				compare(t, x, 2+int(bits)%15)
			}
		}
	})
}

func BenchmarkKernels(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n = 1 << 14
	x, y, w := sample(rng, n, 0), make([]float32, n), make([]float64, n)
	codes, seen, half := make([]uint16, n), make([]byte, 65536), make([]byte, 2*n)
	CodesF16(codes, x)
	for i, c := range codes {
		binary.LittleEndian.PutUint16(half[2*i:], c)
	}
	p := SymmetricParams{Scale: FindRange(x).AbsMax() / 7, QMax: 7}
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
