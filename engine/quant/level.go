package quant

import (
	"fmt"
	"strconv"
	"strings"
)

// MinBits and MaxBits bound the width of uniform levels.
const (
	MinBits = 2
	MaxBits = 16
)

// A Scheme is a way to quantize.
type Scheme uint8

const (
	CastF16    Scheme = iota // cast to float16
	Symmetric                // uniform, scale only
	Asymmetric               // uniform, scale and float minimum
)

// A Level is a scheme at a width. The zero value is fp16.
type Level struct {
	Scheme Scheme
	Bits   int // width of a code; 16 for CastF16
}

// FP16 is the cast to float16, the baseline of a study.
var FP16 = Level{Scheme: CastF16, Bits: 16}

// ParseLevel returns the level called s: "fp16", "8bit" or "8" (symmetric),
// "4bit-asym" or "4bit_asym" (asymmetric).
func ParseLevel(s string) (Level, error) {
	name := strings.ToLower(strings.TrimSpace(s))
	if name == "fp16" || name == "f16" {
		return FP16, nil
	}
	l := Level{Scheme: Symmetric}
	rest := strings.ReplaceAll(name, "_", "-")
	if r, ok := strings.CutSuffix(rest, "-asym"); ok {
		l.Scheme, rest = Asymmetric, r
	} else if r, ok := strings.CutSuffix(rest, "-sym"); ok {
		rest = r
	}
	rest = strings.TrimSuffix(strings.TrimSuffix(rest, "bit"), "-")
	bits, err := strconv.Atoi(rest)
	if err != nil || rest == "" || rest[0] == '+' {
		return Level{}, fmt.Errorf("unknown level %q: levels are fp16, %dbit to %dbit, and %dbit-asym to %dbit-asym", s, MinBits, MaxBits, MinBits, MaxBits)
	}
	if bits < MinBits || bits > MaxBits {
		return Level{}, fmt.Errorf("level %q: %d bits is outside %d to %d", s, bits, MinBits, MaxBits)
	}
	l.Bits = bits
	return l, nil
}

// ParseLevels parses a comma-separated list of different levels.
func ParseLevels(list string) ([]Level, error) {
	var levels []Level
	for s := range strings.SplitSeq(list, ",") {
		l, err := ParseLevel(s)
		if err != nil {
			return nil, err
		}
		for _, o := range levels {
			if o == l {
				return nil, fmt.Errorf("level %s is given twice", l)
			}
		}
		levels = append(levels, l)
	}
	return levels, nil
}

// String returns the name of l, which is also how result files are called.
func (l Level) String() string {
	switch l.Scheme {
	case CastF16:
		return "fp16"
	case Asymmetric:
		return fmt.Sprintf("%dbit-asym", l.Bits)
	}
	return fmt.Sprintf("%dbit", l.Bits)
}

// Values returns how many different values the level has before rounding to the
// stored type.
func (l Level) Values() int {
	switch l.Scheme {
	case CastF16:
		return 1<<16 - 2*(1<<10) - 1 // finite float16 numbers, both zeros as one
	case Asymmetric:
		return 1 << l.Bits
	}
	return 1<<l.Bits - 1
}

// Less orders levels as tables and plots show them: fp16 first, then from more
// bits to fewer, symmetric before asymmetric.
func (l Level) Less(o Level) bool {
	if (l.Scheme == CastF16) != (o.Scheme == CastF16) {
		return l.Scheme == CastF16
	}
	if l.Bits != o.Bits {
		return l.Bits > o.Bits
	}
	return l.Scheme < o.Scheme
}
