package safetensors

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

const metadataName = "__metadata__"

// A header is the parsed JSON text at the start of a file.
type header struct {
	metadata map[string]string // nil if absent
	entries  []entry           // in the order of the text
	data     []int             // indexes of entries in the order of their data

	metadataSpan span // the place of the metadata in the text
}

// An entry describes one tensor.
type entry struct {
	name       string
	typeName   string
	dtype      checkpoint.DType // InvalidDType if typeName is unknown
	shape      []int
	begin, end int64 // bytes, from the start of the data

	// The places in the text of the two values that a rewrite changes.
	typeSpan, offsetsSpan span
}

// parseHeader parses text, the header of file, whose data takes dataSize bytes.
// The header that it returns satisfies every rule of the format (see the package
// documentation). It allocates memory in proportion to len(text) only. Errors
// are of class checkpoint.ErrCorrupt and name the file and, if the fault is in one
// tensor, that tensor.
func parseHeader(file string, text []byte, dataSize int64) (*header, error) {
	h := &header{}
	w, err := newWalker(text)
	if err != nil {
		return nil, &checkpoint.FileError{File: file, Err: checkpoint.Corruptf("header %w", err)}
	}
	seen := make(map[string]bool)
	err = w.members(func(name string) error {
		switch {
		case len(name) > MaxNameBytes:
			return checkpoint.Corruptf("header: tensor name %s: %d bytes > limit %d", checkpoint.Quote(name), len(name), MaxNameBytes)
		case seen[name] && name == metadataName:
			return checkpoint.Corruptf("header: duplicate field %q", name)
		case seen[name]:
			return tensorError(file, name, "duplicate tensor name")
		}
		seen[name] = true
		if name == metadataName {
			if h.metadata, h.metadataSpan, err = parseMetadata(w); err != nil {
				return checkpoint.Corruptf("header: field %q: %w", name, err)
			}
			return nil
		}
		if len(h.entries) == maxTensors {
			return checkpoint.Corruptf("header: more than %d tensors", maxTensors)
		}
		e, err := parseEntry(w, name)
		if err != nil {
			return tensorError(file, name, "%w", err)
		}
		h.entries = append(h.entries, e)
		return nil
	})
	if err == nil {
		err = h.validate(file, dataSize)
	}
	var te *checkpoint.TensorError
	if err != nil && !errors.As(err, &te) {
		err = &checkpoint.FileError{File: file, Err: err}
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

func tensorError(file, tensor, format string, args ...any) error {
	return &checkpoint.TensorError{File: file, Tensor: tensor, Err: checkpoint.Corruptf(format, args...)}
}

func parseMetadata(w *walker) (map[string]string, span, error) {
	metadata := make(map[string]string)
	start := w.dec.InputOffset()
	err := w.members(func(key string) error {
		if _, ok := metadata[key]; ok {
			return fmt.Errorf("duplicate key %s", checkpoint.Quote(key))
		}
		value, _, err := w.str()
		if err != nil {
			return fmt.Errorf("key %s: value %w", checkpoint.Quote(key), err)
		}
		metadata[key] = value
		return nil
	})
	if err != nil {
		return nil, span{}, err
	}
	start += int64(bytes.IndexByte(w.text[start:], '{'))
	return metadata, span{start, w.dec.InputOffset()}, nil
}

func parseEntry(w *walker, name string) (entry, error) {
	e := entry{name: name}
	var hasType, hasShape, hasOffsets bool
	err := w.members(func(field string) error {
		var has *bool
		switch field {
		case "dtype":
			has = &hasType
		case "shape":
			has = &hasShape
		case "data_offsets":
			has = &hasOffsets
		default:
			return fmt.Errorf("unknown field %s", checkpoint.Quote(field))
		}
		if *has {
			return fmt.Errorf("duplicate field %q", field)
		}
		*has = true
		var err error
		switch field {
		case "dtype":
			e.typeName, e.typeSpan, err = w.str()
			e.dtype, _ = checkpoint.ParseDType(e.typeName)
		case "shape":
			e.shape, err = parseShape(w)
		case "data_offsets":
			e.begin, e.end, e.offsetsSpan, err = parseOffsets(w)
		}
		if err != nil {
			return fmt.Errorf("%s %w", field, err)
		}
		return nil
	})
	switch {
	case err != nil:
	case !hasType:
		err = errors.New("no field \"dtype\"")
	case !hasShape:
		err = errors.New("no field \"shape\"")
	case !hasOffsets:
		err = errors.New("no field \"data_offsets\"")
	}
	return e, err
}

func parseShape(w *walker) ([]int, error) {
	dims, _, err := w.integers(MaxRank)
	if err != nil {
		return nil, err
	}
	shape := make([]int, len(dims))
	for i, d := range dims {
		if d > math.MaxInt {
			return nil, fmt.Errorf("entry %d is %d > limit %d", i, d, math.MaxInt)
		}
		shape[i] = int(d)
	}
	return shape, nil
}

func parseOffsets(w *walker) (begin, end int64, at span, err error) {
	list, at, err := w.integers(2)
	switch {
	case err != nil:
		return 0, 0, at, err
	case len(list) != 2:
		return 0, 0, at, fmt.Errorf("has %d entries, want 2", len(list))
	case list[1] < list[0]:
		return 0, 0, at, fmt.Errorf("begin %d > end %d", list[0], list[1])
	}
	return list[0], list[1], at, nil
}

// validate fills h.data and checks that the entries cover dataSize bytes
// exactly and that each has the size that follows from its shape and type. The byte
// ranges of all tensors are checked first, including those of unknown type.
func (h *header) validate(file string, dataSize int64) error {
	h.data = make([]int, len(h.entries))
	for i := range h.data {
		h.data[i] = i
	}
	slices.SortFunc(h.data, func(i, j int) int {
		a, b := &h.entries[i], &h.entries[j]
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end), i-j)
	})
	var end int64
	for _, i := range h.data {
		e := &h.entries[i]
		switch {
		case e.begin < end:
			return tensorError(file, e.name, "data_offsets begin %d < end of previous tensor %d", e.begin, end)
		case e.begin > end:
			return tensorError(file, e.name, "data_offsets begin %d > end of previous tensor %d", e.begin, end)
		case e.end > dataSize:
			return tensorError(file, e.name, "data_offsets end %d > %d bytes of data in the file", e.end, dataSize)
		case e.end-e.begin > MaxTensorBytes:
			return tensorError(file, e.name, "data_offsets span %d bytes > limit %d", e.end-e.begin, int64(MaxTensorBytes))
		}
		end = e.end
	}
	if end != dataSize {
		return checkpoint.Corruptf("file holds %d bytes of data, but its last tensor ends at %d", dataSize, end)
	}
	for i := range h.entries {
		e := &h.entries[i]
		size, err := byteSize(e.shape, e.dtype)
		if err != nil {
			return tensorError(file, e.name, "%w", err)
		}
		if e.dtype != checkpoint.InvalidDType && size != e.end-e.begin {
			return tensorError(file, e.name, "data_offsets span %d bytes, but shape %v of %s takes %d", e.end-e.begin, e.shape, e.dtype, size)
		}
	}
	return nil
}

// byteSize returns the size of a tensor in bytes, or an error if it does not
// fit in an int64 or is not a whole number of bytes. For a tensor of unknown type,
// whose size is unknown, it returns 0.
func byteSize(shape []int, dtype checkpoint.DType) (int64, error) {
	n := uint64(1)
	for _, d := range shape {
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt64 {
			return 0, fmt.Errorf("shape %v: number of elements > limit %d", shape, int64(math.MaxInt64))
		}
		n = lo
	}
	hi, total := bits.Mul64(n, uint64(dtype.Bits()))
	if hi != 0 {
		return 0, fmt.Errorf("shape %v of %s: number of bits > limit %d", shape, dtype, uint64(math.MaxUint64))
	}
	if total%8 != 0 {
		return 0, fmt.Errorf("shape %v of %s: %d bits do not end on a byte", shape, dtype, total)
	}
	return int64(total / 8), nil
}
