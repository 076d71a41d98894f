// Package report renders results for people and scripts: CSV tables, a text report and
// pictures. It computes nothing but what package stats says of the layers.
//
// Columns are data, here and in package metric: tables, JSON and docs/METRICS.md come
// from one list of them. To add an output, write a file with a function that makes its
// files and enter it in the table of outputs.
package report

import (
	"bytes"
	"errors"
	"io"
	"path"
	"sync"
	"time"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/results"
	"github.com/wwq-fast/wwq-fast/engine/stats"
)

// Options say how results are written.
type Options struct {
	Model  string // the name that goes into tables
	Compat bool   // write failed fits as WeightWatcher does
	Plots  bool   // draw the pictures, too
}

// data is what outputs are made from.
type data struct {
	res       *engine.Result // with what WeightWatcher writes for failed fits, if that is asked for
	failed    [][]engine.Row // the rows of each level whose fit failed
	summaries []stats.Summary
	opts      Options
	context   Context
}

// A file is one file of an output, with its path below the folder of the results.
type file struct {
	name  string
	write func(io.Writer) error
}

// outputs make the files of a result but its pictures, in this order.
var outputs = []func(*data) ([]file, error){
	resultTables,
	errorTable,
	comparisonTable,
	textReport,
}

// newData returns what outputs are made from.
func newData(res *engine.Result, opts Options) *data {
	d := &data{res: res, opts: opts, context: ContextOf(res, opts), failed: failed(res)}
	if opts.Compat {
		d.res = Compatible(res)
	}
	d.summaries = stats.Compare(d.res)
	return d
}

// Render adds the tables and the report of a result:
//
//	metrics/results_<level>.csv          one line a layer
//	metrics/quantization_comparison.csv  one line a level
//	metrics/quantization_errors.csv      one line a layer and level
//	analysis_report.txt
//
// and the pictures, if opts asks for them. It returns the comparison of the levels.
func Render(res *engine.Result, opts Options, add results.Add) ([]stats.Summary, error) {
	d := newData(res, opts)
	for _, output := range outputs {
		files, err := output(d)
		if err != nil {
			return nil, err
		}
		if err := addAll(files, add); err != nil {
			return nil, err
		}
	}
	if opts.Plots {
		files, err := pictures(d)
		if err != nil {
			return nil, err
		}
		if err := addAll(files, add); err != nil {
			return nil, err
		}
	}
	return d.summaries, nil
}

// Compare returns the comparison of the levels that Render writes.
func Compare(res *engine.Result, opts Options) []stats.Summary { return newData(res, opts).summaries }

// RenderPictures adds the pictures of a result, plots/*.png.
func RenderPictures(res *engine.Result, opts Options, add results.Add) error {
	files, err := pictures(newData(res, opts))
	if err != nil {
		return err
	}
	return addAll(files, add)
}

func addAll(files []file, add results.Add) error {
	for _, f := range files {
		if err := add(f.name, f.write); err != nil {
			return err
		}
	}
	return nil
}

// failed returns the rows of each level whose fit failed.
func failed(res *engine.Result) [][]engine.Row {
	all := make([][]engine.Row, len(res.Rows))
	for k := range res.Rows {
		for _, r := range res.Rows[k] {
			if r.Status == engine.RowFailed || r.Status == engine.RowDegenerate {
				all[k] = append(all[k], r)
			}
		}
	}
	return all
}

// Write writes all files of a result below the folder dir, without a store of its rows. If
// one cannot be written, none appears and earlier ones stay as they were. It returns the
// comparison.
func Write(dir string, res *engine.Result, opts Options) (summaries []stats.Summary, err error) {
	err = results.Publish(dir, func(add results.Add) error {
		summaries, err = Render(res, opts, add)
		return err
	})
	if err != nil {
		return nil, err
	}
	return summaries, nil
}

// ContextOf returns what rows of a result do not know of themselves. The timestamp is left
// empty in reproducible runs, so that their tables are equal.
func ContextOf(res *engine.Result, opts Options) Context {
	c := Context{Model: opts.Model, When: res.Started, Compat: opts.Compat}
	if res.Options.Reproducible {
		c.When = time.Time{}
	}
	return c
}

func resultTables(d *data) ([]file, error) {
	var files []file
	for k, level := range d.res.Levels {
		rows := d.res.Rows[k]
		if len(stats.Reached(rows)) == 0 {
			continue // an earlier table says more than an empty one
		}
		files = append(files, file{"metrics/results_" + quant.FileName(level) + ".csv", func(w io.Writer) error {
			return WriteCSV(w, metric.Results, rows, &d.context)
		}})
	}
	return files, nil
}

func errorTable(d *data) ([]file, error) {
	return []file{{"metrics/quantization_errors.csv", func(w io.Writer) error {
		return WriteCSV(w, metric.Errors, quantized(d.res), &d.context)
	}}}, nil
}

func comparisonTable(d *data) ([]file, error) {
	return []file{{"metrics/quantization_comparison.csv", func(w io.Writer) error {
		return WriteComparisonCSV(w, d.summaries)
	}}}, nil
}

func textReport(d *data) ([]file, error) {
	return []file{{"analysis_report.txt", func(w io.Writer) error { return writeText(w, d) }}}, nil
}

// pictures draws all pictures at once, one goroutine each.
func pictures(d *data) ([]file, error) {
	files, errs := make([]file, len(figures)), make([]error, len(figures))
	p := newPlotData(d) // read by all
	var all sync.WaitGroup
	for i := range figures {
		all.Go(func() {
			var b bytes.Buffer
			errs[i] = figures[i].write(&b, p)
			files[i] = file{path.Join("plots", figures[i].name), func(w io.Writer) error {
				_, err := w.Write(b.Bytes())
				return err
			}}
		})
	}
	all.Wait()
	return files, errors.Join(errs...)
}
