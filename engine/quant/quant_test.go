package quant

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

func TestParse(t *testing.T) {
	sym := func(bits int) Recipe { return Uniform(symmetric(bits)) }
	asym := func(bits int) Recipe { return Uniform(asymmetric(bits)) }
	for s, want := range map[string]Recipe{
		"fp16": FP16, "FP16": FP16, "f16": FP16, " 8bit ": sym(8), "8": sym(8), "2bit": sym(2),
		"16": sym(16), "4bit-asym": asym(4), "4bit_asym": asym(4), "4-asym": asym(4),
		"4-bit": sym(4), "4bit-sym": sym(4),
	} {
		got, err := Parse(s)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v, want %v", s, got, err, want)
			continue
		}
		if back, err := Parse(got.Name()); err != nil || back != got {
			t.Errorf("%v does not read back: %v, %v", got, back, err)
		}
	}
	for _, s := range []string{"", "1", "17", "0bit", "-4", "+4", "4bits", "bit", "fp9", "int4-g1", "int17", "q4_k@f16", "bnb-int8@bf16", "ct-w4a16@f64", "4.5", "asym", "99999999999999999999"} {
		if l, err := Parse(s); err == nil {
			t.Errorf("Parse(%q) = %v", s, l)
		}
	}
	if _, err := ParseList("4,8bit,4bit"); err == nil {
		t.Error("a level twice was taken")
	}
}

// TestValues: symmetric schemes have 2^b - 1 values, not 2^b.
func TestValues(t *testing.T) {
	for bits, want := range map[int]int{8: 255, 6: 63, 5: 31, 4: 15, 3: 7, 2: 3} {
		if got := Values(uniform{bits: bits}); got != want {
			t.Errorf("%d bits: %d values, want %d", bits, got, want)
		}
		if got := Values(uniform{bits: bits, asymmetric: true}); got != want+1 {
			t.Errorf("%d bits asymmetric: %d values, want %d", bits, got, want+1)
		}
	}
	finite := 0
	for bits := range 1 << 16 {
		if bits&0x7c00 != 0x7c00 && bits != 0x8000 {
			finite++
		}
	}
	if got := Values(castF16{}); got != finite {
		t.Errorf("fp16 has %d values, want %d", got, finite)
	}
}

func TestOrder(t *testing.T) {
	levels, err := ParseList("2,4-asym,16,4,fp16,8")
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(levels, Compare)
	want := []string{"fp16", "16bit", "8bit", "4bit", "4bit-asym", "2bit"}
	for i, l := range levels {
		if l.Name() != want[i] {
			t.Errorf("level %d is %v, want %s", i, l, want[i])
		}
	}
	if FP16.BitsPerWeight() != 16 || !FP16.Reference() || levels[2].Reference() || levels[2].BitsPerWeight() != 8 {
		t.Error("fp16 is the reference, of 16 bits, and 8bit, of 8, is not")
	}
	if b := (uniform{bits: 4, asymmetric: true}).BitsPerWeight(8, 16); b != 4.5 {
		t.Errorf("4bit-asym of 8×16: %v bits a weight", b)
	}
}

func gaussian(n int) []float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(rng.NormFloat64() * 0.02)
	}
	return w
}

// apply quantizes w and measures the errors.
func apply(t *testing.T, w []float32, s Scheme, out checkpoint.DType) ([]float32, Errors, Quantizer) {
	t.Helper()
	q, err := s.Fit(Dense{1, len(w), w}, out)
	if err != nil {
		t.Fatal(err)
	}
	d := make([]float32, len(w))
	q.Dequantize(d, Piece{W: w, Width: len(w)})
	m := NewMeter(q)
	m.Add(w[:len(w)/3], d[:len(w)/3])
	m.Add(w[len(w)/3:], d[len(w)/3:])
	return d, m.Errors(), q
}

func symmetric(bits int) Scheme  { return uniform{bits: bits} }
func asymmetric(bits int) Scheme { return uniform{bits: bits, asymmetric: true} }

