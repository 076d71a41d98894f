package gguf

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/ggml"
)

// A header is the description of a file.
type header struct {
	version uint32
	values  values
	tensors []checkpoint.Tensor // in the order of the file; File is not set
	sum     string              // SHA-256 of the description, in hexadecimal digits
	// dataStart is where the data of the tensors begin.
	dataStart int64
}

const (
	magic            = "GGUF"
	defaultAlignment = 32
	maxName          = 63 // bytes of the name of a tensor
	maxDims          = 4
	// leastTensor is the least number of bytes that describe a tensor, and leastKey a value.
	leastTensor = 8 + 4 + 4 + 8
	leastKey    = 8 + 4 + 1
)

// readHeader reads the description of a file of size bytes.
func readHeader(r io.Reader, size int64) (*header, error) {
	hash := sha256.New()
	c := &cursor{r: io.TeeReader(bufio.NewReaderSize(r, int(min(size, 1<<16))), hash), size: size}
	var start [4]byte
	c.bytes(start[:])
	h := &header{version: c.uint32()}
	switch {
	case c.err != nil:
		return nil, c.err
	case string(start[:]) != magic:
		return nil, checkpoint.Unsupportedf("no GGUF file: it begins with %q", start[:])
	case h.version&0xffff == 0:
		return nil, checkpoint.Unsupportedf("GGUF file of version %d in big-endian order; convert it with gguf_convert_endian.py of llama.cpp", bits.ReverseBytes32(h.version))
	case h.version < 2:
		return nil, checkpoint.Unsupportedf("GGUF file of version %d, which llama.cpp does not read any more either: convert the original model again", h.version)
	case h.version > 3:
		return nil, checkpoint.Unsupportedf("GGUF file of version %d, newer than 3", h.version)
	}
	tensors := c.count("number of tensors", leastTensor, maxTensors)
	keys := c.count("number of keys", leastKey, maxKeys)
	h.values = c.readValues(keys)
	if c.err != nil {
		return nil, c.err
	}
	alignment, err := h.alignment()
	if err != nil {
		return nil, err
	}
	h.readTensors(c, tensors)
	if c.err != nil {
		return nil, c.err
	}
	h.sum = hex.EncodeToString(hash.Sum(nil))
	return h, h.place(c.at, size, alignment)
}

// alignment returns the number of bytes of which offsets are multiples.
func (h *header) alignment() (int64, error) {
	const key = "general.alignment"
	v, ok := h.values[key]
	switch {
	case !ok:
		return defaultAlignment, nil
	case v.kind != typeUint32:
		return 0, checkpoint.Corruptf("%s is no unsigned integer of 32 bits", key)
	case v.integer == 0 || v.integer&(v.integer-1) != 0:
		return 0, checkpoint.Corruptf("%s: %d is no power of two", key, v.integer)
	}
	return v.integer, nil
}

// readTensors reads the descriptions of so many tensors.
func (h *header) readTensors(c *cursor, n int) {
	known := make(map[string]bool, min(n, 1<<10))
	for range n {
		t, err := c.tensor()
		if c.err != nil {
			return
		}
		if err == nil && known[t.Name] {
			err = checkpoint.Corruptf("there are two tensors of this name")
		}
		if err != nil {
			c.fail(&checkpoint.TensorError{Tensor: t.Name, Err: err})
			return
		}
		known[t.Name] = true
		h.tensors = append(h.tensors, t)
	}
}

// tensor reads the description of a tensor, with its offset from the beginning of the data.
func (c *cursor) tensor() (checkpoint.Tensor, error) {
	t := checkpoint.Tensor{Name: c.string("length of the name of a tensor", maxName)}
	dims := c.uint32()
	if c.err == nil && dims > maxDims {
		return t, checkpoint.Corruptf("%d dimensions > limit %d", dims, maxDims)
	}
	t.Shape = make([]int, dims)
	for i := range t.Shape {
		n := c.uint64()
		if n > math.MaxInt64 {
			return t, checkpoint.Corruptf("dimension %d is negative: %d", i, int64(n))
		}
		t.Shape[len(t.Shape)-1-i] = int(n) // stored from the innermost on
	}
	kind := c.uint32()
	t.Offset = int64(c.uint64())
	if c.err != nil {
		return t, nil
	}
	weights, bytes, err := setType(&t, kind)
	if err != nil {
		return t, err
	}
	elements := uint64(1)
	for _, n := range t.Shape {
		high, low := bits.Mul64(elements, uint64(n))
		if high != 0 || low > math.MaxInt64 {
			return t, checkpoint.Corruptf("shape %v has more than 2^63 elements", t.Shape)
		}
		elements = low
	}
	row := 1
	if len(t.Shape) > 0 {
		row = t.Shape[len(t.Shape)-1]
	}
	if row%weights != 0 {
		return t, checkpoint.Corruptf("rows of %d weights are no multiple of %d, the block of %s", row, weights, t.StoredType())
	}
	high, low := bits.Mul64(elements/uint64(weights), uint64(bytes))
	if high != 0 || low > math.MaxInt64 {
		return t, checkpoint.Corruptf("shape %v of %s takes more than 2^63 bytes", t.Shape, t.StoredType())
	}
	t.Size = int64(low)
	return t, nil
}

