package packed

import (
	"encoding/binary"
	"math"

	"github.com/x448/float16"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// floatTypes are the types in which tools store scales that are plain numbers.
var floatTypes = []checkpoint.DType{checkpoint.F32, checkpoint.F16, checkpoint.BF16}

// A kind is how the bytes of a scale are read. U8 parts hold numbers of eight bits of which
// the layout says the format.
type kind = checkpoint.DType

// floats are stored scales, biases or zero points.
type floats struct {
	data []byte
	kind kind
}

// of returns the elements of a part, read as its type says, or as kind for bytes.
func of(p Part, bytes kind) floats {
	if p.DType == checkpoint.U8 {
		return floats{p.Data, bytes}
	}
	return floats{p.Data, p.DType}
}

// count is the number of elements.
func (f floats) count() int {
	if len(f.data) == 0 {
		return 0
	}
	return len(f.data) * 8 / f.kind.Bits()
}

// at returns element i.
func (f floats) at(i int) float32 {
	switch f.kind {
	case checkpoint.F32:
		return math.Float32frombits(binary.LittleEndian.Uint32(f.data[4*i:]))
	case checkpoint.BF16:
		return math.Float32frombits(uint32(binary.LittleEndian.Uint16(f.data[2*i:])) << 16)
	case checkpoint.F16:
		return float16.Frombits(binary.LittleEndian.Uint16(f.data[2*i:])).Float32()
	case checkpoint.F8E4M3:
		return e4m3.values[f.data[i]]
	case checkpoint.F8E8M0:
		return power(f.data[i])
	case checkpoint.I8:
		return float32(int8(f.data[i]))
	}
	return float32(math.NaN())
}

// put stores v as element i, and reports whether the type holds it exactly. Zero, which E8M0
// does not have, is stored as its smallest power of two: where a scale is zero all codes are.
func (f floats) put(i int, v float32) bool {
	switch f.kind {
	case checkpoint.F32, checkpoint.BF16, checkpoint.F16:
		n := f.kind.Bits() / 8
		f.kind.Encode(f.data[n*i:n*i+n], []float32{v})
	case checkpoint.F8E4M3:
		code, ok := e4m3.code(v)
		if !ok {
			return false
		}
		f.data[i] = code
	case checkpoint.F8E8M0:
		if v == 0 {
			f.data[i] = 0
			return true
		}
		_, e := math.Frexp(float64(v))
		if e+126 < 0 || e+126 > 254 {
			return false
		}
		f.data[i] = byte(e + 126)
	}
	return f.at(i) == v
}

// power returns two to the power c - 127, and NaN for 255: the number of E8M0 with the code c.
func power(c byte) float32 {
	switch c {
	case 0:
		return 0x1p-127
	case 255:
		return float32(math.NaN())
	}
	return math.Float32frombits(uint32(c) << 23)
}

// scales are the scales of groups, which may be stored in two parts.
type scales struct {
	inner floats
	// table gives the numbers that inner's bytes stand for, if it is not nil.
	table *meaning
	// outer has one element for each run elements of inner; none if inner is all.
	outer floats
	run   int
	// offset is added.
	offset float32
	// divide makes it the quotient of inner and outer; invert the quotient of 1 and inner.
	divide, invert bool
	// rounds has put round what the type does not hold.
	rounds bool
}

// at returns the scale of a group.
func (s *scales) at(group int) float32 {
	if s.inner.data == nil {
		return 1
	}
	var v float32
	if s.table != nil {
		v = s.table.values[s.inner.data[group]]
	} else {
		v = s.inner.at(group)
	}
	if s.invert {
		return 1 / v
	}
	if s.outer.data == nil {
		return v
	}
	outer := s.outer.at(group / s.run)
	if s.divide {
		return v / outer
	}
	return float32(v*outer) + s.offset
}

// rounding returns the type of the loops that results are rounded to: none but for float16
// and bfloat16.
func rounding(d checkpoint.DType) kernel.Type {
	switch d {
	case checkpoint.F16:
		return kernel.F16
	case checkpoint.BF16:
		return kernel.BF16
	}
	return kernel.F32
}