// TestByDefinition compares results and statistics with sums taken one by one.
func TestByDefinition(t *testing.T) {
	w := gaussian(5001)
	for _, l := range []Scheme{castF16{}, symmetric(2), symmetric(3), symmetric(8), symmetric(16), asymmetric(2), asymmetric(4), asymmetric(16)} {
		for _, out := range []checkpoint.DType{checkpoint.F32, checkpoint.F16, checkpoint.BF16, checkpoint.F64} {
			d, e, q := apply(t, w, l, out)
			values := map[float32]bool{}
			var sum, sq, top, sig, mag float64
			for i := range w {
				values[d[i]] = true
				err := float64(w[i]) - float64(d[i])
				sum += math.Abs(err)
				sq += err * err
				top = math.Max(top, math.Abs(err))
				sig += float64(w[i]) * float64(w[i])
				mag += math.Abs(float64(w[i]))
			}
			n := float64(len(w))
			for what, c := range map[string][2]float64{
				"unique": {float64(e.Unique), float64(len(values))}, "mae": {e.MAE, sum / n}, "mse": {e.MSE, sq / n},
				"max": {e.MaxAbs, top}, "snr": {e.SNR, 10 * math.Log10(sig/sq)}, "relative": {e.Relative, sum / mag},
			} {
				if math.Abs(c[0]-c[1]) > 1e-12*math.Abs(c[1]) {
					t.Errorf("%v to %v: %s = %v, want %v", l, out, what, c[0], c[1])
				}
			}
			// At 16 bits a step is some hundred units in the last place.
			if l != Scheme(castF16{}) && out == checkpoint.F32 && top > 0.5*float64(q.(Stepped).Step())*(1+1e-2) {
				t.Errorf("%v: largest error %v, step %v", l, top, q.(Stepped).Step())
			}
			for i, v := range d {
				var b [8]byte
				back := []float32{0}
				out.Encode(b[:], []float32{v})
				out.Encoding().Decode(back, b[:out.Bits()/8])
				if back[0] != v {
					t.Fatalf("%v to %v: weight %d = %v cannot be stored", l, out, i, v)
				}
			}
		}
	}
}

