//go:build !unix

package fileio

// nonblock is 0 because opening a file cannot block on this system.
const nonblock = 0
