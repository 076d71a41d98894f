package results

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/atomicfile"
)

// Check reports whether the results of a run can be written to the folder dir: it can be
// made and written to and, unless overwrite is set, holds no results of another model. The
// same model means the same contents: Check reads a few tensors that the run there has
// hashed. The error wraps ErrAnotherModel if they differ. It leaves nothing behind, and
// first finishes what a process that died has left.
func Check(dir string, src checkpoint.Source, plan *engine.Plan, overwrite bool) error {
	if err := tidy(dir); err != nil {
		return err
	}
	var set atomicfile.Set
	defer set.Discard()
	if err := set.Add(filepath.Join(dir, "metrics", "probe"), func(io.Writer) error { return nil }); err != nil {
		return err
	}
	if overwrite {
		return nil
	}
	old, err := readRun(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, ErrOld):
		return fmt.Errorf("%s holds tables of wwq-fast 0.1.0, perhaps %w", dir, ErrAnotherModel)
	case err != nil:
		return fmt.Errorf("%s holds a run that cannot be read, perhaps %w: %w", dir, ErrAnotherModel, err)
	}
	return old.sample(dir, src, plan)
}

// samples is how many tensors are read to tell one model from another.
const samples = 3

// sample compares the smallest tensors of a run, which lies in dir, with those of a
// checkpoint.
func (r *Run) sample(dir string, src checkpoint.Source, plan *engine.Plan) error {
	hashes, err := r.hashes(dir)
	if err != nil {
		return fmt.Errorf("%s holds a run that cannot be read, perhaps %w: %w", dir, ErrAnotherModel, err)
	}
	stored := map[string]*checkpoint.Tensor{}
	for i := range src.Tensors() {
		t := &src.Tensors()[i]
		stored[t.Name] = t
	}
	var common []*checkpoint.Tensor
	for name := range hashes {
		if t := stored[name]; t != nil {
			common = append(common, t)
		}
	}
	if !r.alike(plan) {
		return r.another(dir, "its tensors have other names, shapes or types")
	}
	slices.SortFunc(common, func(a, b *checkpoint.Tensor) int {
		if a.Size != b.Size {
			return int(min(max(a.Size-b.Size, -1), 1))
		}
		return strings.Compare(a.Name, b.Name)
	})
	for _, t := range common[:min(samples, len(common))] {
		data := make([]byte, t.Size)
		if err := src.ReadTensor(data, t); err != nil {
			return err
		}
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != hashes[t.Name] {
			return r.another(dir, fmt.Sprintf("tensor %s has other weights", checkpoint.Quote(t.Name)))
		}
	}
	return nil
}

// alike reports whether the run is of a checkpoint with the tensors of a plan.
func (r *Run) alike(plan *engine.Plan) bool {
	return slices.EqualFunc(r.Plan, plan.Tensors, func(a, b engine.TensorStatus) bool {
		return a.Name == b.Name && slices.Equal(a.Shape, b.Shape) && a.StoredType() == b.StoredType()
	})
}

// hashes returns those of the tensors of the run, which lies in dir, by name.
func (r *Run) hashes(dir string) (map[string]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	in := newReader(&engine.Plan{Tensors: r.Plan}, r.levels())
	for _, name := range r.RowFiles {
		if err := in.file(root, name); err != nil {
			return nil, err
		}
	}
	return in.hashes, nil
}

func (r *Run) another(dir, why string) error {
	return fmt.Errorf("%s holds %w, %s: %s", dir, ErrAnotherModel, checkpoint.Quote(r.ModelName), why)
}

