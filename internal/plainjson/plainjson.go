// Package plainjson writes JSON that is safe to look at in a terminal.
package plainjson

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A Writer writes JSON to W in which characters that are not printable are escaped: JSON
// asks for that below U+0020 only, but others, too, control a terminal or change the order
// of text. What is written at once must end with a whole character, as what a
// [encoding/json.Encoder] writes does.
type Writer struct{ W io.Writer }

func (e Writer) Write(p []byte) (int, error) {
	var b []byte
	for _, r := range string(p) {
		switch {
		case r < 0x7f || unicode.IsPrint(r):
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	if _, err := e.W.Write(b); err != nil {
		return 0, err
	}
	return len(p), nil
}
