//go:build !cgo || wwq_noasm

package ggml

var setNames = []string{"generic"}

// decode is Decode of n blocks.
func (Set) decode(t Type, dst []float32, src []byte, _ int) { decodeGeneric(t, dst, src) }

// quantize is Quantize of n blocks. It reports whether all scales are finite.
func (Set) quantize(t Type, dst []byte, src []float32, _ int) bool {
	return quantizeGeneric(t, dst, src)
}
