package checkpoint

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"
	"testing"

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
		if !d.Analysable() {
			t.Errorf("%s is not analysable", d)
		}
		stored := make([]byte, len(exact)*d.Bits()/8)
		EncodeF32(stored, exact, d)
		got := make([]float32, len(exact))
		DecodeF32(got, stored, d)
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
			EncodeF32(stored, []float32{tc.in}, tc.d)
			DecodeF32(got, stored, tc.d)
			if got[0] != tc.want {
				t.Errorf("%s: %g became %g, want %g", tc.d, tc.in, got[0], tc.want)
			}
		})
	}
	got := make([]float32, 1)
	DecodeF32(got, []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x7e}, F64) // about 5e303
	if got[0] != inf {
		t.Errorf("a large F64 became %g, want infinity", got[0])
	}
}

func TestConvertPanics(t *testing.T) {
	for name, convert := range map[string]func(){
		"decode": func() { DecodeF32(make([]float32, 1), make([]byte, 8), I8) },
		"encode": func() { EncodeF32(make([]byte, 8), make([]float32, 1), I8) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic for I8")
				}
			}()
			convert()
		})
	}
	if I8.Analysable() || C64.Analysable() || InvalidDType.Analysable() {
		t.Error("I8, C64 or the invalid type is analysable")
	}
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

func TestMissingShards(t *testing.T) {
	for _, tc := range []struct {
		names []string
		want  []string
		more  int
	}{
		{names: []string{"model.safetensors", "a-of-b", "-00001-of-00002", "x00001-of-00002.bin", "m-0000a-of-00002.bin", "m-00001-of-0000a.bin", "m-00003-of-00002.bin", "m-00000-of-00002.bin", "m-00001-of-00002bin"}},
		{names: []string{"m-00002-of-00002.bin", "m-00001-of-00002.bin"}},
		{names: []string{"m-00002-of-00003.bin", "n-00001-of-00002.x"}, want: []string{"m-00001-of-00003.bin", "m-00003-of-00003.bin", "n-00002-of-00002.x"}},
		{names: []string{"a.safetensors", "m-00001-of-00003.x"}, want: []string{"m-00002-of-00003.x", "m-00003-of-00003.x"}},
		{names: []string{"m-00001-of-00003.x", "n.safetensors", "o-00002-of-00002.x"}, want: []string{"m-00002-of-00003.x", "m-00003-of-00003.x", "o-00001-of-00002.x"}},
		{names: []string{"m-99999-of-99999.bin"}, more: 99978},
	} {
		got, more := MissingShards(tc.names)
		if tc.more == 0 && !slices.Equal(got, tc.want) || more != tc.more {
			t.Errorf("MissingShards(%q) = %q and %d more", tc.names, got, more)
		}
		if tc.more > 0 && len(got) != 20 {
			t.Errorf("MissingShards(%q) lists %d names, want 20", tc.names, len(got))
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
