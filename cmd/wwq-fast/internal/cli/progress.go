package cli

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
)

// A Progress shows how far a run is: one line that is drawn again and again on a
// terminal, a line now and then elsewhere, nothing if quiet.
type Progress struct {
	term    *Terminal
	started time.Time
	quit    chan struct{} // nil if nothing is shown
	ended   chan struct{}

	mu    sync.Mutex
	state state
}

// A state is how far a run is.
type state struct {
	done, total int
	share       float64 // of the work: layers differ in what they cost
	what        string  // was finished last
}

const (
	// drawEvery is how often the line is drawn if it has changed.
	drawEvery = 100 * time.Millisecond
	// lineEvery is how often a run that has no terminal says where it is.
	lineEvery = 30 * time.Second
)

// NewProgress starts showing a run.
func (t *Terminal) NewProgress() *Progress { return t.newProgress(drawEvery, lineEvery) }

// newProgress is NewProgress with the times as parameters, for tests.
func (t *Terminal) newProgress(drawEvery, lineEvery time.Duration) *Progress {
	p := &Progress{term: t, started: time.Now()}
	if t.Quiet {
		return p
	}
	p.quit, p.ended = make(chan struct{}), make(chan struct{})
	if t.progress {
		go p.repeat(drawEvery, p.drawer())
	} else {
		go p.repeat(lineEvery, p.speak)
	}
	return p
}

// Update says how far the run is: done of total parts, a share of the work, and what was
// last finished.
func (p *Progress) Update(done, total int, share float64, what string) {
	p.mu.Lock()
	p.state = state{done, total, share, what}
	p.mu.Unlock()
}

// Stop ends the show. The line on the terminal is erased: what became of the run is said
// by what is printed next.
func (p *Progress) Stop() {
	if p.quit == nil {
		return
	}
	close(p.quit)
	<-p.ended
	p.quit = nil
	if p.term.progress {
		p.term.messages.Erase()
	}
}

// repeat calls show at every tick, until the end.
func (p *Progress) repeat(every time.Duration, show func(state)) {
	defer close(p.ended)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-p.quit:
			return
		case <-ticker.C:
			p.mu.Lock()
			s := p.state
			p.mu.Unlock()
			show(s)
		}
	}
}

// drawer returns a function that draws the line if it has changed. The width of the
// terminal is asked each time.
func (p *Progress) drawer() func(state) {
	drawn := ""
	return func(s state) {
		// A line as wide as the terminal would wrap on some.
		line := s.line(width(p.term.Err)-1, p.left(s), p.term.Color)
		if line != drawn || !p.term.messages.shows() {
			p.term.messages.Show(line)
			drawn = line
		}
	}
}

func (p *Progress) speak(s state) {
	if s.total == 0 {
		p.term.Note("reading")
		return
	}
	p.term.Note("%d of %d layer-levels, %.0f %% of the work, %s left", s.done, s.total, percent(s), p.left(s))
}

// left returns the time that the rest of the run takes if it goes on as before.
func (p *Progress) left(s state) string {
	if s.share <= 0 {
		return "unknown"
	}
	return duration(time.Duration(float64(time.Since(p.started)) * (1 - min(s.share, 1)) / s.share))
}

// percent returns the share of the work, which is 100 at the very end only.
func percent(s state) float64 {
	if s.done < s.total {
		return min(100*s.share, 99)
	}
	return min(100*s.share, 100)
}

// duration formats a duration for people: 45s, 2m05s, 3h20m.
func duration(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	}
	return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
}

// line returns the state in at most the given number of columns: the percentage and the
// time left first, then as much of the rest as there is room for.
func (s state) line(columns int, left string, color bool) string {
	if s.total == 0 {
		return clip("reading", columns)
	}
	line := fmt.Sprintf("%3.0f %%", percent(s))
	add := func(part string) {
		if part != "" && text.StringWidthWithoutEscSequences(line+part)+2 <= columns {
			line += "  " + part
		}
	}
	add(left + " left")
	add(fmt.Sprintf("%d of %d", s.done, s.total))
	const leastName, bar = 12, 20
	if used := text.StringWidthWithoutEscSequences(line); columns-used >= 2+bar+2+leastName {
		filled := min(int(s.share*bar), bar)
		b := strings.Repeat("#", filled) + strings.Repeat("-", bar-filled)
		if color {
			b = text.FgGreen.Sprint(b[:filled]) + b[filled:]
		}
		add(b)
	}
	if room := columns - text.StringWidthWithoutEscSequences(line) - 2; room >= leastName {
		add(shorten(OneLine(s.what), room))
	}
	return clip(line, columns)
}

// clip returns the beginning of s that fits into the given number of columns.
func clip(s string, columns int) string {
	if text.StringWidthWithoutEscSequences(s) <= columns {
		return s
	}
	n := 0
	for i, r := range s {
		if n += text.RuneWidth(r); n > columns {
			return s[:i]
		}
	}
	return s
}

// shorten keeps the end of s, which tells layers apart, in at most the given number of
// columns.
func shorten(s string, columns int) string {
	if text.StringWidthWithoutEscSequences(s) <= columns {
		return s
	}
	r := []rune(s)
	n, i := text.RuneWidth('…'), len(r)
	for i > 0 && n+text.RuneWidth(r[i-1]) <= columns {
		i--
		n += text.RuneWidth(r[i])
	}
	return "…" + string(r[i:])
}
