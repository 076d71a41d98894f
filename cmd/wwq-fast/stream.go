package main

import (
	"io"
	"time"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/report"
	"github.com/wwq-fast/wwq-fast/engine/stats"
)

// A rowStream is a sink that prints each row as a line of JSON as soon as it is finished, and
// hands it on. A reader that has gone away does not end the run, whose results are kept.
type rowStream struct {
	to     engine.Sink
	lines  *jsonLines
	of     report.Context
	compat bool
	told   map[string]bool // the rows that were printed
}

func newRowStream(out io.Writer, to engine.Sink, model string, compat bool) *rowStream {
	return &rowStream{
		to: to, lines: newJSONLines(out), compat: compat, told: map[string]bool{},
		of: report.Context{Model: model, When: time.Now(), Compat: compat},
	}
}

func (s *rowStream) Row(r engine.Row) error {
	s.print(r)
	return s.to.Row(r)
}

func (s *rowStream) print(r engine.Row) {
	key := r.Layer.LongName + "\x00" + r.Level.Name()
	if s.told[key] {
		return
	}
	s.told[key] = true
	if s.compat {
		r = report.CompatibleRow(r)
	}
	s.lines.layer(&r, &s.of)
}

func (s *rowStream) Tensor(r engine.TensorRecord) error { return s.to.Tensor(r) }

// end prints what is known when all rows are: those of tensors that were refused or have the
// rows of others, what became of every tensor, the comparison of the levels, and the summary.
func (s *rowStream) end(res *engine.Result, summaries []stats.Summary) error {
	j := s.lines
	for k := range res.Rows {
		for _, r := range res.Rows[k] {
			if r.Status != engine.RowMissing {
				s.print(r)
			}
		}
	}
	for i := range res.Tensors {
		j.tensor(&res.Tensors[i])
	}
	j.summaries(summaries)
	j.line("summary", map[string]any{
		"model": s.of.Model, "wall_seconds": res.Elapsed.Seconds(), "interrupted": res.Interrupted, "compat": s.compat,
		"analysed": res.Count(engine.Analysed), "refused": res.Count(engine.Refused), "skipped": res.Count(engine.Skipped),
	})
	return j.err
}
