package kernel

import (
	"math/rand/v2"
	"testing"
)

// guarded returns n elements with room behind them that holds v, and a function that
// fails the test if a loop has written there.
func guarded[T comparable](n int, v T) (x []T, check func(t *testing.T, what string)) {
	const room = 64
	all := make([]T, n+2*room)
	for i := range all {
		all[i] = v
	}
	return all[room : room+n : room+n], func(t *testing.T, what string) {
		t.Helper()
		for i, got := range all {
			if (i < room || i >= room+n) && got != v {
				t.Errorf("%s of %d elements writes to element %d: %v", what, n, i-room, got)
			}
		}
	}
}

// TestGuards: no loop of any set writes before or behind what it is given.
func TestGuards(t *testing.T) {
	eachSet(t, func(t *testing.T, set Set) {
		rng := rand.New(rand.NewPCG(13, 14))
		p := SymmetricParams{Scale: 0.01, QMax: 7}
		a := AsymmetricParams{Scale: 0.01, Zero: 7, Min: -0.07, QMax: 15}
		for n := 1; n <= 40; n++ {
			src, half := sample(rng, n, 0), make([]byte, 2*n)
			f32, check := guarded[float32](n, 77)
			for name, f := range map[string]func(){
				"decode float16":      func() { set.decodeF16(f32, half) },
				"decode bfloat16":     func() { set.decodeBF16(f32, half) },
				"quantize symmetric":  func() { set.quantizeSymmetric(f32, src, p) },
				"quantize asymmetric": func() { set.quantizeAsymmetric(f32, src, a) },
				"round to float16":    func() { set.roundF16(f32) },
				"round to bfloat16":   func() { set.roundBF16(f32) },
			} {
				f()
				check(t, name)
			}
			u16, check16 := guarded[uint16](n, 7777)
			for name, f := range map[string]func(){
				"codes symmetric":  func() { set.codesSymmetric(u16, src, p) },
				"codes asymmetric": func() { set.codesAsymmetric(u16, src, a) },
				"codes float16":    func() { set.codesF16(u16, src) },
			} {
				f()
				check16(t, name)
			}
			i8, check8 := guarded[int8](n, 77)
			set.codes8(i8, src, p.Scale, p.QMax)
			check8(t, "codes of 8 bits")
			i16, checkI16 := guarded[int16](n, 7777)
			set.scale16(i16, src, 1000)
			checkI16(t, "scale to 16 bits")
			f64, check64 := guarded[float64](n, 77)
			set.widen(f64, src)
			check64(t, "widen")
			seen, checkSeen := guarded[byte](65536, 77)
			set.mark(seen, []uint16{0, 65535})
			checkSeen(t, "mark")
		}
	})
}
