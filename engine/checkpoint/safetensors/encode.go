package safetensors

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// retype returns the header of file after the element types of its tensors have become
// dtypes and their sizes in bytes sizes, both in the order of h.entries. text is the old
// header and h the result of parsing it. Only element types and offsets are replaced:
// order, metadata and spelling of the text and the order of the data stay. The result
// is padded with spaces to a multiple of 8 bytes, as the reference does.
func retype(file string, text []byte, h *header, dtypes []checkpoint.DType, sizes []int64) ([]byte, error) {
	type edit struct {
		at    span
		value string
	}
	edits := make([]edit, 0, 2*len(h.entries))
	var end int64
	for _, i := range h.data {
		e := &h.entries[i]
		begin := end
		end += sizes[i]
		edits = append(edits, edit{e.offsetsSpan, fmt.Sprintf("[%d,%d]", begin, end)})
		if dtypes[i] != e.dtype {
			edits = append(edits, edit{e.typeSpan, strconv.Quote(dtypes[i].String())})
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.at.start, b.at.start) })

	out := make([]byte, 0, len(text)+8)
	var done int64
	for _, e := range edits {
		out = append(out, text[done:e.at.start]...)
		out = append(out, e.value...)
		done = e.at.end
	}
	out = append(out, text[done:]...)
	out = bytes.TrimRight(out, " \t\r\n")
	for len(out)%8 != 0 {
		out = append(out, ' ')
	}
	if len(out) > MaxHeaderBytes {
		return nil, fmt.Errorf("new header of %d bytes > limit %d", len(out), MaxHeaderBytes)
	}
	// The new header must satisfy the rules of the format.
	if _, err := parseHeader(file, out, end); err != nil {
		return nil, err
	}
	return out, nil
}

// withTotalSize returns the text of the index with metadata.total_size set to total. If
// the index has no such number, the text is returned unchanged.
func (x *index) withTotalSize(total int64) []byte {
	if x.totalSize.end == 0 {
		return x.text
	}
	out := slices.Clone(x.text[:x.totalSize.start])
	out = strconv.AppendInt(out, total, 10)
	return append(out, x.text[x.totalSize.end:]...)
}
