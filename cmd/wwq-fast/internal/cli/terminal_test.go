package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
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

// TestProgressBar: on a terminal there is a bar with what was finished last, cut at its
// front, and nothing is drawn after Stop.
func TestProgressBar(t *testing.T) {
	for _, color := range []bool{false, true} {
		var out screen
		term := &Terminal{Out: &out, Err: &out, Color: color, progress: true}
		p := term.NewProgress("reading")
		for !p.bar.IsRenderInProgress() {
			time.Sleep(time.Millisecond)
		}
		p.Update(3, 8, 0.5, "model.\x1b[31m"+strings.Repeat("x", 40)+".up_proj")
		p.Stop()
		drawn := out.String()
		if !strings.Contains(drawn, "3/8 …") || !strings.Contains(drawn, "x.up_proj") || strings.Contains(drawn, "model.") {
			t.Errorf("drawn %q", drawn)
		}
		time.Sleep(5 * time.Millisecond)
		if again := out.String(); again != drawn {
			t.Errorf("drawn after the end: %q", again[len(drawn):])
		}
	}
}

// TestQuiet: quiet silences progress and notes, never warnings.
func TestQuiet(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		var out screen
		term := &Terminal{Out: &out, Err: &out, Quiet: quiet, progress: true}
		if quiet {
			p := term.NewProgress("reading")
			p.spoken = p.spoken.Add(-2 * lineEvery)
			p.Update(1, 2, 0.5, "a")
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

// TestProgressUnknown: without any work done nobody knows how long the rest takes.
func TestProgressUnknown(t *testing.T) {
	var out screen
	p := NewTerminal(&out, &out, "auto").NewProgress("reading")
	p.spoken = p.spoken.Add(-2 * lineEvery)
	p.Update(0, 10, 0, "a")
	p.Update(1, 10, 0.5, "b") // within the same minute
	if want := "wwq-fast: 0 of 10 layer-levels, 0 % of the work, unknown left\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
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

// TestOneLine: nothing in a message moves the cursor.
func TestOneLine(t *testing.T) {
	if got := OneLine("a\nb\tc\x00\x7f\u009fé\u00a0d"); got != "a b c???é\u00a0d" {
		t.Errorf("%q", got)
	}
}

func TestShorten(t *testing.T) {
	for s, want := range map[string]string{"": "", "äbcd": "äbcd", "äbcdé": "…cdé"} {
		if got := shorten(s, 4); got != want {
			t.Errorf("shorten(%q) = %q, want %q", s, got, want)
		}
	}
}
