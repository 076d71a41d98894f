package ggml

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// eachSet runs f once for every instruction set of this build and machine.
func eachSet(t *testing.T, f func(t *testing.T, set Set)) {
	for _, set := range Sets() {
		t.Run("simd="+set.String(), func(t *testing.T) { f(t, set) })
	}
}

// TestTypes: types are found by name and number, and have the sizes of ggml-common.h.
func TestTypes(t *testing.T) {
	var names []string
	for _, typ := range Types() {
		names = append(names, typ.Name())
		for _, name := range []string{typ.Name(), strings.ToLower(typ.Name()), typ.String()} {
			if got, ok := Lookup(name); !ok || got != typ {
				t.Errorf("Lookup(%q) = %v, %v", name, got, ok)
			}
		}
		if got, ok := ByID(typ.ID()); !ok || got != typ {
			t.Errorf("ByID(%d) = %v, %v", typ.ID(), got, ok)
		}
	}
	want := "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4 NVFP4 Q1_0 Q2_0"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("types %s, want %s", got, want)
	}
	for _, name := range []string{"", "Q4_2", "IQ2_XS", "F32"} {
		if got, ok := Lookup(name); ok {
			t.Errorf("Lookup(%q) = %v", name, got)
		}
	}
	for _, id := range []uint32{0, 1, 4, 5, 9, 15, 16, 43, math.MaxUint32} {
		if got, ok := ByID(id); ok {
			t.Errorf("ByID(%d) = %v", id, got)
		}
	}
}

// TestHandVectors: blocks computed by hand, outside of ggml and of this package, for
// x[j] = (j-16)/10.
func TestHandVectors(t *testing.T) {
	x := make([]float32, 32)
	for j := range x {
		x[j] = float32(j-16) / 10
	}
	for name, want := range map[string][]byte{
		"Q8_0": {0x73, 0x22, 129, 137, 145, 153, 161, 169, 177, 185, 192, 200, 208, 216, 224, 232, 240, 248,
			0, 8, 16, 24, 32, 40, 48, 56, 64, 71, 79, 87, 95, 103, 111, 119},
		"Q4_0": {0x66, 0x32, 0x80, 0x91, 0x91, 0xa2, 0xa2, 0xb3, 0xb3, 0xc4, 0xc4, 0xd5, 0xd5, 0xe6, 0xe6, 0xf7, 0xf7, 0xf8},
		"Q4_1": {0x9d, 0x32, 0x66, 0xbe, 0x80, 0x80, 0x91, 0x91, 0xa2, 0xa2, 0xb3, 0xb3, 0xc4, 0xc4, 0xd5, 0xd5, 0xe6, 0xe6, 0xf7, 0xf7},
	} {
		typ, _ := Lookup(name)
		got := make([]byte, len(want))
		if err := typ.Quantize(got, x); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v, %x, want %x", name, err, got, want)
		}
	}
}

// TestNumbers holds the conversions to their definitions.
func TestNumbers(t *testing.T) {
	for k := -125; k <= 127; k++ {
		power := math.Float32bits(float32(math.Ldexp(1, k)))
		for bits := power - 100; bits < power+3; bits++ {
			v := math.Float32frombits(bits)
			if v < 0x1p-126 {
				continue
			}
			want := int(math.Floor(float64(float32(math.Log2(float64(v))))))
			if got := floorLog2(v); got != want {
				t.Errorf("floorLog2(%v) = %d, want %d", v, got, want)
			}
		}
	}
	if got := floorLog2(math.MaxFloat32); got != 128 {
		t.Errorf("floorLog2 of the largest number is %d", got)
	}
	for b := range 0x7f {
		v := 2 * ue4m3Half(byte(b))
		switch got := ue4m3(v); {
		case v < 248 && got != byte(b), v >= 248 && got != 0x7e:
			t.Errorf("scale %#x is %v, which is %#x", b, v, got)
		}
	}
	for e := range 256 {
		if got, want := float64(e8m0Half(byte(e))), math.Ldexp(1, e-128); got != want {
			t.Errorf("half of scale %d is %v, want %v", e, got, want)
		}
	}
	for v, want := range map[float32]int{0.5: 1, -0.5: -1, 0.49999997: 0, -1.5: -2, 2.4: 2, 126.5: 127, -126.49999: -126} {
		if got := away(v); got != want {
			t.Errorf("away(%v) = %d", v, got)
		}
	}
	for i, v := range iq4[:15] {
		middle := (v + iq4[i+1]) / 2
		if got := iq4Code(middle); got != i+1 {
			t.Errorf("middle %v has code %d", middle, got)
		}
		if got := iq4Code(middle - 1e-4); got != i {
			t.Errorf("below the middle %v the code is %d", middle, got)
		}
	}
}

