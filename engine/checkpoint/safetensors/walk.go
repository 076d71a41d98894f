package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// A walker reads a JSON text token by token. encoding/json alone would keep the
// last of two equal names, replace invalid UTF-8 and match field names in any
// case, so that two readers could see two different models in one file.
type walker struct {
	text []byte
	dec  *json.Decoder
}

// A span is the range of bytes that a value occupies in the text.
type span struct{ start, end int64 }

// newWalker returns a walker for text, or an error if text is not a single JSON object
// in valid UTF-8, followed at most by white space.
func newWalker(text []byte) (*walker, error) {
	switch {
	case len(text) == 0:
		return nil, errors.New("is empty, want a JSON object")
	case text[0] != '{':
		return nil, fmt.Errorf("starts with byte %#02x, want '{'", text[0])
	case !utf8.Valid(text):
		return nil, fmt.Errorf("is not valid UTF-8 at byte %d", invalidUTF8(text))
	}
	if !json.Valid(text) {
		// Unmarshal checks the whole text before it stores anything; it is called
		// only for its error.
		var none struct{}
		return nil, fmt.Errorf("is not valid JSON: %w", json.Unmarshal(text, &none))
	}
	if i := halfSurrogate(text); i >= 0 {
		return nil, fmt.Errorf("holds half of a surrogate pair at byte %d", i)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	return &walker{text, dec}, nil
}

func invalidUTF8(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(text)
}

// halfSurrogate returns the offset of the first \u escape in valid JSON that
// encodes half of a surrogate pair, or -1. encoding/json would decode it as
// U+FFFD and so make different names equal.
func halfSurrogate(text []byte) int {
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			i++
			continue
		}
		if text[i+1] != 'u' {
			i += 2
			continue
		}
		switch c := hex4(text[i+2:]); {
		case c < 0xd800 || c > 0xdfff:
			i += 6
		case c < 0xdc00 && text[i+6] == '\\' && text[i+7] == 'u' && hex4(text[i+8:])>>10 == 0xdc00>>10:
			i += 12
		default:
			return i
		}
	}
	return -1
}

// hex4 decodes four hexadecimal digits, which must be valid.
func hex4(b []byte) uint64 {
	v, _ := strconv.ParseUint(string(b[:4]), 16, 16)
	return v
}

// token returns the next token and its bytes. White space, commas and colons
// before it are skipped.
func (w *walker) token() (json.Token, span, error) {
	start := w.dec.InputOffset()
	tok, err := w.dec.Token()
	if err != nil {
		return nil, span{}, err
	}
	end := w.dec.InputOffset()
	for start < end && bytes.IndexByte([]byte(" \t\r\n,:"), w.text[start]) >= 0 {
		start++
	}
	return tok, span{start, end}, nil
}

// open reads the delimiter that opens an object or an array.
func (w *walker) open(delim json.Delim) error {
	tok, _, err := w.token()
	if err != nil {
		return err
	}
	if tok != delim {
		want := "an object"
		if delim == '[' {
			want = "an array"
		}
		return fmt.Errorf("is %s, want %s", describe(tok), want)
	}
	return nil
}

// members reads the next value, an object, and calls fn for each of its members. fn gets
// the name and must read the value.
func (w *walker) members(fn func(name string) error) error {
	if err := w.open('{'); err != nil {
		return err
	}
	for w.dec.More() {
		tok, _, err := w.token()
		if err != nil {
			return err
		}
		name, _ := tok.(string)
		if err := fn(name); err != nil {
			return err
		}
	}
	_, _, err := w.token()
	return err
}

// integers reads an array of at most max non-negative integers.
func (w *walker) integers(max int) ([]int64, span, error) {
	start := w.dec.InputOffset()
	if err := w.open('['); err != nil {
		return nil, span{}, err
	}
	start += int64(bytes.IndexByte(w.text[start:], '['))
	list := []int64{}
	for w.dec.More() {
		if len(list) == max {
			return nil, span{}, fmt.Errorf("has more than %d entries", max)
		}
		tok, _, err := w.token()
		if err != nil {
			return nil, span{}, err
		}
		v, err := integer(tok)
		if err != nil {
			return nil, span{}, fmt.Errorf("entry %d %w", len(list), err)
		}
		list = append(list, v)
	}
	_, _, err := w.token()
	return list, span{start, w.dec.InputOffset()}, err
}

// integer converts a number that has digits only: no sign, point or exponent.
func integer(tok json.Token) (int64, error) {
	number, ok := tok.(json.Number)
	if !ok {
		return 0, fmt.Errorf("is %s, want an integer", describe(tok))
	}
	for i := range len(number) {
		if number[i] < '0' || number[i] > '9' {
			return 0, fmt.Errorf("is %s, want digits only", clip(string(number)))
		}
	}
	v, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("is %s > limit %d", clip(string(number)), int64(math.MaxInt64))
	}
	return v, nil
}

// str reads a string.
func (w *walker) str() (string, span, error) {
	tok, at, err := w.token()
	if err != nil {
		return "", at, err
	}
	s, ok := tok.(string)
	if !ok {
		return "", at, fmt.Errorf("is %s, want a string", describe(tok))
	}
	return s, at, nil
}

// skip reads and discards a value of any type. Nesting deeper than maxDepth is an error.
func (w *walker) skip() error {
	for depth := 0; ; {
		tok, _, err := w.token()
		if err != nil {
			return err
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > maxDepth {
				return fmt.Errorf("is nested deeper than %d", maxDepth)
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// describe returns a description of a token for an error.
func describe(tok json.Token) string {
	switch tok := tok.(type) {
	case json.Delim:
		if tok == '{' {
			return "an object"
		}
		return "an array"
	case string:
		return "the string " + checkpoint.Quote(tok)
	case json.Number:
		return "the number " + clip(string(tok))
	case bool:
		return strconv.FormatBool(tok)
	}
	return "null"
}

// clip shortens a number that may have millions of digits.
func clip(number string) string {
	if len(number) > 40 {
		return number[:40] + "..."
	}
	return number
}
