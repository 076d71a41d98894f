package cli

import (
	"strings"
)

// Nearest returns the name that was probably meant by a misspelt one, or "" if none is near:
// one that differs in few letters, or the only one that begins with what was typed.
func Nearest(typed string, names []string) string {
	typed = strings.ToLower(typed)
	best, least, tie := "", len(typed), false
	for _, name := range names {
		d := distance([]rune(typed), []rune(strings.ToLower(name)))
		if len(name) < 2 || d > max(1, min(len(typed), len(name))/4) {
			continue
		}
		if d < least {
			best, least, tie = name, d, false
		} else if d == least {
			tie = true
		}
	}
	if best != "" && !tie {
		return best
	}
	const shortest = 3
	best = ""
	for _, name := range names {
		if len(typed) >= shortest && strings.HasPrefix(strings.ToLower(name), typed) {
			if best != "" {
				return ""
			}
			best = name
		}
	}
	return best
}

// distance returns the number of letters that must be inserted, removed, replaced or
// exchanged with their neighbours to make a of b (optimal string alignment).
func distance(a, b []rune) int {
	before, last, now := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		now[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			now[j] = min(last[j]+1, now[j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
