package plainjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"unicode"
)

// TestWriter: nothing that is not printable is left, and what is read back is the same.
func TestWriter(t *testing.T) {
	for _, s := range []string{"", "plain", "模型 é 🙂", "a\u202eb\u2066", "\u0085\u009b31m", "\x1b[31m\n\t\x7f", "\U000e0001", `quote " and \ slash`} {
		var b bytes.Buffer
		if err := json.NewEncoder(Writer{&b}).Encode(map[string]string{s: s}); err != nil {
			t.Fatal(err)
		}
		for _, r := range b.String() {
			if !unicode.IsPrint(r) && r != '\n' {
				t.Errorf("%q: %q is left in %q", s, r, b.String())
			}
		}
		var got map[string]string
		if err := json.Unmarshal(b.Bytes(), &got); err != nil || got[s] != s {
			t.Errorf("%q: read back %q, error %v", s, got, err)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("full") }

func TestWriterFails(t *testing.T) {
	if n, err := (Writer{full{}}).Write([]byte("x")); n != 0 || err == nil {
		t.Errorf("%d, %v", n, err)
	}
}
