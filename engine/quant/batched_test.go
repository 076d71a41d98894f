package quant

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// TestBatching: parameters of many groups are those of each, bit for bit, whatever the ranges:
// of one sign, zero, subnormal or large.
func TestBatching(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 1))
	ranges := []kernel.Extent{{}, {Max: 0x1p-149}, {Min: -0x1p-149}, {Min: -6, Max: 6}, {Min: 1, Max: 1}, {Min: -3, Max: -3}, {Min: -448, Max: 2}, {Max: 0x1p-126}, {Min: -1e-38}}
	for range 3000 {
		a := float32(math.Exp(8*rng.NormFloat64()-4) * rng.NormFloat64())
		b := float32(math.Abs(float64(a)) * rng.NormFloat64())
		ranges = append(ranges, kernel.Extent{Min: min(a, b), Max: max(a, b)})
	}
	rules := []rule{plainInt{bits: 4}, plainInt{bits: 8, asymmetric: true}, ctInt{bits: 4}, ctInt{bits: 8, asymmetric: true}, bnb4bit{}, bnb4bit{fp4: true}}
	for tool := nvfp4ModelOpt; tool <= nvfp4CT; tool++ {
		rules = append(rules, nvfp4{tool})
	}
	for scale := mxFloor; scale <= mxLog2; scale++ {
		rules = append(rules, mxRule{element: e2m1, scale: scale, width: -1}, mxRule{element: e4m3, scale: scale, width: 1}, mxRule{element: mxInteger(8), scale: scale, width: -1})
	}
	for _, u := range rules {
		for _, d := range []checkpoint.DType{checkpoint.F32, checkpoint.BF16, checkpoint.F16} {
			for _, global := range []float32{0, 0.37, 1e-6, 1e4} {
				testBatching(t, u, ranges, global, arithmetic(d))
			}
		}
	}
}

func testBatching(t *testing.T, u rule, ranges []kernel.Extent, global float32, a arithmetic) {
	t.Helper()
	var fitted []kernel.Extent
	var want []params
	for _, r := range ranges {
		p, err := u.fit(Range{Min: r.Min, Max: r.Max}, global, a)
		if err != nil {
			one := make([]params, 1)
			if fitAll(u, one, []kernel.Extent{r}, global, a) == nil {
				t.Errorf("%#v in %v: %v has no parameters alone", u, a, r)
			}
			continue
		}
		fitted, want = append(fitted, r), append(want, p)
	}
	got := make([]params, len(want))
	if err := fitAll(u, got, fitted, global, a); err != nil {
		t.Fatalf("%#v in %v: %v", u, a, err)
	}
	for i, p := range got {
		if bitsOfParams(p) != bitsOfParams(want[i]) {
			t.Fatalf("%#v in %v, %g in the tensor: %v has %v, want %v", u, a, global, fitted[i], p, want[i])
		}
	}
}

func bitsOfParams(p params) [4]uint32 {
	return [4]uint32{math.Float32bits(p.Scale), math.Float32bits(p.Step), math.Float32bits(p.Zero), math.Float32bits(p.Bias)}
}

// TestExponents: powers of two and exponents are those of the mathematical library.
func TestExponents(t *testing.T) {
	for e := -200; e <= 200; e++ {
		if got, want := power(e), float32(math.Ldexp(1, min(max(e, -127), 127))); got != want {
			t.Errorf("power(%d) is %g, want %g", e, got, want)
		}
	}
	for b := uint32(1); b < 0x7f800000; b += 12345 {
		x := math.Float32frombits(b)
		if got, want := exponentBelow(x), math.Ilogb(float64(x)); got != want {
			t.Fatalf("the exponent of %g is %d, want %d", x, got, want)
		}
	}
}