// TestMisuse: parts of blocks and slices that do not fit panic.
func TestMisuse(t *testing.T) {
	for _, typ := range Types() {
		n, size := typ.Block()
		for what, f := range map[string]func(){
			"weights in part":   func() { typ.Decode(make([]float32, n-1), make([]byte, size)) },
			"bytes in part":     func() { typ.Decode(make([]float32, n), make([]byte, size-1)) },
			"one block of two":  func() { typ.Quantize(make([]byte, size), make([]float32, 2*n)) },
			"no room":           func() { typ.Dequantized(make([]float32, n), make([]float32, 2*n)) },
			"a part of a block": func() { typ.Dequantized(make([]float32, n+1), make([]float32, n+1)) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: %s: no panic", typ, what)
					}
				}()
				f()
			}()
		}
		typ.Decode(nil, nil)
		if typ.Quantize(nil, nil) != nil || typ.Dequantized(nil, nil) != nil {
			t.Errorf("%s: nothing is an error", typ)
		}
	}
}

// TestAllocations: no call allocates.
func TestAllocations(t *testing.T) {
	x, y := make([]float32, 1024), make([]float32, 1024)
	for i := range x {
		x[i] = float32(i%37) - 18
	}
	for _, typ := range Types() {
		n, size := typ.Block()
		b := make([]byte, len(x)/n*size)
		got := testing.AllocsPerRun(20, func() {
			if typ.Quantize(b, x) != nil || typ.Dequantized(y, x) != nil {
				t.Error("an error")
			}
			typ.Decode(y, b)
		})
		if got >= 1 {
			t.Errorf("%s: %v allocations", typ, got)
		}
	}
}

// sample returns n weights of one of several kinds, which differ in what may go wrong.
func sample(rng *rand.Rand, n, kind int) []float32 {
	x := make([]float32, n)
	scale := math.Ldexp(1, rng.IntN(60)-40)
	for i := range x {
		switch kind {
		case 0:
			x[i] = float32(rng.NormFloat64() * 0.02)
		case 1: // ties
			x[i] = float32(rng.IntN(255)-127) * 0.125
		case 2: // heavy tails
			x[i] = float32(rng.NormFloat64() / math.Abs(rng.NormFloat64()) * 0.02)
		case 3: // a wide range
			x[i] = float32(rng.NormFloat64() * math.Exp(10*rng.NormFloat64()-5))
		case 4: // any scale, also too small and too large ones
			x[i] = float32(rng.NormFloat64() * math.Ldexp(scale, i/256*12%48-30))
		case 5: // many zeros of both signs, sub-blocks that are zero, one sign
			if i/16%3 != 0 && rng.IntN(4) == 0 {
				x[i] = float32(math.Abs(rng.NormFloat64()))
			} else if rng.IntN(2) == 0 {
				x[i] = float32(math.Copysign(0, -1))
			}
		case 6: // any finite number
			x[i] = math.Float32frombits(rng.Uint32()&^(0xff<<23) | uint32(rng.IntN(255))<<23)
		case 7: // constant runs
			x[i] = float32(i/32%5) - 2
		}
		if v := x[i]; v-v != 0 {
			x[i] = 0
		}
	}
	return x
}

const kinds = 8

// room is how many guard elements stand before and behind what a loop may write.
const room = 64

