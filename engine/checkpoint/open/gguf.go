package open

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint/internal/fileio"
)

// ggmlTypes are the names of the types of GGUF's tensors that are in use, by number.
// Source: enum ggml_type, ggml.h.
var ggmlTypes = map[uint32]string{
	0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1",
	10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K",
	16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS",
	24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4",
}

// ggufFloats are the types that hold weights as they are.
var ggufFloats = []string{"F32", "F16", "BF16", "F64"}

// insideGGUF returns what to do with the GGUF file at path, by the types of its tensors, or
// "" if they cannot be read.
func insideGGUF(path string) string {
	f, info, err := fileio.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	return ggufHint(f, info.Size())
}

// ggufHint is insideGGUF for the content of a file of size bytes.
func ggufHint(content io.Reader, size int64) string {
	r := &ggufReader{r: bufio.NewReaderSize(content, 1<<16), left: size}
	counts, matrices, err := r.types()
	if err != nil || len(counts) == 0 {
		return ""
	}
	var names, quantized []string
	for name := range counts {
		names = append(names, name)
		if !slices.Contains(ggufFloats, name) && (matrices[name] || len(matrices) == 0) {
			quantized = append(quantized, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", counts[name], name)
	}
	list := strings.Join(names, ", ")
	if len(quantized) > 0 {
		return fmt.Sprintf("its weights are quantized already (tensors: %s); use the original safetensors checkpoint", list)
	}
	return fmt.Sprintf("its weights are floating-point numbers (tensors: %s), but there is no reader for the format; use the safetensors checkpoint that it was converted from", list)
}

// A ggufReader reads the description of a GGUF file, little-endian versions 2 and 3.
type ggufReader struct {
	r    *bufio.Reader
	left int64 // bytes of the file that have not been read
	err  error
}

// maxGGUF bounds the numbers of keys and tensors, and the dimensions of a tensor.
const (
	maxGGUFItems = 1 << 20
	maxGGUFDims  = 8
)

var errGGUF = errors.New("not the description of a GGUF file")

// types returns the number of tensors of each type, and which types have a matrix.
func (r *ggufReader) types() (counts map[string]int, matrices map[string]bool, err error) {
	r.skip(4) // the magic number
	version := r.uint(4)
	tensors, keys := r.uint(8), r.uint(8)
	if version < 2 || version > 3 || tensors > maxGGUFItems || keys > maxGGUFItems {
		return nil, nil, errGGUF
	}
	for i := uint64(0); i < keys && r.err == nil; i++ {
		r.skip(r.uint(8))
		r.value(r.uint(4), 0)
	}
	counts, matrices = make(map[string]int), make(map[string]bool)
	for i := uint64(0); i < tensors && r.err == nil; i++ {
		r.skip(r.uint(8)) // the name
		dims := r.uint(4)
		if dims > maxGGUFDims {
			return nil, nil, errGGUF
		}
		r.skip(8 * dims)
		number := uint32(r.uint(4))
		r.skip(8) // the offset
		name, ok := ggmlTypes[number]
		if !ok {
			name = fmt.Sprintf("type %d", number)
		}
		counts[name]++
		if dims >= 2 {
			matrices[name] = true
		}
	}
	return counts, matrices, r.err
}

// value skips a value of a type. depth is that of the arrays around it.
func (r *ggufReader) value(kind uint64, depth int) {
	sizes := []uint64{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}
	switch {
	case r.err != nil:
	case kind == 8:
		r.skip(r.uint(8))
	case kind == 9 && depth == 0:
		item, n := r.uint(4), r.uint(8)
		if item < uint64(len(sizes)) && sizes[item] > 0 {
			if n > uint64(r.left)/sizes[item] {
				r.err = errGGUF
				return
			}
			r.skip(n * sizes[item])
			return
		}
		for i := uint64(0); i < n && r.err == nil; i++ {
			r.value(item, depth+1)
		}
	case kind < uint64(len(sizes)) && kind != 9:
		r.skip(sizes[kind])
	default:
		r.err = errGGUF
	}
}

// uint reads an unsigned integer of n bytes, at most 8; 0 after an error.
func (r *ggufReader) uint(n int) uint64 {
	var b [8]byte
	if r.err != nil {
		return 0
	}
	if _, r.err = io.ReadFull(r.r, b[:n]); r.err != nil {
		return 0
	}
	r.left -= int64(n)
	return binary.LittleEndian.Uint64(b[:])
}

// skip passes over n bytes, which must be in the file.
func (r *ggufReader) skip(n uint64) {
	switch {
	case r.err != nil:
		return
	case n > uint64(max(r.left, 0)):
		r.err = errGGUF
		return
	}
	r.left -= int64(n)
	_, r.err = io.CopyN(io.Discard, r.r, int64(n))
}
