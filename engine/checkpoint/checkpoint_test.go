package checkpoint

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/x448/float16"
	"pgregory.net/rapid"
)

func TestParseDType(t *testing.T) {
	seen := 0
	for d := InvalidDType + 1; d.Bits() > 0; d++ {
		seen++
		if got, ok := ParseDType(d.String()); !ok || got != d {
			t.Errorf("ParseDType(%q) = %v, %t", d.String(), got, ok)
		}
	}
	if seen != 22 {
		t.Errorf("%d types, want the 22 of safetensors", seen)
	}
	for _, name := range []string{"", "f32", "invalid", "F32 "} {
		if got, ok := ParseDType(name); ok || got != InvalidDType {
			t.Errorf("ParseDType(%q) = %v, %t", name, got, ok)
		}
	}
	if got := DType(200).String(); got != "DType(200)" || DType(200).Bits() != 0 {
		t.Errorf("DType(200) is %q of %d bits", got, DType(200).Bits())
	}
}

// TestConvert converts values that every type represents exactly, and values at the
// limits of each type.
func TestConvert(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	exact := []float32{0, float32(math.Copysign(0, -1)), 1, -1.5, 240, inf, -inf, nan}
	for _, d := range []DType{F64, F32, F16, BF16} {
		enc := d.Encoding()
		if weights, bytes := enc.Block(); weights != 1 || 8*bytes != d.Bits() || enc.Name() != d.String() {
			t.Errorf("%s: encoding %s has blocks of %d weights in %d bytes", d, enc.Name(), weights, bytes)
		}
		stored := make([]byte, len(exact)*d.Bits()/8)
		d.Encode(stored, exact)
		got := make([]float32, len(exact))
		enc.Decode(got, stored)
		for i := range exact {
			if math.Float32bits(got[i]) != math.Float32bits(exact[i]) && !(got[i] != got[i] && exact[i] != exact[i]) {
				t.Errorf("%s: %g became %g", d, exact[i], got[i])
			}
		}
	}
	for _, tc := range []struct {
		name     string
		d        DType
		in, want float32
	}{
		{"half of the last bit rounds to even, down", BF16, 1 + 0x1p-8, 1},
		{"half of the last bit rounds to even, up", BF16, 1 + 3*0x1p-8, 1 + 0x1p-6},
		{"above half rounds up", BF16, 1 + 0x1p-8 + 0x1p-20, 1 + 0x1p-7},
		{"beyond the largest bfloat16", BF16, math.MaxFloat32, inf},
		{"half of the last bit rounds to even", F16, 1 + 0x1p-11, 1},
		{"largest float16", F16, 65504, 65504},
		{"beyond the largest float16", F16, 65520, inf},
		{"smallest float16", F16, 0x1p-24, 0x1p-24},
		{"half of the smallest float16", F16, 0x1p-25, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			stored, got := make([]byte, 2), make([]float32, 1)
			tc.d.Encode(stored, []float32{tc.in})
			tc.d.Encoding().Decode(got, stored)
			rounded := []float32{tc.in}
			tc.d.Round(rounded)
			if got[0] != tc.want || rounded[0] != tc.want {
				t.Errorf("%s: %g became %g, and %g by Round, want %g", tc.d, tc.in, got[0], rounded[0], tc.want)
			}
		})
	}
	got, wide := make([]float32, 1), make([]float64, 1)
	large := []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x7e} // 2^1008
	F64.Encoding().Decode(got, large)
	F64.Encoding().(WideEncoding).DecodeWide(wide, large)
	if got[0] != inf || wide[0] != 0x1p1008 {
		t.Errorf("a large F64 became %g, want infinity, and %g in float64", got[0], wide[0])
	}
}

// TestDecode: every stored type is decoded as it is defined: all 65536 numbers of 16 bits,
// and many of the others, in vectors of every length.
func TestDecode(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	le := binary.LittleEndian
	for d, define := range map[DType]func(b []byte) float32{
		F16:  func(b []byte) float32 { return float16.Frombits(le.Uint16(b)).Float32() },
		BF16: func(b []byte) float32 { return math.Float32frombits(uint32(le.Uint16(b)) << 16) },
		F32:  func(b []byte) float32 { return math.Float32frombits(le.Uint32(b)) },
		F64:  func(b []byte) float32 { return float32(math.Float64frombits(le.Uint64(b))) },
	} {
		size, n := d.Bits()/8, 1<<16
		src := make([]byte, n*size)
		for i := range src {
			src[i] = byte(rng.Uint32())
		}
		if size == 2 {
			for i := range n {
				le.PutUint16(src[2*i:], uint16(i))
			}
		}
		for _, length := range []int{0, 1, 7, 8, 9, 31, 33, n} {
			got := make([]float32, length)
			d.Encoding().Decode(got, src[:length*size])
			for i, g := range got {
				if w := define(src[i*size:]); math.Float32bits(g) != math.Float32bits(w) && !(g != g && w != w) {
					t.Fatalf("%v: element %d of %d is %v, want %v", d, i, length, g, w)
				}
			}
		}
	}
}