// check holds one type and set to the Go functions, and Dequantized to the two steps.
func check(t *testing.T, set Set, typ Type, x []float32) {
	t.Helper()
	n, size := typ.Block()
	if x = x[:len(x)/n*n]; len(x) == 0 {
		return
	}
	count := len(x) / n
	want, all := make([]byte, count*size), bytes.Repeat([]byte{0xa5}, count*size+2*room)
	got := all[room : room+count*size]
	ok := quantizeGeneric(typ, want, x)
	if o := set.quantize(typ, got, x, count); o != ok {
		t.Fatalf("%s: finite: %t, want %t", typ, o, ok)
	}
	for i, b := range all {
		if (i < room || i >= room+len(got)) && b != 0xa5 {
			t.Fatalf("%s: %d blocks are stored, and byte %d is written", typ, count, i-room)
		}
	}
	once := slices.Clone(x)
	err := typ.Dequantized(once, once)
	if (err == nil) != ok || err != nil && !errors.Is(err, ErrOverflow) {
		t.Fatalf("%s: %v", typ, err)
	}
	if !ok {
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: byte %d of block %d is %#x, want %#x: %v", typ, i%size, i/size, got[i], want[i], x[i/size*n:i/size*n+n])
		}
	}
	checkDecode(t, set, typ, want)
	dq := make([]float32, len(x))
	decodeGeneric(typ, dq, want)
	for i, v := range dq {
		if math.Float32bits(v) != math.Float32bits(once[i]) {
			t.Fatalf("%s: weight %d is %v at once and %v in steps", typ, i, once[i], v)
		}
		if v-v != 0 {
			t.Fatalf("%s: weight %d is %v", typ, i, v)
		}
	}
}

// checkDecode holds the decoder of one type and set to that in Go.
func checkDecode(t *testing.T, set Set, typ Type, src []byte) {
	t.Helper()
	n, size := typ.Block()
	count := len(src) / size
	if count == 0 {
		return
	}
	want, all := make([]float32, count*n), make([]float32, count*n+2*room)
	got := all[room : room+count*n]
	decodeGeneric(typ, want, src[:count*size])
	set.decode(typ, got, src[:count*size], count)
	for i, v := range all {
		if (i < room || i >= room+len(got)) && v != 0 {
			t.Fatalf("%s: %d blocks are decoded, and weight %d is written", typ, count, i-room)
		}
	}
	for i, v := range want {
		if math.Float32bits(got[i]) != math.Float32bits(v) && (v == v || got[i] == got[i]) {
			t.Fatalf("%s: weight %d of block %d is %v, want %v", typ, i%n, i/n, got[i], v)
		}
	}
}

// TestSets holds every instruction set to the Go functions, and every type to itself.
func TestSets(t *testing.T) {
	_, edge := loadGolden(t)
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, typ := range Types() {
			for i := 0; i+256 <= len(edge); i += 256 {
				check(t, set, typ, edge[i:i+256])
			}
			for kind := range kinds {
				for range 6 {
					check(t, set, typ, sample(rng, 256*(1+rng.IntN(9)), kind))
					check(t, set, typ, sample(rng, 32*(1+rng.IntN(40)), kind))
				}
			}
			b := make([]byte, 4000)
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			checkDecode(t, set, typ, b)
		}
	})
}

// FuzzBlocks: any bytes decode alike in all sets, and any finite weights, taken from the
// same bytes and scaled by a power of two, are quantized alike.
func FuzzBlocks(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	for kind := range kinds {
		b := make([]byte, 0, 2048)
		for _, v := range sample(rng, 512, kind) {
			bits := math.Float32bits(v)
			b = append(b, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24))
		}
		f.Add(b, uint8(kind), int8(kind-4))
	}
	f.Fuzz(func(t *testing.T, data []byte, kind uint8, exponent int8) {
		typ := Type(kind) % Type(len(formats))
		x := make([]float32, len(data)/4)
		for i := range x {
			bits := uint32(data[4*i]) | uint32(data[4*i+1])<<8 | uint32(data[4*i+2])<<16 | uint32(data[4*i+3])<<24
			v := float32(math.Ldexp(float64(math.Float32frombits(bits)), int(exponent)))
			if v-v == 0 {
				x[i] = v
			}
		}
		for _, set := range Sets() {
			checkDecode(t, set, typ, data)
			check(t, set, typ, x)
		}
	})
}

func BenchmarkQuantize(b *testing.B) { benchmark(b, false) }

func BenchmarkDecode(b *testing.B) { benchmark(b, true) }

// benchmark reports the time per weight of each type and set, over 2^20 weights.
func benchmark(b *testing.B, decode bool) {
	const n = 1 << 20
	x := sample(rand.New(rand.NewPCG(5, 6)), n, 0)
	for _, typ := range Types() {
		weights, size := typ.Block()
		stored := make([]byte, n/weights*size)
		quantizeGeneric(typ, stored, x)
		for _, set := range append(Sets(), goSet) {
			b.Run(typ.Name()+"/simd="+set.String(), func(b *testing.B) {
				for b.Loop() {
					if decode {
						set.decode(typ, x, stored, n/weights)
					} else {
						set.quantize(typ, stored, x, n/weights)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/weight")
			})
		}
	}
}
