package safetensors

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// edit returns the header of file with the element types, the sizes of the tensors and the
// metadata of p. text is the old header and h the result of parsing it. Only element
// types, offsets and, if there are entries to add, the metadata are replaced: order and
// spelling of the rest of the text and the order of the data stay. The result is padded
// with spaces to a multiple of 8 bytes, as the reference does.
func edit(file string, text []byte, h *header, p *shardPlan) ([]byte, error) {
	type change struct {
		at    span
		value string
	}
	edits := make([]change, 0, 2*len(h.entries)+1)
	if len(p.metadata) > 0 {
		at, value, err := h.mergedMetadata(p.metadata)
		if err != nil {
			return nil, err
		}
		edits = append(edits, change{at, value})
	}
	var end int64
	for _, i := range h.data {
		e := &h.entries[i]
		begin := end
		end += p.sizes[i]
		if begin != e.begin || end != e.end {
			edits = append(edits, change{e.offsetsSpan, fmt.Sprintf("[%d,%d]", begin, end)})
		}
		if p.dtypes[i] != e.dtype {
			edits = append(edits, change{e.typeSpan, strconv.Quote(p.dtypes[i].String())})
		}
	}
	slices.SortFunc(edits, func(a, b change) int { return cmp.Compare(a.at.start, b.at.start) })

	out := make([]byte, 0, len(text)+8)
	var done int64
	for _, e := range edits {
		out = append(out, text[done:e.at.start]...)
		out = append(out, e.value...)
		done = e.at.end
	}
	out = append(out, text[done:]...)
	return finished(file, bytes.TrimRight(out, " \t\r\n"), end)
}

// finished returns a new header for a file with so many bytes of data, padded with spaces to a
// multiple of 8 bytes. It must satisfy the rules of the format.
func finished(file string, text []byte, data int64) ([]byte, error) {
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	if len(text) > MaxHeaderBytes {
		return nil, fmt.Errorf("new header of %d bytes > limit %d", len(text), MaxHeaderBytes)
	}
	if _, err := parseHeader(file, text, data); err != nil {
		return nil, err
	}
	return text, nil
}

// mergedMetadata returns the metadata of h with the entries of more, as JSON, and the span
// of the text that it replaces: that of the old metadata or, if there are none, nothing
// behind the brace that opens the header.
func (h *header) mergedMetadata(more map[string]string) (span, string, error) {
	merged := make(map[string]string, len(h.metadata)+len(more))
	maps.Copy(merged, h.metadata)
	maps.Copy(merged, more)
	if merged["format"] == "" {
		// transformers loads files without metadata, but none whose metadata lack this.
		merged["format"] = "pt"
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(merged); err != nil {
		return span{}, "", err
	}
	text := strings.TrimSuffix(b.String(), "\n")
	if h.metadata != nil {
		return h.metadataSpan, text, nil
	}
	text = fmt.Sprintf("%q:%s", metadataName, text)
	if len(h.entries) > 0 {
		text += ","
	}
	return span{1, 1}, text, nil
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
