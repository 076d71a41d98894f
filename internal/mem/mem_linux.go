package mem

import (
	"os"
	"strconv"
	"strings"
)

// meminfo is the file in which the kernel reports the memory that is available.
const meminfo = "/proc/meminfo"

// groups holds, for control groups of version 2 and of version 1, the files with the limit
// of memory and with the memory in use, both in bytes. A container sees those of its own
// group at these paths.
var groups = [][2]string{
	{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
	{"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"},
}

func available() int64 { return availableIn(meminfo, groups) }

// availableIn is available with the paths as parameters, for tests.
func availableIn(meminfo string, groups [][2]string) int64 {
	free := int64(0)
	if data, err := os.ReadFile(meminfo); err == nil {
		for line := range strings.Lines(string(data)) {
			if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
				kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
				free = kib << 10
			}
		}
	}
	for _, g := range groups {
		limit, used := readNumber(g[0]), readNumber(g[1])
		if limit > 0 && limit-used > 0 && (free == 0 || limit-used < free) {
			free = limit - used
		}
	}
	return free
}

// readNumber returns the integer that the file at path holds, or 0 if there is none: a
// group without a limit has "max" there.
func readNumber(path string) int64 {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return n
}
