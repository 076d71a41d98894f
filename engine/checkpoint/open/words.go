package open

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

var jsonFile = &checkpoint.Format{
	Name:  "a JSON file",
	Match: textWith("{", "["),
	Hint:  "name the folder of the model, or its *.safetensors.index.json; if weights should be here, download them again",
	Text:  true,
}

// words are the kinds of text that lie where weights should be: what a failed download
// leaves under their names. The last one takes any other text.
var words = []*checkpoint.Format{
	{Name: "an empty file", Match: func(head []byte) bool { return len(head) == 0 }, Hint: "download it again"},
	{
		Name: "a file of zeros",
		Match: func(head []byte) bool {
			return len(head) >= 8 && len(bytes.TrimRight(head, "\x00")) == 0
		},
		Hint: "its download was begun only; download it again",
	},
	{
		Name:  "a Git LFS pointer",
		Match: prefix("version https://git-lfs", "version https://hawser"),
		Hint:  "fetch the weights with git lfs pull",
	},
	{
		Name:  "an HTML page",
		Match: textWith("<!doctype html", "<html", "<head", "<body", "<title", "<!--"),
		Hint:  "the download returned a web page; download the file itself",
		Text:  true,
	},
	{
		Name:  "an XML file",
		Match: textWith("<"),
		Hint:  "if it is the message of a server, download the file again",
		Text:  true,
	},
	jsonFile,
	{
		Name:  "a file of white space",
		Match: func(head []byte) bool { return strings.TrimSpace(text(head)) == "" && text(head) != "" },
		Hint:  "download it again",
	},
	{
		Name:  "a text file",
		Match: func(head []byte) bool { return text(head) != "" },
		Hint:  "if it is the message of a server, log in (hf auth login) if it asks for that, and download the file again",
		Text:  true,
	},
}

// textWith matches text that begins with one of the given words, behind white space and in
// letters of any case.
func textWith(begin ...string) func([]byte) bool {
	return func(head []byte) bool {
		t := strings.ToLower(strings.TrimSpace(text(head)))
		for _, b := range begin {
			if strings.HasPrefix(t, b) {
				return true
			}
		}
		return false
	}
}

// text returns the beginning of a file as text if it is UTF-8, UTF-16 or mostly letters of
// an encoding of one byte, without control characters but those of colours and zeros at the
// end, and otherwise "". No file of weights begins so: in the first 512 bytes of all formats there are zeros or other control
// characters.
func text(head []byte) string {
	if order, _ := utf16Order(head); order == nil {
		head = bytes.TrimRight(head, "\x00")
	}
	s, ok := decode(head)
	if !ok {
		s, ok = latin(head)
	}
	if !ok || strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && !unicode.IsSpace(r) && r != '\x1b' || r == utf8.RuneError
	}) {
		return ""
	}
	return s
}

// decode returns head as a string if it is UTF-8, but for a last character that is cut off,
// or UTF-16 of either order of bytes.
func decode(head []byte) (string, bool) {
	if order, rest := utf16Order(head); order != nil {
		units := make([]uint16, len(rest)/2)
		for i := range units {
			units[i] = order(rest[2*i:])
		}
		if n := len(units); n > 0 && utf16.IsSurrogate(rune(units[n-1])) {
			units = units[:n-1]
		}
		return string(utf16.Decode(units)), true
	}
	head = bytes.TrimPrefix(head, []byte("\ufeff"))
	for cut := range utf8.UTFMax {
		if cut <= len(head) && utf8.Valid(head[:len(head)-cut]) {
			return string(head[:len(head)-cut]), cut == 0 || len(head) >= sniffBytes-3
		}
	}
	return "", false
}

// latin returns head, taken as ISO 8859-1, if three quarters of it are ASCII letters and
// spaces.
func latin(head []byte) (string, bool) {
	runes, letters := make([]rune, len(head)), 0
	for i, b := range head {
		runes[i] = rune(b)
		if b == ' ' || 'a' <= b|0x20 && b|0x20 <= 'z' {
			letters++
		}
	}
	return string(runes), 4*letters >= 3*len(head)
}

// utf16Order returns how two bytes make a character if head begins with the mark of
// UTF-16, or has a zero in every other place and none between, and what follows the mark.
func utf16Order(head []byte) (order func([]byte) uint16, rest []byte) {
	little := func(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }
	big := func(b []byte) uint16 { return uint16(b[1]) | uint16(b[0])<<8 }
	switch {
	case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
		return little, head[2:]
	case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
		return big, head[2:]
	case len(head) < 4:
		return nil, nil
	}
	zeros := [2]int{}
	for i, b := range head {
		if b == 0 {
			zeros[i%2]++
		}
	}
	switch half := len(head) / 2; {
	case zeros[0] == 0 && zeros[1] == half:
		return little, head
	case zeros[1] == 0 && zeros[0] == half:
		return big, head
	}
	return nil, nil
}

// beginning returns how text begins, fit for a message.
func beginning(head []byte) string {
	const most = 80
	words := strings.Join(strings.Fields(text(head)), " ")
	cut := len(words)
	if cut > most {
		for cut = most; !utf8.RuneStart(words[cut]); cut-- {
		}
		return checkpoint.Quote(words[:cut]) + "..."
	}
	return checkpoint.Quote(words)
}
