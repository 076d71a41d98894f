// Package results keeps the results of analyses in folders. One layout is result,
// journal and plan at once:
//
//	run.json           what is analysed, how, and by which plan; once the run is
//	                   finished also how it was computed and what became of every tensor
//	rows/NAME.jsonl    one line for each row, in the order in which they were finished
//
// Every file of rows has one writer, a process that analyses the plan or a part of it,
// and run.json names those that belong to it. A [Writer] keeps an unfinished run in a
// folder of its own inside, .run-NAME, with this very layout, and publishes it all at
// once: tables, which are renderings of the store, appear together with it or not at all,
// and the files of the run before disappear with that. An unfinished run never replaces a
// finished one.
//
// [Open] reads a finished run, or an unfinished one, as the [engine.Result] that
// [engine.Merge] makes of its rows.
package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/internal/plainjson"
)

// version is that of the layout. Fields may be added without a new one.
const version = 2

const (
	runName  = "run.json"
	rowsName = "rows"
	rowsExt  = ".jsonl"
	// journalName is that of the journal of a change that is being made to the folder.
	journalName = ".publish"
	// unfinishedPrefix begins the names of the folders of unfinished runs.
	unfinishedPrefix = ".run-"
	// beginningPrefix begins those of runs that are not locked yet.
	beginningPrefix = ".new-"
	// lockName is that of the file that the writer of an unfinished run holds locked.
	lockName = ".lock"
)

// A Run is run.json.
type Run struct {
	Version int    `json:"v"`
	ID      string `json:"run"` // a random name
	// Model is the file or folder that was analysed, ModelName what tables call it.
	Model     string `json:"model"`
	ModelName string `json:"model_name"`
	Format    string `json:"format"`
	Files     []File `json:"files"`
	// Options are those of the analysis.
	Options engine.Options `json:"options"`
	// Compat says that tables have what WeightWatcher writes for failed fits.
	Compat bool `json:"compat_weightwatcher"`
	// RowFiles are the files of rows, below the folder that run.json is in.
	RowFiles []string `json:"row_files"`
	// Outputs are the tables, reports and pictures that were made of the rows.
	Outputs []string `json:"outputs,omitempty"`

	// What follows is known when the run has ended.

	*Outcome
	Tensors []engine.TensorStatus `json:"tensors,omitempty"` // what became of them

	// Plan is what was to be done with every tensor.
	Plan []engine.TensorStatus `json:"plan"`
	// Shape is what was known of the model when the plan was made.
	Shape quant.Model `json:"model_shape,omitzero"`
}

// A File is one file of the checkpoint.
type File struct {
	Name         string `json:"name"`
	Bytes        int64  `json:"bytes"`
	HeaderSHA256 string `json:"header_sha256"`
}

// An Outcome says how a run, or a part of it, was computed.
type Outcome struct {
	Environment engine.Environment `json:"environment"`
	Started     time.Time          `json:"started"`
	WallSeconds float64            `json:"wall_seconds"`
	Threads     int                `json:"threads"`
	Workers     int                `json:"layers_at_once"`
	BLASThreads int                `json:"blas_threads_per_call"`
	Interrupted bool               `json:"interrupted"`
	Warnings    []string           `json:"warnings,omitempty"`
}

func outcomeOf(o *engine.Outcome) Outcome {
	return Outcome{
		Environment: o.Env, Started: o.Started, WallSeconds: o.Elapsed.Seconds(),
		Threads: o.Threads, Workers: o.Workers, BLASThreads: 1,
		Interrupted: o.Interrupted, Warnings: o.Warnings,
	}
}

func (o *Outcome) engine() engine.Outcome {
	return engine.Outcome{
		Env: o.Environment, Started: o.Started, Elapsed: time.Duration(math.Round(o.WallSeconds * float64(time.Second))),
		Threads: o.Threads, Workers: o.Workers, Interrupted: o.Interrupted, Warnings: o.Warnings,
	}
}

// maxSeconds bounds the time of a run: about thirty years.
const maxSeconds = 1e9

