package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/term"
)

// An Output is standard output: a writer that remembers whether it failed, so that no
// command can lose its result without a word. A reader that has seen enough and closes a
// pipe is no failure: what is written from then on goes nowhere.
type Output struct {
	w      io.Writer
	closed bool // by the reader
	err    error
}

// NewOutput returns an Output that writes to w.
func NewOutput(w io.Writer) *Output { return &Output{w: w} }

// Write writes p, or returns the error of an earlier call.
func (o *Output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	if o.closed {
		return len(p), nil
	}
	n, err := o.w.Write(p)
	switch {
	case errors.Is(err, syscall.EPIPE):
		o.closed = true
		return len(p), nil
	case err != nil:
		o.err = &systemError{fmt.Errorf("standard output: %w", cause(err))}
	}
	return n, o.err
}

// Err returns the first error.
func (o *Output) Err() error { return o.err }

// Fd returns the file descriptor below w, as os.File.Fd does, or an invalid one.
func (o *Output) Fd() uintptr { return descriptor(o.w) }

// cause returns the error inside an *os.PathError, which names standard output by the
// path of a device.
func cause(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// Messages is standard error: a writer of lines that may have one line of progress below
// them. That line is erased before anything else is written.
type Messages struct {
	mu    sync.Mutex
	w     io.Writer
	shown bool
}

// NewMessages returns Messages that are written to w.
func NewMessages(w io.Writer) *Messages { return &Messages{w: w} }

// eraseBelow erases from the cursor to the end of the screen. The cursor is left on the
// first column of the line of progress: a terminal that breaks the line anew when it
// becomes narrower keeps the cursor on that character, so that all parts are erased.
const eraseBelow = "\x1b[J"

// Write erases the line of progress and writes p.
func (m *Messages) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.erase()
	return m.w.Write(p)
}

// The terminal does not wrap what is between noWrap and wrapping: it may have become narrower since
// its width was asked.
const (
	noWrap   = "\x1b[?7l"
	wrapping = "\x1b[?7h"
)

// Show shows a line of progress in the place of the one that is shown. It must be narrower
// than the terminal.
func (m *Messages) Show(line string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	io.WriteString(m.w, "\r"+noWrap+line+eraseBelow+"\r"+wrapping)
	m.shown = true
}

// shows reports whether a line of progress is on the screen.
func (m *Messages) shows() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shown
}

// Erase erases the line of progress.
func (m *Messages) Erase() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.erase()
}

func (m *Messages) erase() {
	if m.shown {
		io.WriteString(m.w, "\r"+eraseBelow)
		m.shown = false
	}
}

// Fd returns the file descriptor below w, as os.File.Fd does, or an invalid one.
func (m *Messages) Fd() uintptr { return descriptor(m.w) }

// descriptor returns the file descriptor of w, or an invalid one.
func descriptor(w io.Writer) uintptr {
	if f, ok := w.(interface{ Fd() uintptr }); ok {
		return f.Fd()
	}
	return ^uintptr(0)
}

func isTerminal(w io.Writer) bool {
	return term.IsTerminal(int(descriptor(w)))
}

// defaultWidth is the number of columns of what is no terminal, or does not tell.
const defaultWidth = 80

// width returns the number of columns of the terminal below w at present.
func width(w io.Writer) int {
	if columns, _, err := term.GetSize(int(descriptor(w))); err == nil && columns > 0 {
		return columns
	}
	return defaultWidth
}
