package cli

import (
	"fmt"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
)

// A Progress shows how far a run is: a bar with the time left on a terminal, a
// line a minute elsewhere, nothing if quiet.
type Progress struct {
	term    *Terminal
	bar     progress.Writer
	tracker *progress.Tracker
	started time.Time
	spoken  time.Time
}

// steps is the resolution of the bar: the share of the work, not the count of
// layers, whose costs differ.
const steps = 1000

// lineEvery is how often a run that has no terminal says where it is.
const lineEvery = time.Minute

// NewProgress starts showing a run of the given name.
func (t *Terminal) NewProgress(name string) *Progress {
	p := &Progress{term: t, started: time.Now(), spoken: time.Now()}
	if t.Quiet || !t.progress {
		return p
	}
	p.bar = progress.NewWriter()
	p.bar.SetOutputWriter(t.Err)
	p.bar.SetAutoStop(false)
	p.bar.SetUpdateFrequency(100 * time.Millisecond)
	p.bar.SetTrackerLength(30)
	p.bar.SetMessageLength(44)
	p.bar.SetTrackerPosition(progress.PositionRight)
	p.bar.Style().Visibility.Value = false
	p.bar.Style().Visibility.ETA = true
	p.bar.Style().Visibility.Speed = false
	p.bar.Style().Options.TimeInProgressPrecision = time.Second
	p.bar.Style().Options.TimeDonePrecision = time.Second
	if t.Color {
		p.bar.Style().Colors = progress.StyleColorsExample
	}
	p.tracker = &progress.Tracker{Message: name, Total: steps}
	p.bar.AppendTracker(p.tracker)
	go p.bar.Render()
	return p
}

// Update shows the state: done of total parts, a share of the work, and what was
// last finished.
func (p *Progress) Update(done, total int, share float64, what string) {
	if p.bar != nil {
		p.tracker.UpdateMessage(fmt.Sprintf("%d/%d %s", done, total, shorten(OneLine(what), 30)))
		p.tracker.SetValue(int64(share * steps))
		return
	}
	if p.term.Quiet || time.Since(p.spoken) < lineEvery {
		return
	}
	p.spoken = time.Now()
	left := "unknown"
	if share > 0 {
		left = time.Duration(float64(time.Since(p.started)) * (1 - share) / share).Round(time.Second).String()
	}
	p.term.Note("%d of %d layer-levels, %.0f %% of the work, %s left", done, total, 100*share, left)
}

// Stop ends the show.
func (p *Progress) Stop() {
	if p.bar == nil {
		return
	}
	p.tracker.MarkAsDone()
	// Stop only asks; the last frame must be out before anything else is printed.
	p.bar.Stop()
	for p.bar.IsRenderInProgress() {
		time.Sleep(5 * time.Millisecond)
	}
}

// shorten keeps the end of s, which tells layers apart.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return "…" + string(r[len(r)-n+1:])
}