// plainTypes are the types that are no blocks: element types by their number. Those without a
// DType of the project are integers, which are no weights.
var plainTypes = map[uint32]checkpoint.DType{
	0: checkpoint.F32, 1: checkpoint.F16, 28: checkpoint.F64, 30: checkpoint.BF16,
	24: checkpoint.I8, 25: checkpoint.I16, 26: checkpoint.I32, 27: checkpoint.I64,
}

// otherTypes are the types of blocks that are listed only: their weights and bytes.
var otherTypes = map[uint32]struct {
	name           string
	weights, bytes int
}{
	9: {"Q8_1", 32, 36}, 15: {"Q8_K", 256, 292},
	16: {"IQ2_XXS", 256, 66}, 17: {"IQ2_XS", 256, 74}, 18: {"IQ3_XXS", 256, 98}, 19: {"IQ1_S", 256, 50},
	21: {"IQ3_S", 256, 110}, 22: {"IQ2_S", 256, 82}, 29: {"IQ1_M", 256, 56},
}

// setType sets the type of a tensor by its number, and returns the weights and bytes of a block.
func setType(t *checkpoint.Tensor, number uint32) (weights, bytes int, err error) {
	if d, ok := plainTypes[number]; ok {
		t.DType, t.Encoding = d, d.Encoding()
		return 1, d.Bits() / 8, nil
	}
	if b, ok := ggml.ByID(number); ok {
		t.TypeName, t.Encoding = b.Name(), b
		weights, bytes = b.Block()
		return weights, bytes, nil
	}
	if o, ok := otherTypes[number]; ok {
		t.TypeName = o.name
		t.Refusal = fmt.Sprintf("quantized already: blocks of the type %s are not read; name a file of another type, or the checkpoint that it was made from", o.name)
		return o.weights, o.bytes, nil
	}
	return 0, 0, checkpoint.Unsupportedf("the type with number %d is not known", number)
}

// place checks the offsets of the tensors, which lie one behind the other, each padded to a
// multiple of the alignment, behind the description of so many bytes, and makes them offsets
// in the file of size bytes.
func (h *header) place(described, size, alignment int64) error {
	padded := func(n int64) (int64, bool) {
		p := (n + alignment - 1) &^ (alignment - 1)
		return p, p >= n
	}
	start, ok := padded(described)
	if !ok || start > size {
		if len(h.tensors) == 0 {
			return nil
		}
		return checkpoint.Corruptf("file of %d bytes ends before the data of its tensors: if it was downloaded, download it again", size)
	}
	h.dataStart = start
	at := int64(0)
	for i := range h.tensors {
		t := &h.tensors[i]
		fail := func(err error) error { return &checkpoint.TensorError{Tensor: t.Name, Err: err} }
		if t.Offset != at {
			return fail(checkpoint.Corruptf("offset %d, want %d behind the tensor before", uint64(t.Offset), at))
		}
		if t.Size > size-start-at {
			return fail(checkpoint.Corruptf("%d bytes from %d on, but the file ends at %d: if it was downloaded, download it again", t.Size, start+at, size))
		}
		t.Offset = start + at
		if at, ok = padded(at + t.Size); !ok || at > math.MaxInt64-start {
			return fail(checkpoint.Corruptf("its end is beyond 2^63 bytes"))
		}
	}
	return nil
}

// what says in words what kind of file a description is of, where that is no model; empty
// for a model, which has so many tensors.
func (h *header) what(tensors int) string {
	switch kind := h.values.text("general.type"); {
	case kind == "adapter":
		return "a LoRA adapter, whose tensors are no weights by themselves: name the GGUF file of the model"
	case kind == "imatrix":
		return "an importance matrix (imatrix), not a model: name the GGUF file of the model"
	case kind != "" && kind != "model" && kind != "mmproj":
		return fmt.Sprintf("of the kind %s, not a model", checkpoint.Quote(kind))
	}
	if _, ok := h.values["imatrix.chunk_count"]; ok {
		return "an importance matrix (imatrix), not a model: name the GGUF file of the model"
	}
	if tensors == 0 {
		return "a vocabulary without tensors, or the description of a model only: name the GGUF file that holds the weights"
	}
	return ""
}
