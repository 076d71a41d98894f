// Package mem finds out how much memory a process can use, and parses and formats
// sizes in bytes.
package mem

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Available returns how many bytes of memory the process can use without swapping: the
// minimum of what the machine has available and of what the limits of control groups
// leave. It returns 0 if neither is known, as on every system but Linux.
func Available() int64 { return available() }

// AddressSpace returns the limit of the address space of the process (RLIMIT_AS, which the
// shell calls ulimit -v) and how much of it is reserved at present, in bytes. It returns
// zeros if there is no limit, or if it is not known, as on every system but Linux.
func AddressSpace() (limit, used int64) { return addressSpace() }

// ParseSize parses a size such as 1500M, 24G or 1.5GiB and returns it in bytes. Units
// are powers of 1024, in either case; a number without a unit is in bytes.
func ParseSize(s string) (int64, error) {
	number := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(strings.TrimSpace(s)), "B"), "I")
	factor := 1.0
	if n := len(number); n > 0 {
		if i := strings.IndexByte("KMGT", number[n-1]); i >= 0 {
			factor = math.Pow(1024, float64(i+1))
			number = number[:n-1]
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v > 0) || v*factor > 1<<60 {
		return 0, fmt.Errorf("%q is not a size: want one such as 1500M or 24G", s)
	}
	return int64(v * factor), nil
}

// Text formats n bytes for people, with one decimal and a binary unit: "1.5 GiB".
func Text(n int64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, u := float64(n)/1024, 0
	for v >= 1024 && u < len(units)-1 {
		v /= 1024
		u++
	}
	return fmt.Sprintf("%.1f %ciB", v, units[u])
}
