// Package report writes results for people and scripts: CSV tables, a text
// report, pictures, and a record of the run. It computes nothing but statistics
// over layers.
package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/atomicfile"
)

// Options say how results are written.
type Options struct {
	Model  string // the name that goes into tables
	Compat bool   // write failed fits as WeightWatcher does
	Plots  bool   // draw the pictures
}

// Write writes a whole result below dir:
//
//	metrics/results_<level>.csv          one line a layer
//	metrics/quantization_comparison.csv  one line a level
//	metrics/quantization_errors.csv      one line a layer and level
//	analysis_report.txt
//	plots/*.png
//	run.json
//
// Either all files appear or, on an error, none: earlier ones stay as they were.
// It returns the comparison.
func Write(dir string, res *engine.Result, opts Options) ([]Summary, error) {
	tables := FromResult(res, opts.Model, opts.Compat)
	summaries := Compare(tables)
	var set atomicfile.Set
	defer set.Discard()
	when := res.Started
	if res.Options.Reproducible {
		when = time.Time{} // the one thing in a table that no second run can have
	}
	add := func(name string, write func(io.Writer) error) error { return set.Add(filepath.Join(dir, name), write) }
	for k, level := range res.Levels {
		if !finished(res.Rows[k]) {
			continue // an earlier table says more than an empty one
		}
		if err := add(resultName(level.String()), func(w io.Writer) error {
			return WriteCSV(w, res.Rows[k], opts.Model, when, opts.Compat)
		}); err != nil {
			return nil, err
		}
	}
	if err := add("metrics/quantization_errors.csv", func(w io.Writer) error { return WriteErrorsCSV(w, res) }); err != nil {
		return nil, err
	}
	if err := add("run.json", func(w io.Writer) error { return WriteRunJSON(w, res, opts.Compat) }); err != nil {
		return nil, err
	}
	if err := addComparison(&set, dir, tables, summaries, res, opts); err != nil {
		return nil, err
	}
	return summaries, set.Commit()
}

// Rewrite writes the comparison, the report and the pictures again from the CSV
// files below dir.
func Rewrite(dir string, opts Options) ([]Summary, error) {
	tables, err := ReadDir(dir)
	if err != nil {
		return nil, err
	}
	summaries := Compare(tables)
	var set atomicfile.Set
	defer set.Discard()
	if err := addComparison(&set, dir, tables, summaries, nil, opts); err != nil {
		return nil, err
	}
	return summaries, set.Commit()
}

// finished reports whether a level has a row that was reached.
func finished(rows []engine.Row) bool {
	return slices.ContainsFunc(rows, func(r engine.Row) bool { return r.Status != engine.FitMissing })
}

// CheckWritable reports whether results can be written to dir. It leaves nothing
// behind.
func CheckWritable(dir string) error {
	var set atomicfile.Set
	defer set.Discard()
	return set.Add(filepath.Join(dir, "metrics", "probe"), func(io.Writer) error { return nil })
}

func resultName(level string) string { return "metrics/results_" + level + ".csv" }

// addComparison adds everything that follows from the tables.
func addComparison(set *atomicfile.Set, dir string, tables []Table, summaries []Summary, res *engine.Result, opts Options) error {
	if err := set.Add(filepath.Join(dir, "metrics/quantization_comparison.csv"), func(w io.Writer) error {
		return WriteComparisonCSV(w, summaries)
	}); err != nil {
		return err
	}
	if err := set.Add(filepath.Join(dir, "analysis_report.txt"), func(w io.Writer) error {
		return WriteText(w, tables, summaries, res, opts.Compat)
	}); err != nil {
		return err
	}
	if !opts.Plots {
		return nil
	}
	pictures, err := drawAll(tables, summaries)
	if err != nil {
		return err
	}
	for i, name := range FigureNames() {
		if err := set.Add(filepath.Join(dir, "plots", name), func(w io.Writer) error {
			_, err := w.Write(pictures[i])
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// drawAll draws all pictures at once, one goroutine each.
func drawAll(tables []Table, summaries []Summary) ([][]byte, error) {
	names := FigureNames()
	pictures, errs := make([][]byte, len(names)), make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			var b bytes.Buffer
			errs[i] = WriteFigure(&b, name, tables, summaries)
			pictures[i] = b.Bytes()
		})
	}
	all.Wait()
	return pictures, errors.Join(errs...)
}

// ReadDir reads the tables of a results directory.
func ReadDir(dir string) ([]Table, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(escapeGlob(dir), "metrics", "results_*.csv"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, &fs.PathError{Op: "read", Path: filepath.Join(dir, "metrics", "results_*.csv"), Err: fs.ErrNotExist}
	}
	sort.Strings(files)
	var tables []Table
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		t, err := ReadCSV(f)
		f.Close()
		if err == nil && len(t.Records) == 0 {
			err = errors.New("no rows")
		}
		if err != nil {
			return nil, checkpoint.Corruptf("%s: %w", name, err)
		}
		if len(tables) > 0 && t.Model != tables[0].Model {
			return nil, fmt.Errorf("%s: is of model %q, %s of %q", name, t.Model, files[0], tables[0].Model)
		}
		for i := range tables {
			if tables[i].Level == t.Level {
				return nil, fmt.Errorf("%s: level %s occurs twice", name, t.Level)
			}
		}
		tables = append(tables, t)
	}
	SortTables(tables)
	return tables, nil
}

// escapeGlob makes a path stand for itself in a glob.
func escapeGlob(path string) string {
	var b []byte
	for i := range len(path) {
		if c := path[i]; c == '*' || c == '?' || c == '[' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, path[i])
	}
	return string(b)
}
