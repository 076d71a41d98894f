package checkpoint

import "fmt"

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

// Rounding returns the unit roundoff of d: the largest relative error of rounding to the
// nearest number of the type, away from its smallest numbers. It is 0 for types that have
// no [Encoding].
func (d DType) Rounding() float64 {
	switch d {
	case F64:
		return 0x1p-53
	case F32:
		return 0x1p-24
	case F16:
		return 0x1p-11
	case BF16:
		return 0x1p-8
	}
	return 0
}
