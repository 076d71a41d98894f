//go:build !cgo || wwq_noasm

package kernel

var setNames = []string{"generic"}

func (Set) decodeF16(dst []float32, src []byte) { decodeF16Generic(dst, src) }

func (Set) decodeBF16(dst []float32, src []byte) { decodeBF16Generic(dst, src) }

func (Set) findRange(x []float32) Range { return findRangeGeneric(x) }

func (Set) quantizeSymmetric(dst, src []float32, p SymmetricParams) {
	quantizeSymmetricGeneric(dst, src, p)
}

func (Set) quantizeAsymmetric(dst, src []float32, p AsymmetricParams) {
	quantizeAsymmetricGeneric(dst, src, p)
}

func (Set) codesSymmetric(codes []uint16, src []float32, p SymmetricParams) {
	codesSymmetricGeneric(codes, src, p)
}

func (Set) codesAsymmetric(codes []uint16, src []float32, p AsymmetricParams) {
	codesAsymmetricGeneric(codes, src, p)
}

func (Set) codes8(dst []int8, src []float32, scale, qmax float32) float64 {
	return codes8Generic(dst, src, scale, qmax)
}

func (Set) scale16(dst []int16, src []float32, factor float32) float64 {
	return scale16Generic(dst, src, factor)
}

func (Set) roundF16(x []float32) { roundF16Generic(x) }

func (Set) roundBF16(x []float32) { roundBF16Generic(x) }

func (Set) codesF16(codes []uint16, src []float32) { codesF16Generic(codes, src) }

func (Set) sumErrors(a, b []float32) ErrorSums { return sumErrorsGeneric(a, b) }

func (Set) widen(dst []float64, src []float32) float64 { return widenGeneric(dst, src) }

func (Set) mark(seen []byte, codes []uint16) { markGeneric(seen, codes) }

func (Set) quantizeAffine(dst, src []float32, size int, groups []Group, r Affine) {
	quantizeAffineGeneric(dst, src, size, groups, r)
}

func (Set) quantizeShifted(dst, src []float32, size int, groups []Group, r Shifted) {
	quantizeShiftedGeneric(dst, src, size, groups, r)
}

func (Set) quantizeMini(dst, src []float32, size int, groups []Group, r Mini) {
	quantizeMiniGeneric(dst, src, size, groups, r)
}

func (Set) quantizeBook(dst, src []float32, size int, groups []Group, r *Book) {
	quantizeBookGeneric(dst, src, size, groups, r)
}

func (Set) groupRanges(ranges []Extent, src []float32, size int) {
	groupRangesGeneric(ranges, src, size)
}

func (Set) subtractBF16(dst []uint16, a, b []float32) float64 {
	return subtractBF16Generic(dst, a, b)
}

func (Set) normalProduct(z, x []float32, e []uint16, scale float32) {
	normalProductGeneric(z, x, e, scale)
}
