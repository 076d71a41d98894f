package engine

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// A Result is a finished, or interrupted, analysis.
type Result struct {
	Source  SourceInfo
	Options Options
	Outcome
	// Tensors accounts for every tensor of the checkpoint, in natural order of
	// names.
	Tensors []TensorStatus
	// Levels are the levels analysed: those that quantize nothing first, then from
	// more bits to fewer.
	Levels []quant.Recipe
	// Rows holds one slice for each level, with one row for each layer, in the
	// order of the layers' IDs. Rows that were not reached have the status
	// [RowMissing].
	Rows [][]Row
}

// SourceInfo says what was analysed.
type SourceInfo struct {
	Path   string
	Format string
	Files  []checkpoint.File
}

// Source returns what there is to say of a checkpoint.
func Source(src checkpoint.Source) SourceInfo {
	return SourceInfo{Path: src.Path(), Format: src.Format(), Files: src.Files()}
}

// Baseline returns the index of the level that changes are measured from, -1 if there is
// none.
func (r *Result) Baseline() int { return r.Options.baseline(r.Levels) }

// SortLevels puts the levels, and their rows, in the order of the bits that their weights take
// in this checkpoint, those that quantize nothing first: a mixture, or a scheme whose blocks
// the rows do not allow, takes others than its name says. Levels of the published study have
// the bits of their names; those of equal bits stay where they are to each other.
func (r *Result) SortLevels() {
	type level struct {
		recipe quant.Recipe
		rows   []Row
		bits   float64
	}
	all := make([]level, len(r.Levels))
	for k := range all {
		all[k] = level{r.Levels[k], r.Rows[k], r.Levels[k].BitsPerWeight()}
		if bits := r.MeanBits(k); bits > 0 && !quant.IsPlain(r.Levels[k]) {
			all[k].bits = bits
		}
	}
	slices.SortStableFunc(all, func(a, b level) int {
		if a.recipe.Reference() || b.recipe.Reference() {
			return quant.Compare(a.recipe, b.recipe)
		}
		return cmp.Compare(b.bits, a.bits)
	})
	for k := range all {
		r.Levels[k], r.Rows[k] = all[k].recipe, all[k].rows
	}
}

// MeanBits returns how many bits a quantized weight takes at a level, 0 if there is none.
func (r *Result) MeanBits(level int) float64 {
	var bits, n float64
	for i := range r.Rows[level] {
		if row := &r.Rows[level][i]; row.Bits > 0 && row.Layer.Quantized {
			weights := float64(row.Layer.Weights())
			bits, n = bits+row.Bits*weights, n+weights
		}
	}
	return bits / max(n, 1)
}

// Partial reports whether some tensor was refused or some row is missing.
func (r *Result) Partial() bool {
	return r.Interrupted || r.Count(Refused) > 0 || r.Count(Planned) > 0
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

// Merge returns the tables of an analysis for the rows and records of all its runs, in
// any order: those of one process, or of several that each analysed a part of the plan.
// It settles what no row can say by itself: which tensors are duplicates of others, of
// which the first in the order of the plan counts, the status of every tensor, and the
// numbers of the layers that are in the tables. The plan and the rows stay as they are.
// With opts.KeepDuplicates duplicates have the rows of the first.
func Merge(plan *Plan, opts *Options, rows []Row, records []TensorRecord) ([]TensorStatus, [][]Row) {
	levels := opts.levels()
	m := merger{levels: levels, bound: plan.bind(levels), keep: opts.KeepDuplicates, rows: map[rowKey]*Row{}, records: map[string]TensorRecord{}}
	for i := range rows {
		r := &rows[i]
		m.rows[rowKey{r.Layer.Tensor, r.Layer.Index, r.Level.Name()}] = r
		m.records[r.Layer.Tensor] = TensorRecord{Tensor: r.Layer.Tensor, SHA256: r.SHA256}
	}
	for _, r := range records {
		m.records[r.Tensor] = r
	}
	return m.merge(plan)
}

type rowKey struct {
	tensor string
	layer  int
	level  string
}

type merger struct {
	levels  []quant.Recipe
	bound   []quant.Recipe // the levels as they are for the checkpoint
	keep    bool           // rows of duplicates
	rows    map[rowKey]*Row
	records map[string]TensorRecord
}

func (m *merger) merge(plan *Plan) ([]TensorStatus, [][]Row) {
	tensors := make([]TensorStatus, len(plan.Tensors))
	tables := make([][]Row, len(m.levels))
	first := map[contents]string{}
	id := 0
	for i := range plan.Tensors {
		ts := plan.Tensors[i]
		from := ts.Name // the tensor that has the rows
		record, read := m.records[ts.Name]
		ts.SHA256 = record.SHA256
		if ts.Status == Planned && read && record.Reason == "" {
			key := contentsOf(&ts, record.SHA256, m.bound)
			other, known := first[key]
			switch {
			case !known:
				first[key] = ts.Name
			case m.keep:
				from, ts.Duplicate = other, true
			default:
				ts.Status, ts.Duplicate = Skipped, true
				ts.Reason = fmt.Sprintf("same weights as %q, which is analysed", other)
			}
		}
		if ts.Status == Skipped {
			ts.Layers = nil
			tensors[i] = ts
			continue
		}
		if record.Reason != "" {
			ts.Status, ts.Reason = Refused, record.Reason
		}
		ts.Layers = append([]Layer(nil), ts.Layers...)
		for j := range ts.Layers {
			ts.Layers[j].ID = id
			id++
		}
		m.layers(&ts, from, tables)
		tensors[i] = ts
	}
	return tensors, tables
}

// layers adds the rows of the layers of a tensor, which stand under the name from, to the
// tables and settles its status.
func (m *merger) layers(ts *TensorStatus, from string, tables [][]Row) {
	whole := ts.Status == Refused // by the loader, at every level
	missing := false
	for j := range ts.Layers {
		l := &ts.Layers[j]
		for k, level := range m.levels {
			var row Row
			switch r := m.rows[rowKey{from, l.Index, level.Name()}]; {
			case whole:
				row = refusedRow(l, level, RowRefused, ts.Reason)
			case r != nil:
				row = *r
				row.Layer, row.Level = l, level
			default:
				row = refusedRow(l, level, RowMissing, "the run ended before")
				missing = true
			}
			// The first in order of layers and levels gives the reason,
			// whatever was computed first.
			if row.Status == RowRefused && ts.Status != Refused {
				ts.Status, ts.Reason = Refused, row.Reason
				if l.Quantized {
					ts.Reason = fmt.Sprintf("at %v: %s", level.Name(), row.Reason)
				}
			}
			tables[k] = append(tables[k], row)
		}
	}
	if ts.Status == Planned && !missing {
		ts.Status = Analysed
	}
}
