package results

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/internal/atomicfile"
	"github.com/wwq-fast/wwq-fast/internal/plainjson"
)

// ErrOld is returned for results of version 0.1.0, which kept tables only. Test with
// errors.Is.
var ErrOld = errors.New("results of wwq-fast 0.1.0, which kept tables only: run wwq-fast analyze again")

// ErrReplaced is returned where another run has taken the place of the one in a folder. Test
// with errors.Is.
var ErrReplaced = errors.New("another run has taken the place of this one")

// ErrAnotherModel is returned where a folder holds the results of another model. Test with
// errors.Is.
var ErrAnotherModel = errors.New("results of another model")

// Labels are what tables say beside numbers, and what may become of an earlier run.
type Labels struct {
	Model  string // the name of the model
	Compat bool   // failed fits are written as WeightWatcher writes them
	// Overwrite allows the results of another model to be replaced.
	Overwrite bool
}

// Add adds a file, with a path below the folder of the results, to those that are to be
// published together.
type Add func(name string, write func(io.Writer) error) error

// A Writer takes in the rows of one run. It is an [engine.Sink].
type Writer struct {
	dir  string         // of the results
	temp string         // of the unfinished run
	made atomicfile.Set // the folders made for it
	lock *os.File       // held while this process writes the run
	over bool           // the results of another model may be replaced
	run  Run
	rows engine.Memory // what the file holds
	file *os.File
	out  *bufio.Writer
	enc  *json.Encoder
}

// Create begins a run whose results are to be published in the folder dir, which is
// created. The rows of the run are those of the plan, or of a part of it.
//
// It first finishes what a process that died has left: see [Open].
func Create(dir string, src engine.SourceInfo, plan *engine.Plan, opts engine.Options, labels Labels) (*Writer, error) {
	if err := tidy(dir); err != nil {
		return nil, err
	}
	id := make([]byte, 4)
	_, _ = rand.Read(id) // never fails
	w := &Writer{dir: dir, over: labels.Overwrite, run: Run{
		Version: version, ID: hex.EncodeToString(id),
		Model: src.Path, ModelName: labels.Model, Format: src.Format,
		Options: opts, Compat: labels.Compat, Plan: plan.Tensors, Shape: plan.Model,
	}}
	for _, f := range src.Files {
		w.run.Files = append(w.run.Files, File{f.Name, f.Size, f.HeaderSHA256})
	}
	w.run.RowFiles = []string{path.Join(rowsName, w.run.ID+rowsExt)}
	w.temp = filepath.Join(dir, unfinishedPrefix+w.run.ID)
	if err := w.create(); err != nil {
		w.Discard()
		return nil, err
	}
	return w, nil
}

// create makes the folder of the unfinished run.
func (w *Writer) create() error {
	unlock, err := makeLocked(w.dir, &w.made)
	if err != nil {
		return err
	}
	defer unlock()
	// Other processes take an unfinished run without a lock and rows for a dead one: it
	// gets its name when it is locked.
	early := filepath.Join(w.dir, beginningPrefix+w.run.ID)
	if err := w.made.MkdirAll(early); err != nil {
		return err
	}
	if w.lock, err = acquire(filepath.Join(early, lockName)); err != nil {
		return err
	}
	if err := os.Rename(early, w.temp); err != nil {
		os.RemoveAll(early)
		return err
	}
	if err := w.made.MkdirAll(filepath.Join(w.temp, rowsName)); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(w.temp, runName))
	if err != nil {
		return err
	}
	err = w.run.write(f)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if w.file, err = os.Create(filepath.Join(w.temp, filepath.FromSlash(w.run.RowFiles[0]))); err != nil {
		return err
	}
	w.out = bufio.NewWriter(w.file)
	w.enc = json.NewEncoder(plainjson.Writer{W: w.out})
	w.enc.SetEscapeHTML(false)
	return nil
}

// Dir returns the folder of the unfinished run, which [Open] reads.
func (w *Writer) Dir() string { return w.temp }

// Row writes a row, so that it survives the process.
func (w *Writer) Row(r engine.Row) error {
	if err := w.line(lineOf(&r)); err != nil {
		return err
	}
	return w.rows.Row(r)
}

// Tensor writes what became of a tensor without rows.
func (w *Writer) Tensor(r engine.TensorRecord) error {
	if err := w.line(line{Tensor: &tensorLine{Name: r.Tensor, SHA256: r.SHA256, Reason: r.Reason}}); err != nil {
		return err
	}
	return w.rows.Tensor(r)
}

func (w *Writer) line(l line) error {
	if err := w.enc.Encode(l); err != nil {
		return err
	}
	return w.out.Flush()
}

// Finish ends the rows with the outcome of the run and returns its result: the one that
// [Open] returns for them and, if they were kept, the eigenvalues, which are not stored.
func (w *Writer) Finish(o *engine.Outcome) (*engine.Result, error) {
	outcome := outcomeOf(o)
	err := w.line(line{Outcome: &outcome})
	if e := w.file.Close(); err == nil {
		err = e
	}
	w.file = nil
	if err != nil {
		return nil, err
	}
	c := content{rows: w.rows.Rows, records: w.rows.Records, outcomes: []Outcome{outcome}}
	res := w.run.result(&c)
	w.run.Outcome, w.run.Tensors = &outcome, res.Tensors
	return res, nil
}

