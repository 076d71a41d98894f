// Package glob matches names of tensors against patterns.
package glob

// Match reports whether a pattern matches the whole of a name. In a pattern "*" stands
// for any text, dots and slashes too, and "?" for any one byte; all else, brackets and
// commas too, stands for itself, so that a name matches itself.
func Match(pattern, name string) bool {
	// star is the place behind the last "*" of the pattern, and retry where in the name
	// it was last taken to end.
	p, n, star, retry := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			p++
			star, retry = p, n
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			retry++
			p, n = star, retry
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
