package checkpoint

import (
	"fmt"
	"strconv"
	"strings"
)

// MissingShards returns the file names that are missing from numbered sets, such as
// "model-00002-of-00003.safetensors" if names has the first and the third of three.
// Names without a number are ignored. At most 20 names are returned, set by set in the
// order in which the sets appear, and in ascending order within a set; more is the
// number of missing names beyond those.
func MissingShards(names []string) (missing []string, more int) {
	type set struct {
		prefix, suffix string
		total          int
	}
	var order []set
	have := make(map[set]map[int]bool)
	for _, name := range names {
		prefix, number, total, suffix, ok := cutShard(name)
		if !ok {
			continue
		}
		s := set{prefix, suffix, total}
		if have[s] == nil {
			have[s] = make(map[int]bool)
			order = append(order, s)
		}
		have[s][number] = true
	}
	for _, s := range order {
		for i := 1; i <= s.total; i++ {
			switch {
			case have[s][i]:
			case len(missing) < 20:
				missing = append(missing, fmt.Sprintf("%s%05d-of-%05d%s", s.prefix, i, s.total, s.suffix))
			default:
				more++
			}
		}
	}
	return missing, more
}

// cutShard splits "model-00002-of-00003.safetensors" into "model-", 2, 3 and
// ".safetensors". The numbers must have five digits, as all writers in use make
// them; this also bounds the loops over a set.
func cutShard(name string) (prefix string, number, total int, suffix string, ok bool) {
	const digits, infix = 5, "-of-"
	i := strings.LastIndex(name, infix)
	if i <= digits || name[i-digits-1] != '-' || len(name) < i+len(infix)+digits {
		return "", 0, 0, "", false
	}
	rest := name[i+len(infix):]
	number, ok1 := parseDigits(name[i-digits : i])
	total, ok2 := parseDigits(rest[:digits])
	suffix = rest[digits:]
	if !ok1 || !ok2 || number < 1 || number > total || !strings.HasPrefix(suffix, ".") {
		return "", 0, 0, "", false
	}
	return name[:i-digits], number, total, suffix, true
}

func parseDigits(s string) (int, bool) {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}
