package engine

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/wwq-fast/wwq-fast/cblas"
)

// ErrBudget is returned when an analysis needs more memory than its budget. Test
// with errors.Is.
var ErrBudget = errors.New("the memory budget is too small")

// threads returns how many cores to use: the number in the options, or all cores, but no
// more than the linked library allows to call it at once.
func (o *Options) threads() int {
	n := o.Threads
	if n == 0 {
		n = runtime.GOMAXPROCS(0)
	}
	if most := cblas.Library().MaxCallers; most > 0 {
		n = min(n, most)
	}
	return n
}

// workers returns how many layers of a plan to analyse at once.
func (o *Options) workers(p *Plan) (int, error) {
	n := o.threads()
	if o.Memory <= 0 {
		return n, nil
	}
	for n > 1 && p.PeakBytes(n) > o.Memory {
		n--
	}
	if need := p.PeakBytes(n); need > o.Memory {
		return 0, fmt.Errorf("%w: %d bytes, the largest layer alone needs %d", ErrBudget, o.Memory, need)
	}
	return n, nil
}

// cores are those of an analysis: workers have one each, and the rest is lent to
// workers with large matrices, as spectrum.Cores. Near the end of a run, or when the
// memory budget allows few workers, the remaining ones share all cores.
type cores struct {
	mu   sync.Mutex
	idle int // cores that belong to no worker and are not lent
	busy int // workers that are not done
}

// Acquire lends up to most idle cores, but no more than the share of one worker.
func (c *cores) Acquire(most int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	busy := max(1, c.busy)
	n := max(0, min(most, (c.idle+busy-1)/busy))
	c.idle -= n
	return n
}

// Release takes n cores back.
func (c *cores) Release(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle += n
}

// leave adds the core of a worker that has no more work to the idle ones.
func (c *cores) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy--
	c.idle++
}