// TestConstant: constant and zero tensors stay as they are at every level.
func TestConstant(t *testing.T) {
	for _, v := range []float32{0, 0.1, -3, math.SmallestNonzeroFloat32} {
		w := []float32{v, v, v, v, v}
		for _, l := range []Scheme{symmetric(2), symmetric(8), asymmetric(4)} {
			d, e, q := apply(t, w, l, checkpoint.F32)
			if !slices.Equal(d, w) || e.Unique != 1 || e.MSE != 0 || !math.IsInf(e.SNR, 1) || e.Relative != 0 || q.(Stepped).Step() != 0 {
				t.Errorf("%v at %v: %v, %+v", v, l, d, e)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, tc := range []struct {
		name     string
		w        []float32
		l        Scheme
		out      checkpoint.DType
		overflow bool
	}{
		{"not finite", []float32{1, inf}, symmetric(8), checkpoint.F32, false},
		{"beyond float16", []float32{1, 65520}, castF16{}, checkpoint.F32, true},
		{"beyond stored float16", []float32{1, 70000}, symmetric(8), checkpoint.F16, true},
		{"beyond stored bfloat16", []float32{1, math.MaxFloat32}, symmetric(8), checkpoint.BF16, true},
		{"range beyond float32", []float32{-math.MaxFloat32, math.MaxFloat32}, asymmetric(8), checkpoint.F32, true},
		{"integers", []float32{1, 2}, symmetric(8), checkpoint.I8, false},
	} {
		_, err := tc.l.Fit(Dense{1, len(tc.w), tc.w}, tc.out)
		if err == nil || errors.Is(err, ErrOverflow) != tc.overflow {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	// The largest weights that do fit.
	for _, tc := range []struct {
		w   float32
		out checkpoint.DType
	}{{65519.99, checkpoint.F32}, {math.Float32frombits(0x477fefff), checkpoint.F16}} {
		d, _, _ := apply(t, []float32{-tc.w, 0, tc.w}, castF16{}, tc.out)
		if d[2] != 65504 {
			t.Errorf("%v became %v", tc.w, d[2])
		}
	}
}

// TestUnit: where a scheme has a unit, every dequantized weight is a multiple of it, and
// the largest unit was found; bfloat16 has one at all widths, float16 at widths of up to
// 5.
func TestUnit(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	x, y := make([]float32, 4000), make([]float32, 4000)
	for _, out := range []checkpoint.DType{checkpoint.BF16, checkpoint.F16} {
		for bits := 2; bits <= 8; bits++ {
			for _, scheme := range []Scheme{symmetric(bits), asymmetric(bits)} {
				for range 20 {
					size := float32(math.Exp(1.5 * rng.NormFloat64()))
					for i := range x {
						x[i] = size * float32(rng.NormFloat64())
					}
					q, err := scheme.Fit(Dense{1, len(x), x}, out)
					if err != nil {
						t.Fatal(err)
					}
					unit, largest, ok := q.(Integral).Unit(math.MaxInt16)
					if must := scheme == symmetric(bits) && (out == checkpoint.BF16 || bits <= 5); must && !ok {
						t.Errorf("%v in %v: no unit", scheme, out)
					}
					if !ok {
						continue
					}
					divisor, top := 0, 0
					q.Dequantize(y, Piece{W: x, Width: len(x)})
					for _, v := range y {
						n := float64(v) / unit
						if n != math.Trunc(n) || math.Abs(n) > float64(largest) {
							t.Fatalf("%v in %v: %v is %v times %v, at most %d", scheme, out, v, n, unit, largest)
						}
						top = max(top, int(math.Abs(n)))
						for d := int(math.Abs(n)); d != 0; {
							divisor, d = d, divisor%d
						}
					}
					if divisor%2 == 0 || largest != top {
						t.Errorf("%v in %v: all weights are multiples of %d times %v, up to %d of %d", scheme, out, divisor, unit, top, largest)
					}
				}
			}
		}
	}
	for _, s := range []Scheme{symmetric(12), asymmetric(16)} {
		q, err := s.Fit(Dense{1, len(x), x}, checkpoint.BF16)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ok := q.(Integral).Unit(math.MaxInt16); ok {
			t.Errorf("%v has a unit", s)
		}
	}
	tiny, err := asymmetric(4).Fit(Dense{1, 2, []float32{-1e-40, 1e-40}}, checkpoint.F32)
	if err != nil {
		t.Fatal(err)
	}
	if unit, _, ok := tiny.(Integral).Unit(math.MaxInt16); ok {
		t.Errorf("the unit %v has no inverse", unit)
	}
}

// TestApply: one call quantizes a slice.
func TestApply(t *testing.T) {
	w := gaussian(300)
	want, errs, _ := apply(t, w, symmetric(4), checkpoint.F32)
	got := make([]float32, len(w))
	e, err := Apply(got, w, 15, 20, "4bit")
	if err != nil || !slices.Equal(got, want) || e.Unique != errs.Unique || math.Abs(e.MSE/errs.MSE-1) > 1e-12 {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := Apply(got, w, 15, 20, "none"); err == nil {
		t.Error("an unknown level was taken")
	}
	w[3] = float32(math.NaN())
	if _, err := Apply(got, w, 15, 20, "4bit"); err == nil {
		t.Error("NaN was taken")
	}
}

// plain is a quantizer without a codebook.
type plain struct{}

func (plain) Dequantize(dst []float32, p Piece) { copy(dst, p.W) }

// TestUniqueWithoutCodebook: values are counted one by one, up to a limit.
func TestUniqueWithoutCodebook(t *testing.T) {
	x := make([]float32, maxExact+2)
	for i := range x {
		x[i] = float32(i)
	}
	m := NewMeter(plain{})
	m.Add(x[:100], x[:100])
	m.Add(x[50:200], x[50:200])
	if e := m.Errors(); e.Unique != 200 {
		t.Errorf("%d values, want 200", e.Unique)
	}
	m.Add(x, x)
	if e := m.Errors(); e.Unique != -1 {
		t.Errorf("%d values, want none", e.Unique)
	}
}

// TestEachRow: a piece gives the parts of its rows, whatever panel it is of.
func TestEachRow(t *testing.T) {
	for _, tc := range []struct {
		p    Piece
		want [][4]int
	}{
		{Piece{W: make([]float32, 7), Row: 2, Col: 3, Width: 5}, [][4]int{{2, 3, 0, 2}, {3, 0, 2, 5}}},
		{Piece{W: make([]float32, 5), Row: 0, Col: 12, First: 10, Width: 3}, [][4]int{{0, 12, 0, 1}, {1, 10, 1, 3}, {2, 10, 4, 1}}},
		{Piece{W: nil, Width: 3}, nil},
	} {
		var got [][4]int
		tc.p.EachRow(func(row, col, at, n int) { got = append(got, [4]int{row, col, at, n}) })
		if !slices.Equal(got, tc.want) {
			t.Errorf("%+v: %v, want %v", tc.p, got, tc.want)
		}
	}
}
