package checkpoint

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A NumberedSet is the files of one numbered set among the names of a folder, such as
// "model-00001-of-00003.safetensors". Writers count from 1 or from 0, to numbers of
// one digit or of six, with or without leading zeros.
type NumberedSet struct {
	Prefix string // "model-"
	Infix  string // "-of-"
	Count  string // "00003", as the names have it
	Suffix string // ".safetensors"
	Total  int    // Count as a number
	Names  []string

	numbers map[int]bool
	width   int // of the shortest number
}

// maxMissing is the largest number of names that Missing returns.
const maxMissing = 20

// Numbered sorts the names that have a number into sets, in the order in which the sets
// appear; rest are the names without one.
func Numbered(names []string) (sets []*NumberedSet, rest []string) {
	type key struct{ prefix, infix, count, suffix string }
	known := make(map[key]*NumberedSet)
	for _, name := range names {
		part, number, ok := cutNumber(name)
		if !ok {
			rest = append(rest, name)
			continue
		}
		k := key{part.Prefix, part.Infix, part.Count, part.Suffix}
		s := known[k]
		if s == nil {
			s = &part
			s.numbers, s.width = make(map[int]bool), len(number)
			known[k] = s
			sets = append(sets, s)
		}
		n, _ := strconv.Atoi(number) // cutNumber has checked it
		s.Names = append(s.Names, name)
		s.numbers[n] = true
		s.width = min(s.width, len(number))
	}
	return sets, rest
}

// first returns the number from which the set is counted.
func (s *NumberedSet) first() int {
	if s.numbers[0] {
		return 0
	}
	return 1
}

// Missing returns the names that the set lacks, in ascending order, of which there are
// at most 20; more is the number of those beyond.
func (s *NumberedSet) Missing() (names []string, more int) {
	for i := s.first(); i < s.first()+s.Total; i++ {
		switch {
		case s.numbers[i]:
		case len(names) < maxMissing:
			names = append(names, s.name(i))
		default:
			more++
		}
	}
	return names, more
}

// Complete reports whether no file of the set is missing.
func (s *NumberedSet) Complete() bool {
	names, _ := s.Missing()
	return len(names) == 0
}

// FromZero returns the name that the set lacks if it is counted from 0 though the file of
// that number is missing; "" if the names say from where it is counted.
func (s *NumberedSet) FromZero() string {
	if s.numbers[0] || s.numbers[s.Total] {
		return ""
	}
	return s.name(0)
}

func (s *NumberedSet) name(number int) string {
	return fmt.Sprintf("%s%0*d%s%s%s", s.Prefix, s.width, number, s.Infix, s.Count, s.Suffix)
}

// String returns the set as a pattern, "model-*-of-00003.safetensors".
func (s *NumberedSet) String() string {
	return Printable(s.Prefix + "*" + s.Infix + s.Count + s.Suffix)
}

// Part says which part of a set the file called name is: "part 1 of 3"; empty if the
// name has no number, or there is one part only.
func Part(name string) string {
	s, number, ok := cutNumber(name)
	if !ok || s.Total == 1 {
		return ""
	}
	n, _ := strconv.Atoi(number)
	if n == 0 {
		return fmt.Sprintf("part 0 (counted from 0) of %d", s.Total)
	}
	return fmt.Sprintf("part %d of %d", n, s.Total)
}

// numbered matches the names of numbered files. Six digits bound the loops over a set.
var numbered = regexp.MustCompile(`^((?:.*[-_.])?)([0-9]{1,6})([-_]of[-_])([0-9]{1,6})(\..+)$`)

// cutNumber splits "model-00002-of-00003.safetensors" into its parts.
func cutNumber(name string) (s NumberedSet, number string, ok bool) {
	m := numbered.FindStringSubmatch(name)
	if m == nil || strings.ContainsAny(name, "\n\r") {
		return s, "", false
	}
	n, _ := strconv.Atoi(m[2])
	total, _ := strconv.Atoi(m[4])
	s = NumberedSet{Prefix: m[1], Infix: m[3], Count: m[4], Suffix: m[5], Total: total}
	return s, m[2], total > 0 && n <= total
}