// sameModel compares all tensors that two runs have hashed, and returns an error that wraps
// ErrAnotherModel if one differs.
func (w *Writer) sameModel(old *Run) error {
	if !old.alike(&engine.Plan{Tensors: w.run.Plan}) {
		return old.another(w.dir, "its tensors have other names, shapes or types")
	}
	hashes, err := old.hashes(w.dir)
	if err != nil {
		return fmt.Errorf("%s holds a run that cannot be read, perhaps %w: %w", w.dir, ErrAnotherModel, err)
	}
	differs := func(tensor, sha256 string) error {
		if h, ok := hashes[tensor]; ok && h != sha256 {
			return old.another(w.dir, fmt.Sprintf("tensor %s has other weights", checkpoint.Quote(tensor)))
		}
		return nil
	}
	for i := range w.rows.Rows {
		if err := differs(w.rows.Rows[i].Layer.Tensor, w.rows.Rows[i].SHA256); err != nil {
			return err
		}
	}
	for _, r := range w.rows.Records {
		if err := differs(r.Tensor, r.SHA256); err != nil {
			return err
		}
	}
	return nil
}

// files returns the files of a run, which lies in dir, but run.json. Runs that do not list
// their outputs have those that this program has always made.
func (r *Run) files(dir string) []string {
	if r == nil {
		r = &Run{}
	}
	all := slices.Concat(r.RowFiles, r.Outputs)
	if len(r.Outputs) > 0 {
		return all
	}
	for _, pattern := range []string{
		"metrics/results_*.csv", "metrics/quantization_comparison.csv", "metrics/quantization_errors.csv", "analysis_report.txt",
		"plots/alpha_*.png", "plots/layerwise_alpha_comparison.png", "plots/spectral_norms_comparison.png",
	} {
		found, _ := filepath.Glob(below(escapeGlob(dir), pattern))
		for _, f := range found {
			info, err := os.Lstat(f)
			if rel, e := filepath.Rel(dir, f); err == nil && e == nil && info.Mode().IsRegular() {
				all = append(all, filepath.ToSlash(rel))
			}
		}
	}
	return all
}

// unfinished lists the folders of unfinished runs in dir whose writers are no more.
func unfinished(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var all []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unfinishedPrefix) && e.IsDir() && !held(filepath.Join(dir, e.Name(), lockName)) {
			all = append(all, filepath.Join(dir, e.Name()))
		}
	}
	return all
}

// recoverFolder finishes a change to dir that was decided.
func recoverFolder(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, journalName)); err != nil {
		return nil
	}
	defer lockFolder(dir)() // of a process that is alive, too
	return atomicfile.Recover(filepath.Join(dir, journalName))
}

// tidy finishes what a process that died has left in dir: a change that was decided, and
// temporary files. Unfinished runs without any row go, too.
func tidy(dir string) error {
	defer lockFolder(dir)()
	if err := atomicfile.Recover(filepath.Join(dir, journalName)); err != nil {
		return err
	}
	live := func(tag string) bool { return held(filepath.Join(dir, unfinishedPrefix+tag, lockName)) }
	for _, sub := range []string{"", "metrics", "plots", rowsName} {
		atomicfile.Sweep(filepath.Join(dir, sub), live)
	}
	for _, run := range unfinished(dir) {
		if rows, _ := filepath.Glob(filepath.Join(escapeGlob(run), rowsName, "*"+rowsExt)); !slices.ContainsFunc(rows, hasContent) {
			_ = os.RemoveAll(run)
		}
	}
	return nil
}

func hasContent(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Size() > 0
}

// supersede removes the unfinished runs of the same checkpoint, all of whose levels the
// run that was published has.
func (w *Writer) supersede() {
	for _, dir := range unfinished(w.dir) {
		r, err := readRun(dir)
		if err != nil || !slices.Equal(r.Files, w.run.Files) || !r.alike(&engine.Plan{Tensors: w.run.Plan}) {
			continue
		}
		names := map[string]bool{}
		for _, l := range w.run.levels() {
			names[l.Name()] = true
		}
		covered := true
		for _, l := range r.levels() {
			covered = covered && names[l.Name()]
		}
		if covered {
			_ = os.RemoveAll(dir)
		}
	}
}
