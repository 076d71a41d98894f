//go:build !cgo || wwq_noasm

package kernel

// SIMD returns the name of the instruction set in use.
func SIMD() string { return "generic" }

// Force selects an instruction set by name, for tests. This build has one.
func Force(name string) bool { return name == "generic" }

// DecodeF16 is DecodeF16Generic.
func DecodeF16(dst []float32, src []byte) { DecodeF16Generic(dst, src) }

// DecodeBF16 is DecodeBF16Generic.
func DecodeBF16(dst []float32, src []byte) { DecodeBF16Generic(dst, src) }

// FindRange is FindRangeGeneric.
func FindRange(x []float32) Range { return FindRangeGeneric(x) }

// QuantizeSymmetric is QuantizeSymmetricGeneric.
func QuantizeSymmetric(dst, src []float32, p SymmetricParams) { QuantizeSymmetricGeneric(dst, src, p) }

// QuantizeAsymmetric is QuantizeAsymmetricGeneric.
func QuantizeAsymmetric(dst, src []float32, p AsymmetricParams) {
	QuantizeAsymmetricGeneric(dst, src, p)
}

// CodesSymmetric is CodesSymmetricGeneric.
func CodesSymmetric(codes []uint16, src []float32, p SymmetricParams) {
	CodesSymmetricGeneric(codes, src, p)
}

// CodesAsymmetric is CodesAsymmetricGeneric.
func CodesAsymmetric(codes []uint16, src []float32, p AsymmetricParams) {
	CodesAsymmetricGeneric(codes, src, p)
}

// Codes8 is Codes8Generic.
func Codes8(dst []int8, src []float32, scale, qmax float32) (squares float64) {
	return Codes8Generic(dst, src, scale, qmax)
}

// Scale16 is Scale16Generic.
func Scale16(dst []int16, src []float32, factor float32) (squares float64) {
	return Scale16Generic(dst, src, factor)
}

// RoundF16 is RoundF16Generic.
func RoundF16(x []float32) { RoundF16Generic(x) }

// RoundBF16 is RoundBF16Generic.
func RoundBF16(x []float32) { RoundBF16Generic(x) }

// CodesF16 is CodesF16Generic.
func CodesF16(codes []uint16, src []float32) { CodesF16Generic(codes, src) }

// SumErrors is SumErrorsGeneric.
func SumErrors(a, b []float32) ErrorSums { return SumErrorsGeneric(a, b) }

// Widen is WidenGeneric.
func Widen(dst []float64, src []float32) float64 { return WidenGeneric(dst, src) }

// Mark is MarkGeneric.
func Mark(seen []byte, codes []uint16) { MarkGeneric(seen, codes) }
