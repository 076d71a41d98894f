package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

var formats = []Minifloat{
	{3, -6, 448}, {2, -14, 57344}, {3, 0, 7.5}, {2, -2, 28}, {1, 0, 6},
	{7, 1, 127. / 64}, {3, 1, 7. / 4}, {1, 1, 1}, // integers
}

// A groupLoop is a loop over groups with a rule.
type groupLoop struct {
	name          string
	loop, generic func(set Set, dst, src []float32, size int, groups []Group)
	group         func(x Extent) Group // of weights of that range
}

// groupLoops are the loops with rules of all kinds, with integers of so many bits.
func groupLoops(bits int) []groupLoop {
	top := float32(int(1)<<bits - 1)
	var loops []groupLoop
	affine := func(r Affine, zero float32) {
		loops = append(loops, groupLoop{fmt.Sprintf("%+v, zero %v", r, zero),
			func(set Set, dst, src []float32, size int, g []Group) { set.quantizeAffine(dst, src, size, g, r) },
			func(_ Set, dst, src []float32, size int, g []Group) { quantizeAffineGeneric(dst, src, size, g, r) },
			func(x Extent) Group {
				s := r.Round.Round((x.Max - x.Min) / top)
				if r.Multiply || r.Half {
					return Group{Scale: s, Step: r.Round.Round(1 / s), Zero: zero}
				}
				return Group{Scale: s, Step: s, Zero: zero}
			}})
	}
	shifted := func(r Shifted) {
		loops = append(loops, groupLoop{fmt.Sprintf("%+v", r),
			func(set Set, dst, src []float32, size int, g []Group) { set.quantizeShifted(dst, src, size, g, r) },
			func(_ Set, dst, src []float32, size int, g []Group) { quantizeShiftedGeneric(dst, src, size, g, r) },
			func(x Extent) Group {
				s := (x.Max - x.Min) / top
				return Group{Scale: r.Round.Round(s), Step: s, Zero: x.Min, Bias: r.Round.Round(x.Min)}
			}})
	}
	for _, r := range []Type{F32, BF16, F16} {
		affine(Affine{Low: -top, High: top, Round: r}, 0)
		affine(Affine{Low: 0, High: top, Round: r}, float32(int(1)<<(bits-1)))
		affine(Affine{Low: -top, High: top, Round: r, Multiply: true}, -1)
		affine(Affine{Low: -top - 1, High: top, Round: r, ZeroFirst: true}, 3)
		shifted(Shifted{High: top, Round: r})
		shifted(Shifted{High: top, Round: r, Away: true})
		shifted(Shifted{High: top, Middle: 8, CodeType: r, Round: r})
	}
	affine(Affine{Low: -127, High: 127, Half: true, Factor: 1. / 127}, 0)
	for _, f := range formats {
		for _, r := range []Mini{{Format: f}, {Format: f, Ties: TiesAway}, {Format: f, Ties: TiesLow}, {Format: f, Multiply: true}, {Format: f, Round: BF16}, {Format: f, Round: F16}} {
			loops = append(loops, groupLoop{fmt.Sprintf("%+v", r),
				func(set Set, dst, src []float32, size int, g []Group) { set.quantizeMini(dst, src, size, g, r) },
				func(_ Set, dst, src []float32, size int, g []Group) { quantizeMiniGeneric(dst, src, size, g, r) },
				func(x Extent) Group {
					s := r.Round.Round(max(-x.Min, x.Max) / f.Max)
					if r.Multiply {
						return Group{Scale: s, Step: 1 / s}
					}
					return Group{Scale: s, Step: s}
				}})
		}
	}
	for _, multiply := range []bool{false, true} {
		r := &Book{Multiply: multiply}
		for i := range r.Values {
			r.Values[i] = float32(math.Tanh(float64(i-7) / 4))
			if i > 0 {
				r.Middles[i-1] = (r.Values[i-1] + r.Values[i]) / 2
			}
		}
		r.Values[8], r.Middles[7] = 0, 0
		loops = append(loops, groupLoop{fmt.Sprintf("book, multiply %v", multiply),
			func(set Set, dst, src []float32, size int, g []Group) { set.quantizeBook(dst, src, size, g, r) },
			func(_ Set, dst, src []float32, size int, g []Group) { quantizeBookGeneric(dst, src, size, g, r) },
			func(x Extent) Group {
				s := max(-x.Min, x.Max)
				if multiply {
					return Group{Scale: s, Step: 1 / max(s, 1e-38)}
				}
				return Group{Scale: s, Step: max(s, 1e-38)}
			}})
	}
	return loops
}

