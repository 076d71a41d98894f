// Package ggml has the block types of ggml: what its stock build for x86-64 stores for
// weights when it is given no importance matrix, and what the stored blocks stand for.
//
// A block holds a fixed number of consecutive weights of one row in a fixed number of
// bytes. Every type is written in Go, one block a call (simple.go, kquants.go, search.go,
// decode.go): that is the specification. What runs, where there is cgo, is C compiled for
// several instruction sets, the best of the machine, which gives the same in every bit: it
// has a sub-block in each lane of a vector and never adds across lanes.
//
// All arithmetic is in float32, rounds after every operation, and sums in the order of the
// elements: a contraction into fused multiply-adds would change up to 15 % of the weights of
// some types. Go contracts products that flow into sums, also through the parameters of
// small functions, unless they are converted: hence the float32(a*b) in so many places.
//
// Where ggml leaves the result to the compiler, it is defined here. A block whose scale is
// so small that its reciprocal is infinite is stored as a block of zeros. A block whose
// scale is not finite in float16 is refused with [ErrOverflow]. Q3_K and Q6_K are as ggml
// also where that is harsh: a block of 256 weights all of whose sub-blocks have weights
// above 2^64, the squares of which overflow, becomes zeros.
//
// Source: ggml-org/ggml, commit d99724f2, src/ggml-quants.c, restated.
package ggml

import (
	"errors"
	"strings"
	"sync"
)

// ErrOverflow says that a block of weights has no finite representation in a type: its
// scale is larger than the type of the scale can hold.
var ErrOverflow = errors.New("the scale of a block is too large for its type")

// A Type is a type of blocks. The zero Type is Q4_0. Types can be compared.
type Type uint8

// The types, in the order of their numbers in GGUF files.
const (
	q4_0 Type = iota
	q4_1
	q5_0
	q5_1
	q8_0
	q2K
	q3K
	q4K
	q5K
	q6K
	iq4NL
	iq4XS
	tq1_0
	tq2_0
	mxfp4
	nvfp4
	q1_0
	q2_0
)

// A format is what is known of a type. decode and quantize work on one block; quantize
// reports whether the scales are finite.
type format struct {
	name           string
	id             uint32
	weights, bytes int
	decode         func(dst []float32, src []byte)
	quantize       func(dst []byte, src []float32) bool
}

var formats = [...]format{
	q4_0:  {"Q4_0", 2, 32, 18, decodeQ4_0, quantizeQ4_0},
	q4_1:  {"Q4_1", 3, 32, 20, decodeQ4_1, quantizeQ4_1},
	q5_0:  {"Q5_0", 6, 32, 22, decodeQ5_0, quantizeQ5_0},
	q5_1:  {"Q5_1", 7, 32, 24, decodeQ5_1, quantizeQ5_1},
	q8_0:  {"Q8_0", 8, 32, 34, decodeQ8_0, quantizeQ8_0},
	q2K:   {"Q2_K", 10, 256, 84, decodeQ2K, quantizeQ2K},
	q3K:   {"Q3_K", 11, 256, 110, decodeQ3K, quantizeQ3K},
	q4K:   {"Q4_K", 12, 256, 144, decodeQ4K, quantizeQ4K},
	q5K:   {"Q5_K", 13, 256, 176, decodeQ5K, quantizeQ5K},
	q6K:   {"Q6_K", 14, 256, 210, decodeQ6K, quantizeQ6K},
	iq4NL: {"IQ4_NL", 20, 32, 18, decodeIQ4NL, quantizeIQ4NL},
	iq4XS: {"IQ4_XS", 23, 256, 136, decodeIQ4XS, quantizeIQ4XS},
	tq1_0: {"TQ1_0", 34, 256, 54, decodeTQ1_0, quantizeTQ1_0},
	tq2_0: {"TQ2_0", 35, 256, 66, decodeTQ2_0, quantizeTQ2_0},
	mxfp4: {"MXFP4", 39, 32, 17, decodeMXFP4, quantizeMXFP4},
	nvfp4: {"NVFP4", 40, 64, 36, decodeNVFP4, quantizeNVFP4},
	q1_0:  {"Q1_0", 41, 128, 18, decodeQ1_0, quantizeQ1_0},
	q2_0:  {"Q2_0", 42, 64, 18, decodeQ2_0, quantizeQ2_0},
}

// Types returns all types, in the order of their numbers in GGUF files: those of ggml that
// need neither tables of lattice points nor calibration data.
func Types() []Type {
	all := make([]Type, len(formats))
	for i := range all {
		all[i] = Type(i)
	}
	return all
}

