package results

import (
	"testing"
	"time"

	"github.com/wwq-fast/wwq-fast/engine"
)

// TestElapsed: the time of a run, which is kept in seconds, is the same to the nanosecond.
func TestElapsed(t *testing.T) {
	for d := time.Duration(1); d < 30*24*time.Hour; d += d/100 + 1 {
		o := outcomeOf(&engine.Outcome{Elapsed: d})
		if got := o.engine().Elapsed; got != d {
			t.Fatalf("%d ns is %d ns", d, got)
		}
	}
}