// compareGroups holds the loops over groups to Go. Weights must be finite.
func compareGroups(t *testing.T, set Set, x []float32, size int, loops []groupLoop) {
	t.Helper()
	count := (len(x) + size - 1) / size
	ranges, check := guarded(count, Extent{7, 77})
	want := make([]Extent, count)
	set.groupRanges(ranges, x, size)
	check(t, "ranges")
	groupRangesGeneric(want, x, size)
	for i, r := range ranges {
		if r != want[i] || math.Signbit(float64(r.Min)) != math.Signbit(float64(want[i].Min)) || math.Signbit(float64(r.Max)) != math.Signbit(float64(want[i].Max)) {
			t.Fatalf("range of group %d: got %v, want %v", i, r, want[i])
		}
	}
	got, check := guarded[float32](len(x), 77)
	w := make([]float32, len(x))
	groups := make([]Group, count)
	for _, l := range loops {
		for i, r := range ranges {
			groups[i] = l.group(r)
		}
		l.loop(set, got, x, size, groups)
		check(t, l.name)
		l.generic(set, w, x, size, groups)
		for i, v := range w {
			if g := got[i]; math.Float32bits(g) != math.Float32bits(v) && (g == g || v == v) {
				t.Fatalf("%s: element %d of groups of %d, %v with %+v: got %v (%08x), want %v (%08x)", l.name, i, size,
					x[i], groups[i/size], g, math.Float32bits(g), v, math.Float32bits(v))
			}
		}
	}
}

// groupSample returns n weights: of the kinds of sample, with heavy tails, the largest numbers,
// subnormals and zeros of both signs, ties of small integers, and nothing but zeros.
func groupSample(rng *rand.Rand, n, kind int) []float32 {
	if kind < kinds {
		return sample(rng, n, kind)
	}
	x := make([]float32, n)
	for i := range x {
		switch kind - kinds {
		case 0:
			x[i] = float32(0.02 * rng.NormFloat64() / math.Max(1e-3, rng.Float64()))
		case 1:
			x[i] = float32(3.4e38 * (2*rng.Float64() - 1))
		case 2:
			x[i] = math.Float32frombits(rng.Uint32()&(1<<31) | uint32(rng.IntN(40)))
		case 3:
			x[i] = float32(rng.IntN(129)-64) / 16
		}
	}
	return x
}

const groupKinds = kinds + 5

func TestGroupsAgainstGeneric(t *testing.T) {
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewPCG(5, 6))
		for _, bits := range []int{2, 4, 8, 16} {
			loops := groupLoops(bits)
			for _, size := range []int{1, 2, 7, 16, 32, 33, 128, 1000} {
				for _, n := range []int{1, 5, 31, 33, 256, 1000} {
					for kind := range groupKinds {
						compareGroups(t, set, groupSample(rng, n, kind), size, loops)
					}
				}
			}
		}
	})
}

// TestMinifloats holds the loops to the function, and that to what the nearest of all numbers
// of a format is, around each and around the middles.
func TestMinifloats(t *testing.T) {
	for _, f := range formats {
		numbers := []float32{0}
		for v := float32(0); v < f.Max; {
			step := float32(math.Ldexp(1, max(f.Exponent, math.Ilogb(float64(v)))-f.Mantissa))
			v += step
			numbers = append(numbers, v)
		}
		if last := numbers[len(numbers)-1]; last != f.Max {
			t.Fatalf("%+v: the largest number is %v", f, last)
		}
		var x, even, away, low []float32
		add := func(v, e, a, l float32) {
			for _, sign := range []float32{1, -1} {
				x, even, away, low = append(x, sign*v), append(even, sign*e), append(away, sign*a), append(low, sign*l)
			}
		}
		for i, v := range numbers {
			add(v, v, v, v)
			if i+1 == len(numbers) {
				break
			}
			next := numbers[i+1]
			middle := (v + next) / 2
			nearest := v
			if i%2 == 1 {
				nearest = next
			}
			add(middle, nearest, next, v)
			below, above := math.Nextafter32(middle, 0), math.Nextafter32(middle, next)
			add(below, v, v, v)
			add(above, next, next, next)
		}
		add(f.Max*1.5, f.Max, f.Max, f.Max)
		add(math.MaxFloat32, f.Max, f.Max, f.Max)
		add(float32(math.Inf(1)), f.Max, f.Max, f.Max)
		for ties, want := range [][]float32{even, away, low} {
			for i, v := range x {
				if got := f.Round(v, Ties(ties)); got != want[i] {
					t.Fatalf("%+v, ties %d: %v becomes %v, want %v", f, ties, v, got, want[i])
				}
			}
			eachSet(t, func(t *testing.T, set Set) {
				got := make([]float32, len(x))
				set.quantizeMini(got, x, len(x), []Group{{Scale: 1, Step: 1}}, Mini{Format: f, Ties: Ties(ties)})
				for i, w := range want {
					if got[i] != w {
						t.Fatalf("%+v, ties %d: %v becomes %v, want %v", f, ties, x[i], got[i], w)
					}
				}
			})
		}
	}
}

