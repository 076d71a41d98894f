package quant

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

func TestParseLevel(t *testing.T) {
	for s, want := range map[string]Level{
		"fp16": FP16, "FP16": FP16, "f16": FP16, " 8bit ": {Symmetric, 8}, "8": {Symmetric, 8}, "2bit": {Symmetric, 2},
		"16": {Symmetric, 16}, "4bit-asym": {Asymmetric, 4}, "4bit_asym": {Asymmetric, 4}, "4-asym": {Asymmetric, 4},
		"4-bit": {Symmetric, 4}, "4bit-sym": {Symmetric, 4},
	} {
		got, err := ParseLevel(s)
		if err != nil || got != want {
			t.Errorf("ParseLevel(%q) = %v, %v, want %v", s, got, err, want)
		}
		if back, err := ParseLevel(got.String()); err != nil || back != got {
			t.Errorf("%v does not read back: %v, %v", got, back, err)
		}
	}
	for _, s := range []string{"", "1", "17", "0bit", "-4", "+4", "4bits", "bit", "fp8", "4.5", "asym", "99999999999999999999"} {
		if l, err := ParseLevel(s); err == nil {
			t.Errorf("ParseLevel(%q) = %v", s, l)
		}
	}
	if _, err := ParseLevels("4,8bit,4bit"); err == nil {
		t.Error("a level twice was taken")
	}
}

// TestValues: symmetric levels have 2^b - 1 values, not 2^b.
func TestValues(t *testing.T) {
	for bits, want := range map[int]int{8: 255, 6: 63, 5: 31, 4: 15, 3: 7, 2: 3} {
		if got := (Level{Symmetric, bits}).Values(); got != want {
			t.Errorf("%d bits: %d values, want %d", bits, got, want)
		}
		if got := (Level{Asymmetric, bits}).Values(); got != want+1 {
			t.Errorf("%d bits asymmetric: %d values, want %d", bits, got, want+1)
		}
	}
}

