//go:build unix

package cli

import (
	"errors"
	"syscall"
)

// isTransient reports errors that may go away by themselves.
func isTransient(err error) bool {
	for _, e := range []error{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EMFILE, syscall.ENFILE,
		syscall.ESTALE, syscall.ETIMEDOUT, syscall.EAGAIN,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
