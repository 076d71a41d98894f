//go:build unix

package fileio

import "golang.org/x/sys/unix"

// nonblock keeps the opening of a FIFO from waiting for its writer. It changes
// nothing for regular files.
const nonblock = unix.O_NONBLOCK