func TestOrder(t *testing.T) {
	levels, err := ParseLevels("2,4-asym,16,4,fp16,8")
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(levels, func(a, b Level) int {
		if a.Less(b) {
			return -1
		}
		return 1
	})
	want := []string{"fp16", "16bit", "8bit", "4bit", "4bit-asym", "2bit"}
	for i, l := range levels {
		if l.String() != want[i] {
			t.Errorf("level %d is %v, want %s", i, l, want[i])
		}
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
func apply(t *testing.T, w []float32, l Level, out checkpoint.DType) ([]float32, Errors, *Quantizer) {
	t.Helper()
	q, err := New(l, kernel.FindRange(w), out)
	if err != nil {
		t.Fatal(err)
	}
	d := make([]float32, len(w))
	q.Apply(d, w)
	m := NewErrorMeter(q)
	m.Add(w[:len(w)/3], d[:len(w)/3])
	m.Add(w[len(w)/3:], d[len(w)/3:])
	return d, m.Errors(), q
}

// TestByDefinition compares results and statistics with sums taken one by one.
func TestByDefinition(t *testing.T) {
	w := gaussian(5001)
	for _, l := range []Level{FP16, {Symmetric, 2}, {Symmetric, 3}, {Symmetric, 8}, {Symmetric, 16}, {Asymmetric, 2}, {Asymmetric, 4}, {Asymmetric, 16}} {
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
			if l.Scheme != CastF16 && out == checkpoint.F32 && top > 0.5*float64(q.Scale())*(1+1e-2) {
				t.Errorf("%v: largest error %v, step %v", l, top, q.Scale())
			}
			for i, v := range d {
				var b [8]byte
				back := []float32{0}
				checkpoint.EncodeF32(b[:], []float32{v}, out)
				checkpoint.DecodeF32(back, b[:], out)
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
		for _, l := range []Level{{Symmetric, 2}, {Symmetric, 8}, {Asymmetric, 4}} {
			d, e, q := apply(t, w, l, checkpoint.F32)
			if !slices.Equal(d, w) || e.Unique != 1 || e.MSE != 0 || !math.IsInf(e.SNR, 1) || e.Relative != 0 || q.Scale() != 0 {
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
		l        Level
		out      checkpoint.DType
		overflow bool
	}{
		{"not finite", []float32{1, inf}, Level{Symmetric, 8}, checkpoint.F32, false},
		{"beyond float16", []float32{1, 65520}, FP16, checkpoint.F32, true},
		{"beyond stored float16", []float32{1, 70000}, Level{Symmetric, 8}, checkpoint.F16, true},
		{"beyond stored bfloat16", []float32{1, math.MaxFloat32}, Level{Symmetric, 8}, checkpoint.BF16, true},
		{"range beyond float32", []float32{-math.MaxFloat32, math.MaxFloat32}, Level{Asymmetric, 8}, checkpoint.F32, true},
		{"integers", []float32{1, 2}, Level{Symmetric, 8}, checkpoint.I8, false},
	} {
		_, err := New(tc.l, kernel.FindRange(tc.w), tc.out)
		if err == nil || errors.Is(err, ErrOverflow) != tc.overflow {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	// The largest weights that do fit.
	for _, tc := range []struct {
		w   float32
		out checkpoint.DType
	}{{65519.99, checkpoint.F32}, {math.Float32frombits(0x477fefff), checkpoint.F16}} {
		d, _, _ := apply(t, []float32{-tc.w, 0, tc.w}, FP16, tc.out)
		if d[2] != 65504 {
			t.Errorf("%v became %v", tc.w, d[2])
		}
	}
}

// TestUnits: where a level has a unit, every dequantized weight is a whole multiple of
// it, and the largest unit was found; bfloat16 has one at all widths, float16 at
// widths of up to 5.
func TestUnits(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	x := make([]float32, 4000)
	for _, out := range []checkpoint.DType{checkpoint.BF16, checkpoint.F16, checkpoint.F32} {
		for bits := 2; bits <= 8; bits++ {
			for _, scheme := range []Scheme{Symmetric, Asymmetric} {
				for range 20 {
					size := float32(math.Exp(1.5 * rng.NormFloat64()))
					for i := range x {
						x[i] = size * float32(rng.NormFloat64())
					}
					q, err := New(Level{scheme, bits}, kernel.FindRange(x), out)
					if err != nil {
						t.Fatal(err)
					}
					unit, ok := q.Units(math.MaxInt16)
					if must := scheme == Symmetric && (out == checkpoint.BF16 || out == checkpoint.F16 && bits <= 5); must && !ok {
						t.Errorf("%v in %v: no unit", q.level, out)
					}
					if !ok {
						continue
					}
					if _, e := math.Frexp(float64(unit)); math.Ldexp(0.5, e) != float64(unit) {
						t.Errorf("the unit %v is no power of two", unit)
					}
					y, odd := make([]float32, len(x)), false
					q.Apply(y, x)
					for _, v := range y {
						n := float64(v) / float64(unit)
						if n != math.Trunc(n) || math.Abs(n) > math.MaxInt16 {
							t.Fatalf("%v in %v: %v is %v times %v", q.level, out, v, n, unit)
						}
						odd = odd || math.Mod(n, 2) != 0
					}
					if !odd {
						t.Errorf("%v in %v: all weights are even multiples of %v", q.level, out, unit)
					}
				}
			}
		}
	}
	for _, l := range []Level{FP16, {Symmetric, 12}} {
		q, err := New(l, kernel.FindRange(x), checkpoint.BF16)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := q.Units(math.MaxInt16); ok {
			t.Errorf("%v has a unit", l)
		}
	}
	tiny, err := New(Level{Symmetric, 4}, kernel.Range{Min: -1e-40, Max: 1e-40}, checkpoint.F32)
	if err != nil {
		t.Fatal(err)
	}
	if unit, ok := tiny.Units(math.MaxInt16); ok {
		t.Errorf("the unit %v has no inverse", unit)
	}
}

// TestDecode: every stored type is decoded as the definition does: all 65536 numbers of
// 16 bits, and many of the others, in vectors of every length.
func TestDecode(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for _, d := range []checkpoint.DType{checkpoint.F16, checkpoint.BF16, checkpoint.F32, checkpoint.F64} {
		size, n := d.Bits()/8, 1<<16
		src := make([]byte, n*size)
		for i := range src {
			src[i] = byte(rng.Uint32())
		}
		if size == 2 {
			for i := range n {
				src[2*i], src[2*i+1] = byte(i), byte(i>>8)
			}
		}
		for _, length := range []int{0, 1, 7, 8, 9, 31, 33, n} {
			got, want := make([]float32, length), make([]float32, length)
			Decode(got, src[:length*size], d)
			checkpoint.DecodeF32(want, src[:length*size], d)
			for i := range want {
				if math.Float32bits(got[i]) != math.Float32bits(want[i]) && !(got[i] != got[i] && want[i] != want[i]) {
					t.Fatalf("%v: element %d of %d is %v, want %v", d, i, length, got[i], want[i])
				}
			}
		}
	}
}

// TestFiniteHalves: fp16 has as many values as there are finite float16 numbers, both
// zeros as one.
func TestFiniteHalves(t *testing.T) {
	different := map[float32]bool{}
	for i := range 1 << 16 {
		if v := f16Value(uint16(i)); !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) {
			different[v] = true
		}
	}
	if got := FP16.Values(); got != len(different) || got != 63487 {
		t.Errorf("%d values, %d numbers", got, len(different))
	}
}
