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

	"golang.org/x/term"

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
	Transient   = 75 // disk full, I/O error: may work when tried again
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

// Code returns the exit code for the error that ended a command.
func Code(err error) int {
	var usage *UsageError
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
	case isTransient(err):
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
	progress bool // Err is a terminal
}

// NewTerminal looks at the streams and the environment. color is "auto", "always"
// or "never".
func NewTerminal(out, err io.Writer, color string) *Terminal {
	t := &Terminal{Out: out, Err: err, progress: isTerminal(err) && os.Getenv("TERM") != "dumb"}
	switch color {
	case "always":
		t.Color = true
	case "never":
	default:
		t.Color = isTerminal(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return t
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Note tells the user something that is not an error.
func (t *Terminal) Note(format string, args ...any) {
	if !t.Quiet {
		fmt.Fprintf(t.Err, "wwq-fast: "+format+"\n", args...)
	}
}

// Warn is Note for what the user should not miss: quiet does not silence it.
func (t *Terminal) Warn(format string, args ...any) {
	fmt.Fprintf(t.Err, "wwq-fast: warning: "+format+"\n", args...)
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
		fmt.Fprintf(w, "wwq-fast: hint: %s\n", h)
	}
}

// OneLine makes a message fit for a terminal: one line, no control characters.
func OneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return ' '
		case r < ' ', r >= 0x7f && r < 0xa0:
			return '?'
		}
		return r
	}, s)
}
