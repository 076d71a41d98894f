package engine

import (
	"context"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// Analyze analyses a checkpoint at all levels of opts: it plans, runs, and merges the
// rows in memory. For what it does and takes see [Run]. If the run ends early, it returns
// an error and, with it, a result that holds what was finished.
func Analyze(ctx context.Context, src checkpoint.Source, opts Options) (*Result, error) {
	plan, err := Describe(src, opts)
	if err != nil {
		return nil, err
	}
	var m Memory
	outcome, err := Run(ctx, src, plan, opts, &m)
	if outcome == nil {
		return nil, err
	}
	res := &Result{Source: Source(src), Options: opts, Outcome: *outcome, Levels: opts.levels()}
	res.Tensors, res.Rows = Merge(plan, &opts, m.Rows, m.Records)
	res.SortLevels()
	return res, err
}

// Memory is a [Sink] that keeps everything in memory.
type Memory struct {
	Rows    []Row
	Records []TensorRecord
}

// Row keeps a row.
func (m *Memory) Row(r Row) error {
	m.Rows = append(m.Rows, r)
	return nil
}

// Tensor keeps a record.
func (m *Memory) Tensor(r TensorRecord) error {
	m.Records = append(m.Records, r)
	return nil
}
