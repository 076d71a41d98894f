package engine

import "testing"

// TestCores: idle cores are lent in fair shares, and those of workers that are done.
func TestCores(t *testing.T) {
	c := cores{idle: 5, busy: 3}
	if a, b, d := c.Acquire(9), c.Acquire(1), c.Acquire(9); a != 2 || b != 1 || d != 1 {
		t.Errorf("of 5 idle cores and 3 workers: %d, %d, %d", a, b, d)
	}
	if n := c.Acquire(9); n != 1 {
		t.Errorf("the last: %d", n)
	}
	if n := c.Acquire(9); n != 0 {
		t.Errorf("none left: %d", n)
	}
	c.Release(5)
	c.leave()
	c.leave()
	if n := c.Acquire(9); n != 7 {
		t.Errorf("one worker, 7 idle cores: %d", n)
	}
	c.Release(7)
	c.leave()
	if c.busy != 0 || c.idle != 8 {
		t.Errorf("at the end: %d busy, %d idle", c.busy, c.idle)
	}
}
