//go:build !unix

package fileio

// nonblock is only needed where opening a FIFO can wait.
const nonblock = 0
