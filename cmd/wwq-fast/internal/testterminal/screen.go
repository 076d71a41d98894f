// Package testterminal runs programs on pseudo-terminals and shows, for tests, what a user
// sees there.
package testterminal

import (
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"
)

// A Screen is a model of a terminal: it does what the program asks for, nothing more. It
// grows downwards instead of scrolling.
type Screen struct {
	Columns int
	// Reflow says what happens when the terminal is resized: lines are broken anew, as in
	// most terminals, or cut, as in xterm.
	Reflow bool
	// Unknown holds escape sequences that the model does not know.
	Unknown []string

	rows    []row
	x, y    int
	noWrap  bool   // text does not go on in the next line
	pending []byte // of a sequence that is not complete
}

// A row is one line of the screen. If it wraps, the text goes on in the next one.
type row struct {
	cells []rune // 0 behind a wide one
	wraps bool
}

func (r *row) text() string {
	return strings.TrimRight(strings.ReplaceAll(string(r.cells), "\x00", ""), " ")
}

// NewScreen returns an empty screen.
func NewScreen(columns int) *Screen { return &Screen{Columns: columns, rows: make([]row, 1)} }

// Write shows what a program has written.
func (s *Screen) Write(p []byte) (int, error) {
	b := append(s.pending, p...)
	for len(b) > 0 {
		n := s.step(b)
		if n == 0 {
			break
		}
		b = b[n:]
	}
	s.pending = append([]byte(nil), b...)
	return len(p), nil
}

// step shows one character or does one escape sequence, and returns its length, or 0 if it
// is not complete.
func (s *Screen) step(b []byte) int {
	switch b[0] {
	case '\r':
		s.x = 0
		return 1
	case '\n':
		s.newline()
		return 1
	case 0x1b:
		return s.escape(b)
	}
	if !utf8.FullRune(b) {
		return 0
	}
	r, n := utf8.DecodeRune(b)
	if w := text.RuneWidth(r); w > 0 {
		s.put(r, w)
	}
	return n
}

// escape does an escape sequence.
func (s *Screen) escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	if b[1] != '[' {
		s.Unknown = append(s.Unknown, string(b[:2]))
		return 2
	}
	end := 2
	for end < len(b) && (b[end] < 0x40 || b[end] > 0x7e) {
		end++
	}
	if end == len(b) {
		return 0
	}
	switch seq := string(b[2 : end+1]); seq {
	case "K", "0K":
		s.erase()
	case "?7l", "?7h":
		s.noWrap = seq == "?7l"
	case "J", "0J":
		s.erase()
		s.rows = s.rows[:s.y+1]
	default:
		if b[end] != 'm' { // colours
			s.Unknown = append(s.Unknown, seq)
		}
	}
	return end + 1
}

// erase erases from the cursor to the end of its line.
func (s *Screen) erase() {
	r := &s.rows[s.y]
	r.cells, r.wraps = r.cells[:min(s.x, len(r.cells))], false
}

func (s *Screen) newline() {
	s.y++
	if s.y == len(s.rows) {
		s.rows = append(s.rows, row{})
	}
}

func (s *Screen) put(r rune, width int) {
	if s.noWrap {
		s.x = min(s.x, s.Columns-width)
	}
	if s.x+width > s.Columns {
		s.rows[s.y].wraps = true
		s.newline()
		s.x = 0
	}
	cells := &s.rows[s.y].cells
	for len(*cells) < s.x+width {
		*cells = append(*cells, ' ')
	}
	(*cells)[s.x] = r
	for i := 1; i < width; i++ {
		(*cells)[s.x+i] = 0
	}
	s.x += width
}

// Resize gives the screen another width. The cursor stays on its character.
func (s *Screen) Resize(columns int) {
	old, x, y, noWrap := s.rows, s.x, s.y, s.noWrap
	s.noWrap = false
	defer func() { s.noWrap = noWrap }()
	s.Columns, s.rows, s.x, s.y = columns, make([]row, 1), 0, 0
	if !s.Reflow {
		s.rows, s.y, s.x = old, y, min(x, columns-1)
		for i := range s.rows {
			r := &s.rows[i]
			r.cells = r.cells[:min(len(r.cells), columns)]
		}
		return
	}
	cursorX, cursorY := 0, 0
	for i, r := range old {
		for j, c := range r.cells {
			if c != 0 {
				s.put(c, text.RuneWidth(c))
			}
			if i == y && j == x {
				cursorX, cursorY = s.x-1, s.y
			}
		}
		if i == y && x >= len(r.cells) {
			cursorX, cursorY = min(s.x, columns-1), s.y
		}
		if i < len(old)-1 && !r.wraps {
			s.newline()
			s.x = 0
		}
	}
	s.x, s.y = cursorX, cursorY
}

// Lines returns what is on the screen, line by line, without spaces at the ends of lines
// and empty lines at the end.
func (s *Screen) Lines() []string {
	lines := make([]string, len(s.rows))
	for i := range s.rows {
		lines[i] = s.rows[i].text()
	}
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// Wrapped returns the number of lines that went on in the next one.
func (s *Screen) Wrapped() int {
	n := 0
	for i := range s.rows {
		if s.rows[i].wraps {
			n++
		}
	}
	return n
}
