//go:build unix

package cli

import (
	"errors"
	"fmt"
	"syscall"
)

// isTransient reports errors that may go away by themselves.
func isTransient(err error) bool {
	for _, e := range []error{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EMFILE, syscall.ENFILE,
		syscall.EFBIG, syscall.EROFS, syscall.ESTALE, syscall.ETIMEDOUT, syscall.EAGAIN,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// limitHint returns what to do about err if the process may open no more files, or "".
func limitHint(err error) string {
	if !errors.Is(err, syscall.EMFILE) {
		return ""
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return "ulimit -n raises the limit of open files"
	}
	return fmt.Sprintf("the limit of open files is %d; ulimit -n 4096 raises it", limit.Cur)
}
