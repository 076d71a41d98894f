package packed

import (
	"math"
	"sync"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// A meaning says what codes stand for. Codes have up to eight bits, and the table 256 entries,
// so that no code is out of it; what lies behind the largest code stands for what that does
// with its low bits only.
type meaning struct {
	values [256]float32
	bits   int
	// codes are those of values, by their bits: the lowest of equal ones, but a second code of
	// zero is that of negative zero.
	codes map[uint32]byte
}

// newMeaning returns the meaning of the codes of a table of 2^bits numbers.
func newMeaning(bits int, value func(code int) float32) *meaning {
	m := &meaning{bits: bits, codes: make(map[uint32]byte, 1<<bits)}
	for c := range m.values {
		v := value(c & (1<<bits - 1))
		m.values[c] = v
		key := math.Float32bits(v)
		if _, ok := m.codes[key]; ok && v == 0 {
			key = 1 << 31
		}
		if _, ok := m.codes[key]; !ok && c < 1<<bits {
			m.codes[key] = byte(c)
		}
	}
	return m
}

// code returns the code of a value, and whether there is one. Zero is found whatever its sign.
func (m *meaning) code(v float32) (byte, bool) {
	c, ok := m.codes[math.Float32bits(v)]
	if !ok && v == 0 {
		c, ok = m.codes[0]
	}
	return c, ok
}

// integers returns the meaning of codes of so many bits that are integers from low on.
func integers(bits, low int) *meaning { return integerMeanings(integerKey{bits, low}) }

type integerKey struct{ bits, low int }

// integerMeanings makes each meaning once.
func integerMeanings(k integerKey) *meaning {
	if m, ok := madeIntegers.Load(k); ok {
		return m.(*meaning)
	}
	m, _ := madeIntegers.LoadOrStore(k, newMeaning(k.bits, func(c int) float32 { return float32(c + k.low) }))
	return m.(*meaning)
}

var madeIntegers sync.Map

// The meanings of the formats of few bits, and of two's complement.
var (
	e4m3 = minifloat(4, 3, func(e, m int) (float64, bool) { return math.NaN(), e == 15 && m == 7 })
	e5m2 = minifloat(5, 2, func(e, m int) (float64, bool) {
		if m == 0 {
			return math.Inf(1), e == 31
		}
		return math.NaN(), e == 31
	})
	e2m1  = minifloat(2, 1, func(int, int) (float64, bool) { return 0, false })
	int8s = newMeaning(8, func(c int) float32 { return float32(int8(c)) })
)

// minifloat returns the meaning of a format of a sign, an exponent and a mantissa, which are
// numbers as IEEE 754 has them but for those that special knows, by exponent and mantissa.
func minifloat(exponent, mantissa int, special func(e, m int) (float64, bool)) *meaning {
	bias := 1<<(exponent-1) - 1
	return newMeaning(1+exponent+mantissa, func(c int) float32 {
		e, m := c>>mantissa&(1<<exponent-1), c&(1<<mantissa-1)
		v, ok := special(e, m)
		switch {
		case ok:
		case e == 0:
			v = math.Ldexp(float64(m), 1-bias-mantissa)
		default:
			v = math.Ldexp(float64(m+1<<mantissa), e-bias-mantissa)
		}
		if c>>(exponent+mantissa) != 0 {
			v = math.Copysign(v, -1)
		}
		return float32(v)
	})
}

// elements returns the meaning of a type of eight bits, nil for others.
func elements(d checkpoint.DType) *meaning {
	switch d {
	case checkpoint.F8E4M3:
		return e4m3
	case checkpoint.F8E5M2:
		return e5m2
	case checkpoint.I8:
		return int8s
	}
	return nil
}

// book returns the meaning of the codes of a codebook of float32 numbers, 2^bits of them.
func book(bits int, values floats) *meaning {
	if values.data == nil { // a part that is not read
		return newMeaning(bits, func(int) float32 { return 0 })
	}
	return newMeaning(bits, values.at)
}
