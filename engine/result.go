package engine

import (
	"time"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// A Result is a finished, or interrupted, analysis.
type Result struct {
	Source  SourceInfo
	Options Options
	Threads int // cores that were used at once
	Workers int // layers that were analysed at once
	Env     Environment
	// Tensors accounts for every tensor of the checkpoint, in natural order of
	// names.
	Tensors []TensorStatus
	// Levels are the levels analysed, fp16 first, then from more bits to fewer.
	Levels []quant.Level
	// Rows holds one slice for each level, with one row for each layer, in the
	// order of the layers' IDs. Rows that were not reached have the status
	// [FitMissing].
	Rows [][]Row
	// Interrupted says that the run was ended before all rows were computed.
	Interrupted bool
	// Warnings are remarks on the run as a whole.
	Warnings []string
	Started  time.Time
	Elapsed  time.Duration
}

// SourceInfo says what was analysed.
type SourceInfo struct {
	Path   string
	Format string
	Files  []checkpoint.File
}

// Partial reports whether some tensor was refused or some row is missing.
func (r *Result) Partial() bool {
	if r.Interrupted {
		return true
	}
	for i := range r.Tensors {
		if r.Tensors[i].Status == Refused {
			return true
		}
	}
	return false
}

// Count returns how many tensors have status s.
func (r *Result) Count(s Status) int {
	n := 0
	for i := range r.Tensors {
		if r.Tensors[i].Status == s {
			n++
		}
	}
	return n
}
