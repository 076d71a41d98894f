package engine

import "sync"

// cores are those of an analysis: workers have one each, and the rest is lent to
// workers with large matrices, as spectrum.Cores. So the last matrices of a run, or the
// few of a run that memory holds to few workers, have all.
type cores struct {
	mu   sync.Mutex
	idle int // neither lent nor of a worker
	busy int // workers
}

// Take lends up to most cores, but no more than a fair share.
func (c *cores) Take(most int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	busy := max(1, c.busy)
	n := max(0, min(most, (c.idle+busy-1)/busy))
	c.idle -= n
	return n
}

// Give takes n cores back.
func (c *cores) Give(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle += n
}

// leave makes the core of a worker that has no more work one to lend.
func (c *cores) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy--
	c.idle++
}
