package mem

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func addressSpace() (limit, used int64) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &r); err != nil || r.Cur >= 1<<62 {
		return 0, 0
	}
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, 0
	}
	pages, _, _ := strings.Cut(string(data), " ")
	n, err := strconv.ParseInt(pages, 10, 64)
	if err != nil {
		return 0, 0
	}
	return int64(r.Cur), n * int64(os.Getpagesize())
}
