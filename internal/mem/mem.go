// Package mem tells how much memory a process may take, and reads sizes.
package mem

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Available returns the bytes of memory that can be taken without swapping, the
// least of what the machine has free and what the control group of the process
// allows; 0 if neither is known.
func Available() int64 { return available() }

// ParseSize reads a number of bytes such as 1500M, 24G or 1.5GiB; units are powers
// of 1024.
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
		return 0, fmt.Errorf("%q is no size: 1500M, 24G", s)
	}
	return int64(v * factor), nil
}

// Text writes a size for people.
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
