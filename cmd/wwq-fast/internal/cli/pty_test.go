//go:build unix

package cli

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/testterminal"
)

// TestMain is a run with progress, if a test started it as one.
func TestMain(m *testing.M) {
	if os.Getenv("WWQ_SHOW_PROGRESS") == "" {
		os.Exit(m.Run())
	}
	term := NewTerminal(os.Stdout, os.Stderr, "auto")
	p := term.newProgress(time.Millisecond, time.Hour)
	for i := range 200 {
		p.Update(i, 200, float64(i)/200, "model.layers.12.self_attn."+strings.Repeat("模", i%40)+".weight, 4bit")
		time.Sleep(time.Millisecond)
		if i == 120 {
			term.Warn("something")
		}
	}
	p.Stop()
	term.Note("results")
}

// TestSessions: whatever the width, and however it changes, there is one line of progress
// at most, no line wraps, and only messages stay.
func TestSessions(t *testing.T) {
	for _, tc := range []struct {
		columns, resized int
		reflow           bool
	}{
		{40, 0, true}, {60, 0, true}, {80, 0, true}, {120, 0, true}, {15, 0, true},
		{120, 40, true}, {120, 40, false}, {40, 120, true}, {40, 120, false}, {120, 79, true},
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "WWQ_SHOW_PROGRESS=1", "TERM=xterm-256color")
		s, err := testterminal.Record(cmd, tc.columns, tc.resized, tc.reflow)
		if err != nil {
			t.Errorf("%+v: %v", tc, err)
			continue
		}
		if s.Err != nil || s.Frames < 10 {
			t.Errorf("%+v: %v, %d frames: %q", tc, s.Err, s.Frames, s.Raw)
		}
		want := "wwq-fast: warning: something|wwq-fast: results"
		if got := strings.Join(s.Screen.Lines(), "|"); got != want && tc.columns > 30 {
			t.Errorf("%+v: the screen is %q, want %q", tc, got, want)
		}
	}
}

// TestDumb: a terminal that cannot move its cursor gets lines.
func TestDumb(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "WWQ_SHOW_PROGRESS=1", "TERM=dumb")
	s, err := testterminal.Record(cmd, 80, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(s.Raw); strings.Contains(got, "\x1b") || s.Frames > 0 {
		t.Errorf("written %q", got)
	}
}
