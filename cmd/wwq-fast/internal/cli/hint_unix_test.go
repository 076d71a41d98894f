//go:build unix

package cli

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"syscall"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// TestHints checks the hints of errors that are not made for the command line.
func TestHints(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("x: %w", &checkpoint.HintError{Err: errors.New("gone"), Hint: "do\nthis"}), "^wwq-fast: error: x: gone\nwwq-fast: hint: do this\n$"},
		{fmt.Errorf("x: %w", syscall.EMFILE), "^wwq-fast: error: x: too many open files\nwwq-fast: hint: the limit of open files is [0-9]+; ulimit -n 4096 raises it\n$"},
	} {
		var b bytes.Buffer
		Report(&b, tc.err)
		if !regexp.MustCompile(tc.want).Match(b.Bytes()) {
			t.Errorf("printed %q, want %q", b.String(), tc.want)
		}
	}
	if Code(syscall.EMFILE) != Transient {
		t.Errorf("code %d, want %d", Code(syscall.EMFILE), Transient)
	}
}