// Publish puts the finished run, and the files that render adds, in the place of the run
// that the folder of the results held, whose files it removes. If one cannot be written,
// none appears and the earlier run stays as it was. The error wraps ErrAnotherModel if that is
// one of another model, unless it may be overwritten.
func (w *Writer) Publish(render func(Add) error) error {
	defer lockFolder(w.dir)()
	old, _ := readRun(w.dir)
	if old != nil && !w.over {
		if err := w.sameModel(old); err != nil {
			return err
		}
	}
	set := atomicfile.Set{Tag: w.run.ID}
	defer set.Discard()
	for _, name := range w.run.RowFiles {
		if err := set.Add(below(w.dir, name), func(out io.Writer) error { return copyFile(out, below(w.temp, name)) }); err != nil {
			return err
		}
	}
	w.run.Outputs = nil
	if err := w.run.publish(&set, w.dir, render); err != nil {
		return err
	}
	for _, name := range old.files(w.dir) {
		set.Remove(below(w.dir, name))
	}
	if err := set.Commit(filepath.Join(w.dir, journalName)); err != nil {
		return err
	}
	w.supersede()
	return nil
}

// PublishMore adds files to a run that was published.
func (w *Writer) PublishMore(render func(Add) error) error {
	return w.run.publishMore(w.dir, render)
}

// PublishUnfinished puts the files that render adds into the folder of the unfinished run,
// beside its rows. The run that the folder of the results holds stays as it is.
func (w *Writer) PublishUnfinished(render func(Add) error) error {
	return w.run.publishMore(w.temp, render)
}

// Publish puts the files that render adds into the folder dir: all of them or, on an error,
// none.
func Publish(dir string, render func(Add) error) error {
	defer lockFolder(dir)()
	if err := atomicfile.Recover(filepath.Join(dir, journalName)); err != nil {
		return err
	}
	var set atomicfile.Set
	defer set.Discard()
	if err := render(func(name string, write func(io.Writer) error) error { return set.Add(below(dir, name), write) }); err != nil {
		return err
	}
	return set.Commit(filepath.Join(dir, journalName))
}

// Publish puts the files that render adds into the folder dir of a run that was opened: all
// of them or, on an error, none.
func (r *Run) Publish(dir string, render func(Add) error) error { return r.publishMore(dir, render) }

func (r *Run) publishMore(dir string, render func(Add) error) error {
	defer lockFolder(dir)()
	if now, err := readRun(dir); err != nil {
		return err
	} else if now.ID != r.ID {
		return fmt.Errorf("%s: %w", dir, ErrReplaced)
	}
	set := atomicfile.Set{Tag: r.ID}
	defer set.Discard()
	if err := r.publish(&set, dir, render); err != nil {
		return err
	}
	return set.Commit(filepath.Join(dir, journalName))
}

// publish adds what render adds to a set, and run.json, which lists it.
func (r *Run) publish(set *atomicfile.Set, dir string, render func(Add) error) error {
	if err := render(func(name string, write func(io.Writer) error) error {
		if !slices.Contains(r.Outputs, name) {
			r.Outputs = append(r.Outputs, name)
		}
		return set.Add(below(dir, name), write)
	}); err != nil {
		return err
	}
	return set.Add(below(dir, runName), r.write)
}

// below returns the path of a name with slashes below a folder.
func below(dir, name string) string { return filepath.Join(dir, filepath.FromSlash(name)) }

func copyFile(out io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(out, f)
	return err
}

// Close ends the writing. The folder of the unfinished run stays.
func (w *Writer) Close() {
	if w.file != nil {
		w.file.Close()
		w.file = nil
	}
	if w.lock != nil {
		w.lock.Close()
		w.lock = nil
	}
}

// Discard removes the folder of the unfinished run, and that of the results if it was
// made for it and is empty. It is to be called after Publish, too, unless the rows are to be
// kept: then Close is.
func (w *Writer) Discard() {
	w.Close()
	_ = os.RemoveAll(w.temp)
	w.made.Discard()
}

// Open reads the run in the folder dir and merges its rows. If a process died while it put
// files into the folder, Open first finishes that. Results of version 0.1.0 give
// an error that wraps ErrOld, a folder without results one that wraps fs.ErrNotExist, and
// files that are not as this package writes them one of class checkpoint.ErrCorrupt or
// checkpoint.ErrUnsupported.
func Open(dir string) (*Run, *engine.Result, error) {
	defer lockFolder(dir)()
	if err := atomicfile.Recover(filepath.Join(dir, journalName)); err != nil {
		return nil, nil, err
	}
	run, err := readRun(dir)
	if err != nil {
		return nil, nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	r := newReader(run.plan(), run.levels())
	for _, name := range run.RowFiles {
		if err := r.file(root, name); err != nil {
			return nil, nil, err
		}
	}
	return run, run.result(&r.content), nil
}

// levels returns the levels of the run in the order of its tables.
func (r *Run) levels() []quant.Recipe {
	return slices.SortedFunc(slices.Values(r.Options.Levels), quant.Compare)
}

// result merges what the files of rows of the run hold.
func (r *Run) result(c *content) *engine.Result {
	res := &engine.Result{Source: r.source(), Options: r.Options, Levels: r.levels(), Outcome: c.outcome(len(r.RowFiles))}
	res.Tensors, res.Rows = engine.Merge(r.plan(), &r.Options, c.rows, c.records)
	res.SortLevels()
	return res
}

// outcome returns that of all writers: the first's environment, the longest time, all
// warnings; interrupted if some writer was, or did not come to its end.
func (c *content) outcome(writers int) engine.Outcome {
	var all engine.Outcome
	for i := range c.outcomes {
		o := c.outcomes[i].engine()
		if i == 0 {
			all = o
			continue
		}
		all.Elapsed = max(all.Elapsed, o.Elapsed)
		all.Interrupted = all.Interrupted || o.Interrupted
		for _, w := range o.Warnings {
			if !slices.Contains(all.Warnings, w) {
				all.Warnings = append(all.Warnings, w)
			}
		}
	}
	all.Interrupted = all.Interrupted || len(c.outcomes) < writers
	return all
}