// TestNoWeights: types that hold codes, or no real numbers, have no encoding.
func TestNoWeights(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic for I8")
		}
	}()
	for d := InvalidDType; d.Bits() > 0 || d == InvalidDType; d++ {
		if enc := d.Encoding(); enc != nil && d != F64 && d != F32 && d != F16 && d != BF16 {
			t.Errorf("%s has an encoding", d)
		}
	}
	I8.Encode(make([]byte, 8), make([]float32, 1))
}

func TestNaturalLess(t *testing.T) {
	sorted := []string{"", "a", "a.1", "a.1.b", "a.01", "a.2", "a.02.b", "a.10", "a.99999999999999999999998", "a.99999999999999999999999", "ab", "b"}
	for i, a := range sorted {
		for j, b := range sorted {
			if a == "a.01" || b == "a.01" {
				continue // NaturalLess orders a.1 and a.01 by bytes, which is tested below
			}
			if got := NaturalLess(a, b); got != (i < j) {
				t.Errorf("NaturalLess(%q, %q) = %t", a, b, got)
			}
		}
	}
	if NaturalLess("a.01", "a.1") == NaturalLess("a.1", "a.01") {
		t.Error("a.1 and a.01 are not ordered")
	}
}

// TestNaturalLessIsAnOrder checks on random names that exactly one of a<b, b<a
// and a=b holds, and that a<b and b<c give a<c.
func TestNaturalLessIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[0-2a.]{0,6}`)
		a, b, c := name.Draw(t, "a"), name.Draw(t, "b"), name.Draw(t, "c")
		if NaturalLess(a, b) == NaturalLess(b, a) && a != b {
			t.Errorf("%q and %q are not ordered", a, b)
		}
		if NaturalLess(a, b) && NaturalLess(b, c) && !NaturalLess(a, c) {
			t.Errorf("%q < %q < %q is not transitive", a, b, c)
		}
	})
}

func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		err   error
		class error
		want  string
	}{
		{&FileError{"m\n", Corruptf("value %d > limit %d: %w", 2, 1, io.EOF)}, ErrCorrupt, `"m\n": value 2 > limit 1: EOF`},
		{&TensorError{"m", "h.3\x1b", Unsupportedf("no: %w", io.EOF)}, ErrUnsupported, `m: tensor "h.3\x1b": no: EOF`},
		{&TensorError{"m", "a", NotFoundf("%w", io.EOF)}, ErrNotFound, `m: tensor "a": EOF`},
	} {
		if tc.err.Error() != tc.want {
			t.Errorf("error %q, want %q", tc.err, tc.want)
		}
		if !errors.Is(tc.err, tc.class) || !errors.Is(tc.err, io.EOF) {
			t.Errorf("%q is not of class %v or lost its cause", tc.err, tc.class)
		}
	}
	if got := Cause(&fs.PathError{Op: "open", Path: "x", Err: fs.ErrExist}); got != fs.ErrExist {
		t.Errorf("Cause of a PathError = %v", got)
	}
	if got := Cause(io.EOF); got != io.EOF {
		t.Errorf("Cause(EOF) = %v", got)
	}
}

func TestQuote(t *testing.T) {
	if got := Quote("a\"\n\u202e"); got != `"a\"\n\u202e"` {
		t.Errorf("Quote = %s", got)
	}
	long := Quote(strings.Repeat("é", 1000))
	if want := `"` + strings.Repeat("é", 128) + `"... (2000 bytes)`; long != want {
		t.Errorf("Quote = %s, want %s", long, want)
	}
	if long := Quote("x" + strings.Repeat("é", 1000)); strings.Contains(long, `\x`) {
		t.Errorf("Quote cut inside a character: %s", long)
	}
	for name, want := range map[string]string{
		"model é.safetensors": "model é.safetensors",
		"":                    `""`,
		"a\tb":                `"a\tb"`,
		"\xff":                `"\xff"`,
	} {
		if got := Printable(name); got != want {
			t.Errorf("Printable(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestElements(t *testing.T) {
	for want, shape := range map[int64][]int{1: {}, 0: {3, 0}, 24: {2, 3, 4}} {
		tensor := Tensor{Shape: shape}
		if got := tensor.Elements(); got != want {
			t.Errorf("shape %v has %d elements, want %d", shape, got, want)
		}
	}
}