// Lookup returns the type that ggml calls name, in upper or lower case, and whether there
// is one.
func Lookup(name string) (Type, bool) {
	for i := range formats {
		if strings.EqualFold(formats[i].name, name) {
			return Type(i), true
		}
	}
	return 0, false
}

// ByID returns the type of a tensor with the given type number in a GGUF file, and whether
// it is one of these.
func ByID(id uint32) (Type, bool) {
	for i := range formats {
		if formats[i].id == id {
			return Type(i), true
		}
	}
	return 0, false
}

// Name returns ggml's name of the type: "Q4_K".
func (t Type) Name() string { return formats[t].name }

// String returns the name.
func (t Type) String() string { return t.Name() }

// ID returns the number of the type in GGUF files.
func (t Type) ID() uint32 { return formats[t].id }

// Block returns how many weights a block holds, and in how many bytes.
func (t Type) Block() (weights, bytes int) { return formats[t].weights, formats[t].bytes }

// Decode writes what the blocks in src stand for to dst, in float32 as ggml's to_float
// does. Any bytes are valid: scales may be infinite or NaN, and the weights then are. src
// holds whole blocks and dst as many weights; anything else panics. Nothing is allocated,
// and any number of calls may run at once.
//
// Source: the layouts are those of ggml-common.h, the arithmetic is that of the
// dequantize_row functions of ggml-quants.c.
func (t Type) Decode(dst []float32, src []byte) {
	n := t.blocks(len(dst), len(src))
	if n > 0 {
		best.decode(t, dst, src, n)
	}
}

// Quantize stores the weights in src, all of which must be finite, as blocks in dst, byte
// for byte as ggml_quantize_chunk does without an importance matrix. src holds whole
// blocks and dst has room for as many; anything else panics. If a block has no finite
// scale the error is [ErrOverflow] and the contents of dst are not specified. Nothing is
// allocated, and any number of calls may run at once.
//
// Source: the quantize_row functions of ggml-quants.c, ending in _ref except for IQ4_NL
// and IQ4_XS, where it is the search of 15 scales.
func (t Type) Quantize(dst []byte, src []float32) error {
	n := t.blocks(len(src), len(dst))
	if n > 0 && !best.quantize(t, dst, src, n) {
		return ErrOverflow
	}
	return nil
}

// Dequantized writes what the weights in src become in this type to dst: what Quantize
// followed by Decode gives, in every bit. src holds whole blocks of finite weights and dst
// is as long, or it panics; both may be the same slice. If a block has no finite scale the
// error is [ErrOverflow] and the contents of dst are not specified. Scratch of 8 KiB comes
// from a pool. Any number of calls may run at once.
func (t Type) Dequantized(dst, src []float32) error {
	if len(dst) != len(src) || len(src)%formats[t].weights != 0 {
		panic("ggml: no whole blocks, or slices of unequal length")
	}
	scratch := pool.Get().(*[scratchSize]byte)
	defer pool.Put(scratch)
	weights, bytes := t.Block()
	most := scratchSize / bytes
	for i := 0; i < len(src); i += most * weights {
		part := src[i:min(len(src), i+most*weights)]
		n := len(part) / weights
		if !best.quantize(t, scratch[:n*bytes], part, n) {
			return ErrOverflow
		}
		best.decode(t, dst[i:i+len(part)], scratch[:n*bytes], n)
	}
	return nil
}

const scratchSize = 8192

var pool = sync.Pool{New: func() any { return new([scratchSize]byte) }}

// blocks returns the number of blocks of so many weights, which must be whole blocks in so
// many bytes.
func (t Type) blocks(weights, bytes int) int {
	f := &formats[t]
	n := weights / f.weights
	if n*f.weights != weights || n*f.bytes != bytes {
		panic("ggml: no whole blocks, or slices of unequal length")
	}
	return n
}

// decodeGeneric is Decode in Go.
func decodeGeneric(t Type, dst []float32, src []byte) {
	f := &formats[t]
	for ; len(dst) > 0; dst, src = dst[f.weights:], src[f.bytes:] {
		f.decode(dst[:f.weights], src[:f.bytes])
	}
}

// quantizeGeneric is Quantize in Go. It reports whether all scales are finite.
func quantizeGeneric(t Type, dst []byte, src []float32) bool {
	f := &formats[t]
	for ; len(src) > 0; dst, src = dst[f.bytes:], src[f.weights:] {
		clear(dst[:f.bytes])
		if !f.quantize(dst[:f.bytes], src[:f.weights]) {
			return false
		}
	}
	return true
}
