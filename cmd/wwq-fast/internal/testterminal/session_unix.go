//go:build unix

package testterminal

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"time"

	"github.com/creack/pty"
)

// A Session is what happened on a terminal while a program ran.
type Session struct {
	Screen *Screen
	Raw    []byte
	Frames int   // how often a line of progress was seen
	Err    error // of the program
}

// progress matches a line of progress.
var progress = regexp.MustCompile(`^ *\d+ %|^reading`)

// Record runs a program on a pseudo-terminal of so many columns. If resized is not 0, the
// terminal gets that many as soon as a line of progress is seen. It fails if two lines of
// progress are seen at once, if one wraps other than by being on the screen when it is
// resized, or if one is left over in the end.
func Record(cmd *exec.Cmd, columns, resized int, reflow bool) (*Session, error) {
	s := &Session{Screen: NewScreen(columns)}
	s.Screen.Reflow = reflow
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 50, Cols: uint16(columns)})
	if err != nil {
		return nil, err
	}
	defer terminal.Close()
	timer := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer timer.Stop()
	var wrong error
	calm := 0 // number of lines of progress since the screen was resized
	buf := make([]byte, 4096)
	for {
		n, err := terminal.Read(buf)
		s.Raw = append(s.Raw, buf[:n]...)
		s.Screen.Write(buf[:n])
		lines := 0
		for i, l := range s.Screen.Lines() {
			if !progress.MatchString(l) {
				continue
			}
			lines++
			if calm++; s.Screen.rows[i].wraps && (calm > 3 || s.Frames == 0) {
				wrong = errors.Join(wrong, fmt.Errorf("progress wraps: %q", s.Screen.Lines()))
			}
		}
		s.Frames += lines
		if lines > 1 {
			wrong = errors.Join(wrong, fmt.Errorf("%d lines of progress at once: %q", lines, s.Screen.Lines()))
		}
		if lines > 0 && resized != 0 {
			if err := pty.Setsize(terminal, &pty.Winsize{Rows: 50, Cols: uint16(resized)}); err != nil {
				return nil, err
			}
			s.Screen.Resize(resized)
			resized, calm = 0, 0
		}
		if err != nil { // EIO at the end, on Linux
			break
		}
	}
	s.Err = cmd.Wait()
	for _, l := range s.Screen.Lines() {
		if progress.MatchString(l) {
			wrong = errors.Join(wrong, fmt.Errorf("progress is left over: %q", l))
		}
	}
	if len(s.Screen.Unknown) > 0 {
		wrong = errors.Join(wrong, fmt.Errorf("escape sequences %q", s.Screen.Unknown))
	}
	return s, wrong
}
