package open

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// gguf returns the description of a GGUF file with a key of each kind and tensors of the
// given types, matrices all of them.
func gguf(types ...uint32) []byte {
	le := binary.LittleEndian
	str := func(b []byte, s string) []byte { return append(le.AppendUint64(b, uint64(len(s))), s...) }
	b := append([]byte("GGUF"), 3, 0, 0, 0)
	b = le.AppendUint64(b, uint64(len(types)))
	b = le.AppendUint64(b, 4)
	b = str(le.AppendUint32(str(b, "general.name"), 8), "x")
	b = le.AppendUint32(le.AppendUint32(str(b, "n"), 4), 7)
	b = le.AppendUint64(le.AppendUint32(le.AppendUint32(str(b, "tokens"), 9), 8), 2)
	b = str(str(b, "one"), "two")
	b = le.AppendUint64(le.AppendUint32(le.AppendUint32(str(b, "scores"), 9), 6), 2)
	b = append(b, make([]byte, 8)...)
	for _, kind := range types {
		b = le.AppendUint32(str(b, "t"), 2)
		b = le.AppendUint64(le.AppendUint64(b, 4), 4)
		b = le.AppendUint64(le.AppendUint32(b, kind), 0)
	}
	return b
}

// TestGGUF checks that files of floats are told from quantized ones.
func TestGGUF(t *testing.T) {
	setCache(t, t.TempDir())
	for _, tc := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"floats", gguf(0, 1, 1, 30), "its weights are floating-point numbers (tensors: 2 F16, 1 BF16, 1 F32), but there is no reader for the format"},
		{"quantized", gguf(12, 12, 14, 0), "its weights are quantized already (tensors: 2 Q4_K, 1 F32, 1 Q6_K); use the original safetensors checkpoint"},
		{"a type that is not known", gguf(77), "quantized already (tensors: 1 type 77)"},
		{"no tensors", gguf(), "use the safetensors checkpoint from which it was made"},
		{"cut", gguf(0, 0)[:150], "use the safetensors checkpoint from which it was made"},
		{"huge string", append(gguf()[:24], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), "use the safetensors checkpoint"},
		{"huge counts", append([]byte("GGUF\x03\x00\x00\x00"), strings.Repeat("\xff", 16)...), "use the safetensors checkpoint"},
		{"version 1", append([]byte("GGUF\x01\x00\x00\x00"), make([]byte, 16)...), "use the safetensors checkpoint"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{"x.gguf": string(tc.content)})
			for _, path := range []string{dir, filepath.Join(dir, "x.gguf")} {
				src, _, err := Open(path, Options{})
				checkError(t, src, err, checkpoint.ErrUnsupported, tc.want)
			}
		})
	}
}

// FuzzGGUF reads the descriptions of arbitrary files: what is said of them fits a message.
func FuzzGGUF(f *testing.F) {
	f.Add(gguf(0, 1, 12))
	f.Add(gguf(30)[:100])
	f.Fuzz(func(t *testing.T, content []byte) {
		if hint := ggufHint(bytes.NewReader(content), int64(len(content))); checkpoint.Printable("x"+hint) != "x"+hint {
			t.Errorf("hint %q", hint)
		}
	})
}

// FuzzWords looks at arbitrary files: what is shown of them fits a message.
func FuzzWords(f *testing.F) {
	for _, d := range downloads {
		f.Add([]byte(d.content[:min(len(d.content), sniffBytes)]))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		head = head[:min(len(head), sniffBytes)]
		if b := beginning(head); checkpoint.Printable(b) != b || len(b) > 1024 {
			t.Errorf("%q begins %s", head, b)
		}
		byContent(head)
	})
}
