package mem

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAvailableIn checks that the result is the minimum of the memory that the machine has
// available and of what each control group leaves, of those that are known.
func TestAvailableIn(t *testing.T) {
	const machine = "MemTotal:       65000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\nBuffers:  1 kB\n"
	const free = 8000000 << 10
	for name, tc := range map[string]struct {
		meminfo      string
		max, current string // files of version 2; "" means that there is no such file
		limit, usage string // files of version 1
		want         int64
	}{
		"machine":               {meminfo: machine, want: free},
		"nothing known":         {want: 0},
		"no limit":              {meminfo: machine, max: "max\n", current: "5000\n", want: free},
		"a limit":               {meminfo: machine, max: "3000000000\n", current: "1000000000\n", want: 2000000000},
		"a limit, nothing used": {meminfo: machine, max: "3000000000\n", want: 3000000000},
		"a limit alone":         {max: "3000000000\n", current: "1000000000\n", want: 2000000000},
		"a large limit":         {meminfo: machine, max: "90000000000000\n", current: "1\n", want: free},
		"version 1":             {meminfo: machine, limit: "2000000000\n", usage: "500000000\n", want: 1500000000},
		"version 1, no limit":   {meminfo: machine, limit: "9223372036854771712\n", usage: "500\n", want: free},
		"both":                  {meminfo: machine, max: "3000000000", current: "1000000000", limit: "2000000000", usage: "500000000", want: 1500000000},
		"used up":               {meminfo: machine, max: "3000000000", current: "3000000000", want: free},
	} {
		dir := t.TempDir()
		write := func(name, text string) string {
			path := filepath.Join(dir, name)
			if text != "" {
				if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			return path
		}
		got := availableIn(write("meminfo", tc.meminfo), [][2]string{
			{write("max", tc.max), write("current", tc.current)}, {write("limit", tc.limit), write("usage", tc.usage)},
		})
		if got != tc.want {
			t.Errorf("%s: %d bytes, want %d", name, got, tc.want)
		}
	}
	if got, want := available(), availableIn(meminfo, groups); want > 0 && (got < want/2 || got > 2*want) {
		t.Errorf("%d bytes here, by the files %d", got, want)
	}
}

// TestAddressSpace: a limit is found, and what is reserved is less.
func TestAddressSpace(t *testing.T) {
	if os.Getenv("WWQ_LIMITED") == "" {
		// The race detector reserves all that there is.
		cmd := exec.Command("sh", "-c", "ulimit -v 16000000 && exec \"$0\" -test.run '^TestAddressSpace$'", os.Args[0])
		cmd.Env = append(os.Environ(), "WWQ_LIMITED=1")
		out, err := cmd.CombinedOutput()
		if err != nil && !strings.Contains(string(out), "ThreadSanitizer") {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	limit, used := AddressSpace()
	if limit != 16000000<<10 || used < 1<<20 || used > limit {
		t.Errorf("limit %d, used %d", limit, used)
	}
}
