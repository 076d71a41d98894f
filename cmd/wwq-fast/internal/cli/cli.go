// Package cli holds what the commands share: exit codes, messages, colours,
// progress, and the order of flags.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"unicode"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// Exit codes, part of the interface. A code that is not listed is a failure; 2 is
// Go's own when a program crashes, and is never returned on purpose.
const (
	OK          = 0
	Failed      = 1
	Partial     = 3  // finished, but some tensors were refused; each is listed
	Usage       = 64 // the command line is wrong
	BadInput    = 65 // the model is missing, broken, or of a kind that cannot be read
	Transient   = 75 // disk full, I/O error, no permission to write, address space too small: may work when tried again
	Interrupted = 130
	Terminated  = 143
)

// A UsageError is a wrong command line.
type UsageError struct {
	Message string
	Hints   []string
}

func (e *UsageError) Error() string { return e.Message }

// A HintedError is any other error with advice for the user.
type HintedError struct {
	Err   error
	Hints []string
}

func (e *HintedError) Error() string { return e.Err.Error() }
func (e *HintedError) Unwrap() error { return e.Err }

// Usagef returns a UsageError without hints.
func Usagef(format string, args ...any) error {
	return &UsageError{Message: fmt.Sprintf(format, args...)}
}

// ErrPartial ends a run that finished, with some tensors refused.
var ErrPartial = errors.New("some tensors were refused")

// ErrTerminated is the cause of a context that SIGTERM cancelled.
var ErrTerminated = errors.New("terminated")

// A systemError is one that another state of the system would not have: a full disk, a
// folder without permission, a limit.
type systemError struct{ err error }

func (e *systemError) Error() string { return e.err.Error() }
func (e *systemError) Unwrap() error { return e.err }

// Unwritable marks err, which came of writing results, if it is the system's: no
// permission, no folder, no room.
func Unwritable(err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return err
	}
	return &systemError{err}
}

// Limited returns an error about a limit that the system sets, with advice.
func Limited(err error, hints ...string) error {
	return &HintedError{Err: &systemError{err}, Hints: hints}
}

// Code returns the exit code for the error that ended a command.
func Code(err error) int {
	var usage *UsageError
	var system *systemError
	switch {
	case err == nil:
		return OK
	case errors.Is(err, ErrPartial):
		return Partial
	case errors.Is(err, ErrTerminated):
		return Terminated
	case errors.Is(err, context.Canceled):
		return Interrupted
	case errors.As(err, &usage):
		return Usage
	case errors.Is(err, checkpoint.ErrCorrupt), errors.Is(err, checkpoint.ErrUnsupported), errors.Is(err, checkpoint.ErrNotFound):
		return BadInput
	case isTransient(err), errors.As(err, &system):
		return Transient
	}
	return Failed
}

// A Terminal is where a command writes. Results go to Out, everything else to
// Err.
type Terminal struct {
	Out, Err io.Writer
	Color    bool // on Out
	Quiet    bool // no progress and no notes
	progress bool // Err is a terminal that can erase lines
	messages *Messages
}

// NewTerminal looks at the streams and the environment. color is "auto", "always"
// or "never".
func NewTerminal(out, err io.Writer, color string) *Terminal {
	m, ok := err.(*Messages)
	if !ok {
		m = NewMessages(err)
	}
	dumb := os.Getenv("TERM") == "dumb"
	t := &Terminal{Out: out, Err: m, messages: m, progress: isTerminal(m) && !dumb}
	switch color {
	case "always":
		t.Color = true
	case "never":
	default:
		t.Color = isTerminal(out) && os.Getenv("NO_COLOR") == "" && !dumb
	}
	return t
}

// Width returns the number of columns for tables: those of the terminal that Out is, 80 if
// it is none.
func (t *Terminal) Width() int { return width(t.Out) }

// Interactive reports whether Out is a terminal.
func (t *Terminal) Interactive() bool { return isTerminal(t.Out) }

// Note tells the user something that is not an error.
func (t *Terminal) Note(format string, args ...any) {
	if !t.Quiet {
		t.say("", format, args...)
	}
}

// Warn is Note for what the user should not miss: quiet does not silence it.
func (t *Terminal) Warn(format string, args ...any) { t.say("warning: ", format, args...) }

// say writes a message in one line, which is broken between words where it is wider than a
// terminal.
func (t *Terminal) say(kind, format string, args ...any) {
	line := fmt.Sprintf("wwq-fast: %s%s", kind, OneLine(fmt.Sprintf(format, args...)))
	if isTerminal(t.Err) {
		line = wrap(line, width(t.Err))
	}
	fmt.Fprintln(t.Err, line)
}

// Report prints the error that ended a command, on one line, and its hints.
func Report(w io.Writer, err error) {
	if err == nil || errors.Is(err, ErrPartial) || errors.Is(err, ErrTerminated) || errors.Is(err, context.Canceled) {
		return
	}
	fmt.Fprintf(w, "wwq-fast: error: %s\n", OneLine(err.Error()))
	var usage *UsageError
	var hinted *HintedError
	var advice *checkpoint.HintError
	var hints []string
	switch {
	case errors.As(err, &usage):
		hints = usage.Hints
	case errors.As(err, &hinted):
		hints = hinted.Hints
	case errors.As(err, &advice):
		hints = []string{OneLine(advice.Hint)}
	}
	if h := limitHint(err); h != "" {
		hints = append(hints, h)
	}
	for _, h := range hints {
		fmt.Fprintf(w, "wwq-fast: hint: %s\n", OneLine(h))
	}
}

// OneLine makes a message fit for a terminal: one line, without characters that control
// it or that change the order or the look of others. checkpoint.Printable, for names, keeps
// them, escaped.
func OneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return ' '
		case unicode.IsPrint(r), unicode.Is(unicode.Zs, r):
			return r
		}
		return '?'
	}, s)
}
