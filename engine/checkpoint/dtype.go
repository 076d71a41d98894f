package checkpoint

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/x448/float16"
)

// DType is the element type of a stored tensor, named as safetensors names it.
type DType uint8

// The element types of the safetensors format. The zero value is no type.
const (
	InvalidDType DType = iota
	F64
	F32
	F16
	BF16
	Bool
	U8
	I8
	U16
	I16
	U32
	I32
	U64
	I64
	C64
	F8E5M2
	F8E4M3
	F8E8M0
	F8E4M3FNUZ
	F8E5M2FNUZ
	F6E2M3
	F6E3M2
	F4
)

var dtypes = [...]struct {
	name string
	bits int
}{
	InvalidDType: {"invalid", 0},
	F64:          {"F64", 64},
	F32:          {"F32", 32},
	F16:          {"F16", 16},
	BF16:         {"BF16", 16},
	Bool:         {"BOOL", 8},
	U8:           {"U8", 8},
	I8:           {"I8", 8},
	U16:          {"U16", 16},
	I16:          {"I16", 16},
	U32:          {"U32", 32},
	I32:          {"I32", 32},
	U64:          {"U64", 64},
	I64:          {"I64", 64},
	C64:          {"C64", 64},
	F8E5M2:       {"F8_E5M2", 8},
	F8E4M3:       {"F8_E4M3", 8},
	F8E8M0:       {"F8_E8M0", 8},
	F8E4M3FNUZ:   {"F8_E4M3FNUZ", 8},
	F8E5M2FNUZ:   {"F8_E5M2FNUZ", 8},
	F6E2M3:       {"F6_E2M3", 6},
	F6E3M2:       {"F6_E3M2", 6},
	F4:           {"F4", 4},
}

// ParseDType returns the element type that safetensors calls name.
func ParseDType(name string) (DType, bool) {
	for i := 1; i < len(dtypes); i++ {
		if dtypes[i].name == name {
			return DType(i), true
		}
	}
	return InvalidDType, false
}

// String returns the safetensors name of d.
func (d DType) String() string {
	if int(d) < len(dtypes) {
		return dtypes[d].name
	}
	return fmt.Sprintf("DType(%d)", uint8(d))
}

// Bits returns the width of one element in bits.
func (d DType) Bits() int {
	if int(d) < len(dtypes) {
		return dtypes[d].bits
	}
	return 0
}

// Analysable reports whether the weights of type d can be analysed as they
// stand: F64, F32, F16 and BF16. All others hold codes whose meaning is kept
// elsewhere, or no real numbers.
func (d DType) Analysable() bool {
	switch d {
	case F64, F32, F16, BF16:
		return true
	}
	return false
}

// DecodeF32 converts len(dst) little-endian elements of type d from src into
// dst. F16, BF16 and F32 convert exactly; F64 is rounded to nearest even and
// overflows to infinity, as WeightWatcher does. It panics if d is not
// analysable or src is too short. It does not allocate.
//
// This is the plain loop that defines the result; the engine converts through
// the vectorised loops of internal/kernel, which are tested against it.
func DecodeF32(dst []float32, src []byte, d DType) {
	switch d {
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(src[8*i:])))
		}
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = float16.Frombits(binary.LittleEndian.Uint16(src[2*i:])).Float32()
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
	default:
		panic("checkpoint: DecodeF32 of a type that is not analysable")
	}
}

// EncodeF32 converts src to len(src) little-endian elements of type d in dst,
// rounding to nearest even. It panics if d is not analysable or dst is too
// short. It does not allocate.
func EncodeF32(dst []byte, src []float32, d DType) {
	switch d {
	case F64:
		for i, v := range src {
			binary.LittleEndian.PutUint64(dst[8*i:], math.Float64bits(float64(v)))
		}
	case F32:
		for i, v := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
		}
	case F16:
		for i, v := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], float16.Fromfloat32(v).Bits())
		}
	case BF16:
		for i, v := range src {
			binary.LittleEndian.PutUint16(dst[2*i:], bf16Bits(v))
		}
	default:
		panic("checkpoint: EncodeF32 of a type that is not analysable")
	}
}

// bf16Bits rounds v to bfloat16, to nearest even. A NaN stays a (quiet) NaN.
func bf16Bits(v float32) uint16 {
	b := math.Float32bits(v)
	if v != v {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
