package main

import (
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
)

// TestSpaceError: without a limit nothing is refused; with one, what does not fit is, and
// the hint names a limit with which it is not.
func TestSpaceError(t *testing.T) {
	const gib = 1 << 30
	for _, tc := range []struct {
		limit, used, peak int64
		threads           int
		refused           bool
	}{
		{0, 0, 100 * gib, 64, false}, {8 * gib, gib, gib, 2, false}, {2 * gib, gib, gib, 2, true},
		{16 * gib, gib, 20 * gib, 2, true}, {8 * gib, gib, gib, 128, true}, {32 * gib, gib, gib, 128, false},
	} {
		err := spaceError(tc.limit, tc.used, tc.peak, tc.threads)
		if (err != nil) != tc.refused {
			t.Errorf("%+v: %v", tc, err)
		}
		if err == nil {
			continue
		}
		var b strings.Builder
		cli.Report(&b, err)
		if cli.Code(err) != cli.Transient || !strings.Contains(b.String(), "hint: ulimit -v unlimited") {
			t.Errorf("%+v: code %d, %s", tc, cli.Code(err), &b)
		}
	}
}
