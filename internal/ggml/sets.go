package ggml

import (
	"slices"

	"github.com/wwq-fast/wwq-fast/internal/cpu"
)

// A Set is an instruction set for which this build has the loops.
type Set int

// goSet stands for the functions in Go, which every build has.
const goSet Set = -1

var sets = cpu.Sets[Set](setNames)

// Sets returns the instruction sets that this machine can run, the best first.
func Sets() []Set { return slices.Clone(sets) }

// best is the set that the methods of Type use.
var best = sets[0]

// String returns the name of the set: "avx512", "avx2", "neon", "scalar", or "generic" for
// the functions in Go.
func (s Set) String() string {
	if s == goSet {
		return "generic"
	}
	return setNames[s]
}