// check reports what no writer writes.
func (o *Outcome) check() error {
	if !(o.WallSeconds >= 0 && o.WallSeconds <= maxSeconds) {
		return fmt.Errorf("a run of %g seconds", o.WallSeconds)
	}
	if o.Threads < 0 || o.Workers < 0 {
		return fmt.Errorf("a run on %d threads and %d layers at once", o.Threads, o.Workers)
	}
	return nil
}

// plan returns what was to be done.
func (r *Run) plan() *engine.Plan { return &engine.Plan{Tensors: r.Plan, Model: r.Shape} }

// source returns what was analysed.
func (r *Run) source() engine.SourceInfo {
	s := engine.SourceInfo{Path: r.Model, Format: r.Format}
	for _, f := range r.Files {
		s.Files = append(s.Files, checkpoint.File{Name: f.Name, Size: f.Bytes, HeaderSHA256: f.HeaderSHA256})
	}
	return s
}

// write writes run.json.
func (r *Run) write(w io.Writer) error {
	enc := json.NewEncoder(plainjson.Writer{W: w})
	enc.SetIndent("", " ")
	return enc.Encode(r)
}

// maxRunBytes bounds the size of a run.json that is read: a million tensors have about a
// quarter of it.
const maxRunBytes = 1 << 30

// readRun reads the run.json of a folder.
func readRun(dir string) (*Run, error) {
	name := filepath.Join(dir, runName)
	info, err := os.Stat(name)
	if err != nil {
		if tables, _ := filepath.Glob(filepath.Join(escapeGlob(dir), "metrics", "results_*.csv")); len(tables) > 0 {
			return nil, fmt.Errorf("%s: %w", dir, ErrOld)
		}
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, checkpoint.Corruptf("%s: not a regular file", name)
	}
	if info.Size() > maxRunBytes {
		return nil, checkpoint.Corruptf("%s: %d bytes, above %d", name, info.Size(), maxRunBytes)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var v struct {
		Version int `json:"v"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, checkpoint.Corruptf("%s: line %d: %w", name, 1+bytes.Count(data[:syntax.Offset], []byte{'\n'}), err)
		}
		return nil, checkpoint.Corruptf("%s: %w", name, err)
	}
	switch {
	case v.Version == 1:
		return nil, fmt.Errorf("%s: %w", dir, ErrOld)
	case v.Version != version:
		return nil, checkpoint.Unsupportedf("%s: version %d of the layout, this program reads %d", name, v.Version, version)
	}
	r := &Run{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, checkpoint.Corruptf("%s: %w", name, err)
	}
	if err := r.check(); err != nil {
		return nil, checkpoint.Corruptf("%s: %w", name, err)
	}
	return r, nil
}

// check reports what no writer writes.
func (r *Run) check() error {
	if len(r.RowFiles) == 0 {
		return errors.New("no file of rows is named")
	}
	for i, f := range r.RowFiles {
		// Publish removes the files of an earlier run: they must be files of rows.
		if path.Clean(f) != f || path.Dir(f) != rowsName || path.Ext(f) != rowsExt || !filepath.IsLocal(filepath.FromSlash(f)) {
			return fmt.Errorf("%s is no file of rows below it", checkpoint.Quote(f))
		}
		if slices.Contains(r.RowFiles[:i], f) {
			return fmt.Errorf("the file of rows %s is named twice", checkpoint.Quote(f))
		}
	}
	for _, f := range r.Outputs {
		if path.Clean(f) != f || !filepath.IsLocal(filepath.FromSlash(f)) || f == runName || strings.HasPrefix(f, ".") {
			return fmt.Errorf("%s is no output", checkpoint.Quote(f))
		}
	}
	if err := r.Options.Validate(); err != nil {
		return err
	}
	for i, l := range r.Options.Levels {
		if slices.Contains(r.Options.Levels[:i], l) {
			return fmt.Errorf("level %s is given twice", l.Name())
		}
	}
	if err := r.plan().Validate(); err != nil {
		return err
	}
	if r.Outcome != nil {
		return r.Outcome.check()
	}
	return nil
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
