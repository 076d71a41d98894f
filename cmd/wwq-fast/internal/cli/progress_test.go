package cli

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/testterminal"
)

// TestProgressLines: without a terminal there is a line now and then, with the time left.
func TestProgressLines(t *testing.T) {
	var out screen
	p := NewTerminal(&out, &out, "auto").newProgress(time.Hour, time.Hour)
	p.Update(0, 10, 0, "a")
	p.speak(p.state)
	p.started = time.Now().Add(-time.Minute)
	p.Update(5, 10, 0.5, "b")
	p.speak(p.state)
	p.Stop()
	want := "wwq-fast: 0 of 10 layer-levels, 0 % of the work, unknown left\n" +
		"wwq-fast: 5 of 10 layer-levels, 50 % of the work, 1m00s left\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	if lineEvery != 30*time.Second {
		t.Errorf("a line every %v", lineEvery)
	}
}

// TestProgressTicks: lines are printed while a run has nothing new to tell, too, and none
// after the end.
func TestProgressTicks(t *testing.T) {
	var out screen
	p := NewTerminal(&out, &out, "auto").newProgress(time.Hour, time.Millisecond)
	p.Update(1, 4, 0.25, "a")
	for strings.Count(out.String(), "\n") < 3 {
		time.Sleep(time.Millisecond)
	}
	p.Stop()
	p.Stop()
	printed := out.String()
	time.Sleep(5 * time.Millisecond)
	if out.String() != printed {
		t.Errorf("printed after the end: %q", out.String()[len(printed):])
	}
}

// TestLine: the line is never wider than it may be, holds what is most important, and is
// never complete before the run is.
func TestLine(t *testing.T) {
	s := state{done: 73, total: 217, share: 0.345, what: "model.layers.0.self_attn.q_proj, 4bit"}
	for columns, want := range map[int]string{
		0: "", 3: " 34", 6: " 34 %", 20: " 34 %  1m20s left", 39: " 34 %  1m20s left  73 of 217",
		79:  " 34 %  1m20s left  73 of 217  ######--------------  …layers.0.self_attn.q_proj",
		119: " 34 %  1m20s left  73 of 217  ######--------------  model.layers.0.self_attn.q_proj, 4bit",
	} {
		got := s.line(columns, "1m20s", false)
		if w := text.StringWidthWithoutEscSequences(got); w > columns {
			t.Errorf("%d columns: %d: %q", columns, w, got)
		}
		if want != "" && columns < 79 && got != want || columns == 119 && got != want {
			t.Errorf("%d columns: %q, want %q", columns, got, want)
		}
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		total := 1 + rng.IntN(100000)
		s := state{done: rng.IntN(total + 1), total: total, share: rng.Float64() * 1.01}
		for range rng.IntN(40) {
			s.what += string([]rune("a.模é\u202e\x1b")[rng.IntN(6)])
		}
		columns := rng.IntN(130)
		line := s.line(columns, duration(time.Duration(rng.IntN(1e6))*time.Second), rng.IntN(2) == 0)
		if w := text.StringWidthWithoutEscSequences(line); w > columns {
			t.Fatalf("%d columns: %d: %q", columns, w, line)
		}
		if strings.Contains(line, "100 %") && s.done < s.total {
			t.Fatalf("complete too early: %q", line)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 1499 * time.Millisecond: "1s", 59600 * time.Millisecond: "1m00s", 125 * time.Second: "2m05s",
		time.Hour: "1h00m", 3*time.Hour + 20*time.Minute + 59*time.Second: "3h20m", 100 * time.Hour: "100h00m",
	} {
		if got := duration(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

// TestMessagesAboveProgress: what is said while the line is shown stands above it, and in
// the end nothing of the line is left.
func TestMessagesAboveProgress(t *testing.T) {
	for _, reflow := range []bool{false, true} {
		screen := testterminal.NewScreen(60)
		screen.Reflow = reflow
		m := NewMessages(screen)
		for i := range 40 {
			m.Show(fmt.Sprintf("%3d %%  %s", i, strings.Repeat("x", 40-i)))
			if i%10 == 5 {
				fmt.Fprintf(m, "wwq-fast: note %d\n", i)
			}
			if i == 20 {
				screen.Resize(30)
			}
			if i == 30 {
				screen.Resize(120)
			}
		}
		m.Erase()
		m.Erase()
		want := "wwq-fast: note 5|wwq-fast: note 15|wwq-fast: note 25|wwq-fast: note 35"
		if got := strings.Join(screen.Lines(), "|"); got != want || len(screen.Unknown) > 0 {
			t.Errorf("reflow %v: %q, want %q; unknown %q", reflow, got, want, screen.Unknown)
		}
	}
}
