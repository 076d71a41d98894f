package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// screen collects what two goroutines write.
type screen struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// TestQuiet: quiet silences progress and notes, never warnings.
func TestQuiet(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		var out screen
		messages := NewMessages(&out)
		term := &Terminal{Out: &out, Err: messages, messages: messages, Quiet: quiet, progress: true}
		if quiet {
			p := term.newProgress(time.Millisecond, time.Millisecond)
			p.Update(1, 2, 0.5, "a")
			time.Sleep(5 * time.Millisecond)
			p.Stop()
		}
		term.Note("a note of %d", 1)
		term.Warn("a warning of %d", 2)
		want := "wwq-fast: a note of 1\nwwq-fast: warning: a warning of 2\n"
		if quiet {
			want = "wwq-fast: warning: a warning of 2\n"
		}
		if out.String() != want {
			t.Errorf("quiet %v: %q", quiet, out.String())
		}
	}
}

// TestColor: what is asked for holds, and what is no terminal has no colours by itself.
func TestColor(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for color, want := range map[string]bool{"always": true, "never": false, "auto": false} {
		if term := NewTerminal(file, file, color); term.Color != want || term.progress {
			t.Errorf("%s: %+v", color, term)
		}
	}
}

// TestHintedError: advice is printed behind the error that it is on, whatever wraps it.
func TestHintedError(t *testing.T) {
	cause := errors.New("cause")
	err := fmt.Errorf("outer: %w", &HintedError{Err: cause, Hints: []string{"first", "second"}})
	var out screen
	Report(&out, err)
	if want := "wwq-fast: error: outer: cause\nwwq-fast: hint: first\nwwq-fast: hint: second\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	if !errors.Is(err, cause) || Code(err) != Failed {
		t.Errorf("the cause is lost, code %d", Code(err))
	}
}

// TestOneLine: nothing in a message moves the cursor, or changes the order or the look of
// other text.
func TestOneLine(t *testing.T) {
	if got := OneLine("a\nb\tc\x00\x7f\u009fé\u00a0d"); got != "a b c???é\u00a0d" {
		t.Errorf("%q", got)
	}
	for _, r := range "\x1b\r\u0085\u009b\u061c\u200b\u200d\u200e\u200f\u2028\u2029\u202a\u202e\u2060\u2066\u2069\ufeff\U000e0041" {
		if got := OneLine("a" + string(r) + "b"); got != "a?b" {
			t.Errorf("%U stays: %q", r, got)
		}
	}
	if s := "模型 häuser α̂ – …"; OneLine(s) != s {
		t.Errorf("%q became %q", s, OneLine(s))
	}
}

func TestShorten(t *testing.T) {
	for s, want := range map[string]string{"": "", "äbcd": "äbcd", "äbcdé": "…cdé", "模型模型": "…型", "模型": "模型"} {
		if got := shorten(s, 4); got != want {
			t.Errorf("shorten(%q) = %q, want %q", s, got, want)
		}
	}
}

// TestOutput: a closed pipe is the end of the output and no error; any other error stays.
func TestOutput(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{{syscall.EPIPE, OK}, {syscall.ENOSPC, Transient}, {errors.New("x"), Transient}} {
		o := NewOutput(failing{&os.PathError{Op: "write", Path: "/dev/stdout", Err: tc.err}})
		fmt.Fprint(o, "a")
		fmt.Fprint(o, "b")
		if got := Code(o.Err()); got != tc.want {
			t.Errorf("%v: code %d, want %d", tc.err, got, tc.want)
		}
	}
}

// failing is a writer that fails.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// TestUnwritable: what the system refuses to write is no failure of the program; other
// errors are.
func TestUnwritable(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, OK}, {errors.New("x"), Failed},
		{&os.PathError{Op: "mkdir", Path: "x", Err: syscall.EACCES}, Transient},
		{&os.LinkError{Op: "rename", Old: "x", New: "y", Err: syscall.EROFS}, Transient},
		{context.Canceled, Interrupted},
	} {
		if got := Code(Unwritable(tc.err)); got != tc.want {
			t.Errorf("%v: code %d, want %d", tc.err, got, tc.want)
		}
	}
}
