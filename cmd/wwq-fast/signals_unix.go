//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// ignoreSignals makes writing to a pipe that nobody reads, and beyond the limit of the
// size of files, an error like others. By default both end the process.
func ignoreSignals() { signal.Ignore(syscall.SIGPIPE, syscall.SIGXFSZ) }
