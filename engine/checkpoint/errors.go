package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A FileError is an error about one file of a checkpoint.
type FileError struct {
	File string // base name, or the path as the user wrote it
	Err  error
}

func (e *FileError) Error() string { return Printable(e.File) + ": " + e.Err.Error() }

func (e *FileError) Unwrap() error { return e.Err }

// A TensorError is an error about one tensor of one file.
type TensorError struct {
	File   string
	Tensor string
	Err    error
}

func (e *TensorError) Error() string {
	return fmt.Sprintf("%s: tensor %s: %v", Printable(e.File), Quote(e.Tensor), e.Err)
}

func (e *TensorError) Unwrap() error { return e.Err }

// A classed error is err with a class that errors.Is finds. Its text is that of err;
// the class does not appear in it.
type classed struct {
	class error
	err   error
}

func (e *classed) Error() string   { return e.err.Error() }
func (e *classed) Unwrap() []error { return []error{e.class, e.err} }

// Corruptf formats an error of class [ErrCorrupt], like fmt.Errorf.
func Corruptf(format string, args ...any) error {
	return &classed{ErrCorrupt, fmt.Errorf(format, args...)}
}

// Unsupportedf formats an error of class [ErrUnsupported], like fmt.Errorf.
func Unsupportedf(format string, args ...any) error {
	return &classed{ErrUnsupported, fmt.Errorf(format, args...)}
}

// NotFoundf formats an error of class [ErrNotFound], like fmt.Errorf.
func NotFoundf(format string, args ...any) error {
	return &classed{ErrNotFound, fmt.Errorf(format, args...)}
}

// Incompletef formats an error of class [ErrIncomplete], like fmt.Errorf.
func Incompletef(format string, args ...any) error {
	return &classed{ErrIncomplete, fmt.Errorf(format, args...)}
}

// A HintError is an error with advice for the user, a sentence or a command.
type HintError struct {
	Err  error
	Hint string
}

func (e *HintError) Error() string { return e.Err.Error() }
func (e *HintError) Unwrap() error { return e.Err }

// maxListed is the largest number of names that Enumerate lists.
const maxListed = 20

// Enumerate joins names, which may come from anywhere, for a message. Of more than 20
// it lists the first and adds how many there are beyond these and more.
func Enumerate(names []string, more int) string {
	if len(names) > maxListed {
		more += len(names) - maxListed
		names = names[:maxListed]
	}
	if len(names) == 0 {
		return "none"
	}
	shown := make([]string, len(names))
	for i, name := range names {
		shown[i] = Printable(name)
	}
	list := strings.Join(shown, ", ")
	if more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}

// maxQuoted is the number of bytes of a string that Quote shows.
const maxQuoted = 256

// Quote returns s as a quoted Go string on one line, so that text from a file can
// neither move the cursor nor flood a terminal. A string of more than 256 bytes is cut
// there, and its length is added.
func Quote(s string) string {
	if len(s) <= maxQuoted {
		return strconv.Quote(s)
	}
	cut := maxQuoted
	for cut > maxQuoted-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%s... (%d bytes)", strconv.Quote(s[:cut]), len(s))
}

// Printable returns name unchanged if it is valid UTF-8, not empty, and has only
// printable characters, and otherwise as a quoted Go string.
func Printable(name string) string {
	if name == "" || !utf8.ValidString(name) {
		return strconv.Quote(name)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return strconv.Quote(name)
		}
	}
	return name
}

// Cause returns the error inside an *fs.PathError, without the path, so that callers
// can name the file themselves. It returns any other err unchanged.
func Cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
