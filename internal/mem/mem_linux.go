package mem

import (
	"os"
	"strconv"
	"strings"
)

// meminfo is where the kernel says what the machine has free.
const meminfo = "/proc/meminfo"

// groups are the limits and the use of control groups, version 2 and 1, as a container
// sees its own.
var groups = [][2]string{
	{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
	{"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"},
}

func available() int64 { return availableIn(meminfo, groups) }

// availableIn is available with the paths of the files that it reads.
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

// readNumber returns 0 for what is no number, such as "max".
func readNumber(path string) int64 {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return n
}
