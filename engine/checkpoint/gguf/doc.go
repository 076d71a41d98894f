// Package gguf reads checkpoints in GGUF, the format of llama.cpp: versions 2 and 3,
// little-endian, in one file or split into several.
//
// A file begins with its keys and values, and the description of its tensors: names,
// dimensions, types, offsets. Only what a reader of weights needs is kept of the values. The
// rules are those of ggml's own reader, and beyond them: every tensor must lie inside the file,
// and every boolean must be 0 or 1. The description is read once, from front to back, through
// a [cursor] that knows how many bytes are left, so that no count in a file makes it
// allocate more than the file holds.
//
// Dimensions are stored from the innermost to the outermost; Shape has them the other way
// round, as all formats here: [outputs, inputs]. Tensors of floating-point types have the DType
// of that name. Those of block types have none, and the [ggml.Type] as their Encoding. IQ1, IQ2
// and IQ3 are listed, without an encoding.
//
// Source: ggml-org/ggml, docs/gguf.md and src/gguf.cpp, restated.
package gguf
