package checkpoint

import "slices"

// SortTensors puts tensors in natural order of their names, as [Source.Tensors] has them.
func SortTensors(tensors []Tensor) {
	slices.SortStableFunc(tensors, func(a, b Tensor) int {
		switch {
		case NaturalLess(a.Name, b.Name):
			return -1
		case NaturalLess(b.Name, a.Name):
			return 1
		}
		return 0
	})
}

// NaturalLess reports whether a comes before b in natural order, in which runs of
// decimal digits are compared as numbers: "layers.2" comes before "layers.10". Names
// that differ only in leading zeros are compared byte by byte, so the order is total.
func NaturalLess(a, b string) bool {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		if isDigit(a[i]) && isDigit(b[j]) {
			si, sj := i, j
			for i < len(a) && isDigit(a[i]) {
				i++
			}
			for j < len(b) && isDigit(b[j]) {
				j++
			}
			na, nb := trimZeros(a[si:i]), trimZeros(b[sj:j])
			if len(na) != len(nb) {
				return len(na) < len(nb)
			}
			if na != nb {
				return na < nb
			}
			continue
		}
		if a[i] != b[j] {
			return a[i] < b[j]
		}
		i++
		j++
	}
	if len(a)-i != len(b)-j {
		return len(a)-i < len(b)-j
	}
	return a < b
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func trimZeros(s string) string {
	for len(s) > 1 && s[0] == '0' {
		s = s[1:]
	}
	return s
}
