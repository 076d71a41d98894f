package bench

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// cpuModel describes the first processor in /proc/cpuinfo. Hypervisors often hide the
// name of the model, but not the family and model numbers, which identify the core.
func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	fields := map[string]string{}
	for s := bufio.NewScanner(f); s.Scan() && s.Text() != ""; {
		if key, value, ok := strings.Cut(s.Text(), ":"); ok {
			fields[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	name := fields["model name"]
	if name == "" {
		name = fields["CPU part"] // on arm64 there is no name
	}
	if fields["cpu family"] != "" {
		name = fmt.Sprintf("%s (family %s, model %s, stepping %s)", name, fields["cpu family"], fields["model"], fields["stepping"])
	}
	return name
}

func allCores() int {
	data, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return 0
	}
	return strings.Count(string(data), "processor\t:")
}

const cpu0 = "/sys/devices/system/cpu/cpu0/"

// lastLevelCache returns the size of the third-level cache in bytes, or 0 if it is not
// known.
func lastLevelCache() int64 {
	text, scale := firstLine(cpu0+"cache/index3/size"), int64(1)
	if t, ok := strings.CutSuffix(text, "K"); ok {
		text, scale = t, 1<<10
	} else if t, ok := strings.CutSuffix(text, "M"); ok {
		text, scale = t, 1<<20
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n * scale
}

func governor() string { return firstLine(cpu0 + "cpufreq/scaling_governor") }

func firstLine(path string) string {
	data, _ := os.ReadFile(path)
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(line)
}

// resetPeak resets the largest resident memory, which peakMemory returns.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peakMemory returns the largest resident memory since the last reset in bytes, or 0 if
// it is not known.
func peakMemory() int64 {
	data, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kb << 10
		}
	}
	return 0
}