// TestGroupFunctions: the functions of the package compute what the Go loops do, take no weights,
// and refuse what does not fit.
func TestGroupFunctions(t *testing.T) {
	x := sample(rand.New(rand.NewPCG(3, 4)), 100, 0)
	y, w := make([]float32, 100), make([]float32, 100)
	groups := []Group{{Scale: 0.01, Step: 0.01, Zero: 1}, {Scale: 0.02, Step: 0.02, Bias: 1}, {}, {Scale: 0.1, Step: 0.1}}
	affine, shifted, mini := Affine{Low: -7, High: 7}, Shifted{High: 15}, Mini{Format: formats[4]}
	book := &Book{}
	for name, f := range map[string]struct {
		loop, generic func(dst, src []float32, size int, g []Group)
	}{
		"affine": {func(dst, src []float32, size int, g []Group) { QuantizeAffine(dst, src, size, g, affine) },
			func(dst, src []float32, size int, g []Group) { quantizeAffineGeneric(dst, src, size, g, affine) }},
		"shifted": {func(dst, src []float32, size int, g []Group) { QuantizeShifted(dst, src, size, g, shifted) },
			func(dst, src []float32, size int, g []Group) { quantizeShiftedGeneric(dst, src, size, g, shifted) }},
		"mini": {func(dst, src []float32, size int, g []Group) { QuantizeMini(dst, src, size, g, mini) },
			func(dst, src []float32, size int, g []Group) { quantizeMiniGeneric(dst, src, size, g, mini) }},
		"book": {func(dst, src []float32, size int, g []Group) { QuantizeBook(dst, src, size, g, book) },
			func(dst, src []float32, size int, g []Group) { quantizeBookGeneric(dst, src, size, g, book) }},
		"ranges": {func(_, src []float32, size int, g []Group) { GroupRanges(make([]Extent, len(g)), src, size) },
			func(_, src []float32, size int, g []Group) { groupRangesGeneric(make([]Extent, len(g)), src, size) }},
	} {
		t.Run(name, func(t *testing.T) {
			f.loop(y, x, 32, groups)
			f.generic(w, x, 32, groups)
			for i := range w {
				if y[i] != w[i] && y[i] == y[i] {
					t.Fatalf("element %d: got %v, want %v", i, y[i], w[i])
				}
			}
			f.loop(nil, nil, 32, nil)
			for _, bad := range []func(){
				func() { f.loop(y, x, 0, groups) },
				func() { f.loop(y, x, 32, groups[:3]) },
				func() { f.loop(y, x, 25, make([]Group, 5)) },
			} {
				func() {
					defer func() {
						if recover() == nil {
							t.Error("no panic")
						}
					}()
					bad()
				}()
			}
		})
	}
}

// TestNoLoop: rules for which there is no loop are refused.
func TestNoLoop(t *testing.T) {
	x, y, g := make([]float32, 1), make([]float32, 1), make([]Group, 1)
	for i, f := range []func(){
		func() { QuantizeAffine(y, x, 1, g, Affine{Half: true, Round: BF16}) },
		func() { QuantizeAffine(y, x, 1, g, Affine{Half: true, Multiply: true}) },
		func() { QuantizeAffine(y, x, 1, g, Affine{Multiply: true, ZeroFirst: true}) },
		func() { QuantizeShifted(y, x, 1, g, Shifted{CodeType: F16, Round: BF16}) },
		func() { QuantizeShifted(y, x, 1, g, Shifted{CodeType: F16, Round: F16, Away: true}) },
		func() { QuantizeMini(y, x, 1, g, Mini{Format: formats[0], Ties: TiesLow, Round: F16}) },
		func() { QuantizeMini(y, x, 1, g, Mini{Format: formats[0], Multiply: true, Round: F16}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("rule %d: no panic", i)
				}
			}()
			f()
		}()
	}
}

// FuzzGroupsAgainstGeneric holds the loops over groups of every instruction set to the Go loops,
// on arbitrary finite numbers.
func FuzzGroupsAgainstGeneric(f *testing.F) {
	f.Add([]byte{0, 0, 128, 63, 0, 0, 0, 191, 1, 0, 0, 0, 0, 0, 128, 127}, uint8(2), uint8(2))
	f.Add([]byte{255, 255, 127, 127, 255, 255, 127, 255, 0, 0, 0, 128}, uint8(6), uint8(1))
	f.Add(make([]byte, 400), uint8(14), uint8(16))
	f.Fuzz(func(t *testing.T, data []byte, bits, size uint8) {
		x := make([]float32, min(len(data)/4, 300))
		if len(x) == 0 {
			return
		}
		for i := range x {
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
			if x[i]-x[i] != 0 {
				x[i] = 0
			}
		}
		for _, set := range Sets() {
			compareGroups(t, set, x, 1+int(size), groupLoops(1+int(bits)%16))
		}
	})
}
