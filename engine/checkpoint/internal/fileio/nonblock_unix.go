//go:build unix

package fileio

import "golang.org/x/sys/unix"

// nonblock keeps opening a FIFO from blocking until there is a writer. It does not
// change how regular files behave.
const nonblock = unix.O_NONBLOCK
