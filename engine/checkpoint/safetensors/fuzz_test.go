package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// FuzzHeader parses arbitrary headers. A header that is accepted must satisfy the rules
// of the format, before and after its element types are changed.
func FuzzHeader(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte, dataSize int64) {
		if dataSize < 0 {
			return
		}
		h, err := parseHeader("f", text, dataSize)
		if err != nil {
			checkFuzzError(t, err)
			return
		}
		if !json.Valid(text) {
			t.Error("accepted what is not JSON")
		}
		var end int64
		names := make(map[string]bool)
		for _, i := range h.data {
			e := &h.entries[i]
			if names[e.name] {
				t.Errorf("%q twice", e.name)
			}
			names[e.name] = true
			if e.begin != end || e.end < e.begin || e.end > dataSize {
				t.Errorf("%q: bytes %d to %d after %d of %d", e.name, e.begin, e.end, end, dataSize)
			}
			end = e.end
			tensor := checkpoint.Tensor{Shape: e.shape}
			if n := int64(e.dtype.Bits()); n > 0 && (tensor.Elements() != (e.end-e.begin)*8/n || (e.end-e.begin)*8%n != 0) {
				t.Errorf("%q: shape %v of %s in %d bytes", e.name, e.shape, e.dtype, e.end-e.begin)
			}
		}
		if end != dataSize || len(names) != len(h.entries) {
			t.Errorf("%d entries cover %d of %d bytes", len(h.entries), end, dataSize)
		}
		checkRetype(t, text, h)
	})
}

// checkRetype changes the type of every F32 tensor to F16, adds metadata, and parses the
// result.
func checkRetype(t *testing.T, text []byte, h *header) {
	var dtypes []checkpoint.DType
	var sizes []int64
	var total int64
	for _, e := range h.entries {
		dtype, size := e.dtype, e.end-e.begin
		if dtype == checkpoint.F32 {
			dtype, size = checkpoint.F16, size/2
		}
		dtypes, sizes, total = append(dtypes, dtype), append(sizes, size), total+size
	}
	added := map[string]string{"k\"\n": "<v>", "format": "x"}
	out, err := edit("f", text, h, &shardPlan{dtypes: dtypes, sizes: sizes, metadata: added})
	if err != nil {
		t.Fatalf("edit: %v", err)
	}
	want := maps.Clone(h.metadata)
	if want == nil {
		want = map[string]string{}
	}
	maps.Copy(want, added)
	g, err := parseHeader("f", out, total)
	if err != nil || len(g.entries) != len(h.entries) || len(out)%8 != 0 || !maps.Equal(g.metadata, want) {
		t.Fatalf("retyped header %q: %v", out, err)
	}
	for i := range g.entries {
		a, b := &g.entries[i], &h.entries[i]
		if a.name != b.name || a.dtype != dtypes[i] || a.typeName != b.typeName && b.dtype != checkpoint.F32 ||
			!slices.Equal(a.shape, b.shape) || a.end-a.begin != sizes[i] {
			t.Errorf("entry %d: %+v became %+v", i, b, a)
		}
	}
}

// checkFuzzError checks that an error can be shown to a user.
func checkFuzzError(t *testing.T, err error) {
	text := err.Error()
	if !errors.Is(err, checkpoint.ErrCorrupt) || len(text) > 4096 || checkpoint.Printable(text) != text {
		t.Errorf("error of %d bytes: %.300q", len(text), text)
	}
}

// FuzzIndex parses arbitrary index files. An index that is accepted must name plain files
// only, and must name the same ones after its total size is changed.
func FuzzIndex(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		x, err := parseIndex("f", text)
		if err != nil {
			checkFuzzError(t, err)
			return
		}
		for tensor, file := range x.shardOf {
			if bytes.ContainsAny([]byte(file), "/\\:\x00") || file == "" || file[0] == '.' || !slices.Contains(x.shards, file) {
				t.Errorf("%q: file %q", tensor, file)
			}
		}
		y, err := parseIndex("f", x.withTotalSize(12345))
		if err != nil || len(y.shardOf) != len(x.shardOf) || !slices.Equal(x.shards, y.shards) {
			t.Errorf("with another total size: %v", err)
		}
	})
}
