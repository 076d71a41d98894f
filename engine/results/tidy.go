package results

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/internal/atomicfile"
)

// Check reports whether the results of a run can be written to the folder dir: it can be
// made and written to and, unless overwrite is set, holds no results of another model. The
// same model means the same contents: Check reads a few tensors that the run there has
// hashed. The error wraps ErrAnotherModel if they differ. It leaves nothing behind, and
// first finishes what a process that died has left.
func Check(dir string, src checkpoint.Source, plan *engine.Plan, overwrite bool) error {
	// A file may also stand where a folder above it should be.
	for d := dir; ; d = filepath.Dir(d) {
		if info, err := os.Stat(d); err == nil && !info.IsDir() {
			return fmt.Errorf("%s is a file, and results are kept in a folder; name another one: %w", d, syscall.ENOTDIR)
		} else if err == nil || d == filepath.Dir(d) {
			break
		}
	}
	if err := tidy(dir); err != nil {
		return err
	}
	var set, made atomicfile.Set
	// Folders that were made are removed before the lock is given back.
	unlock, err := makeLocked(dir, &made)
	if err != nil {
		return err
	}
	defer unlock()
	defer made.Discard()
	defer set.Discard()
	for _, name := range []string{runName, "analysis_report.txt", "metrics/quantization_comparison.csv", "metrics/probe", "plots/probe", rowsName + "/probe"} {
		if err := set.Probe(below(dir, name)); err != nil {
			return err
		}
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

// makeLocked makes a folder that is not there, as part of a set, and locks it.
func makeLocked(dir string, made *atomicfile.Set) (unlock func(), err error) {
	for {
		if err := made.MkdirAll(dir); err != nil {
			made.Discard()
			return nil, err
		}
		unlock := lockFolder(dir)
		if _, err := os.Stat(dir); err == nil {
			return unlock, nil
		}
		unlock() // of nothing: another process has removed the folder
	}
}

// sample compares the smallest, the largest and the middle one of the tensors of a run,
// which lies in dir, with those of a checkpoint.
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
	n := len(common)
	for _, i := range []int{0, n / 2, n - 1} {
		if n == 0 {
			break
		}
		t := common[i]
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

// hashes returns those of the tensors of the run, which lies in dir, by name: from run.json
// or, of runs that did not come to their end, from the rows.
func (r *Run) hashes(dir string) (map[string]string, error) {
	all := map[string]string{}
	for i := range r.Tensors {
		if t := &r.Tensors[i]; t.SHA256 != "" {
			all[t.Name] = t.SHA256
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	in := newReader(r.plan(), r.levels())
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
	if !old.alike(w.run.plan()) {
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

// files returns the files of a run, which lies in dir, but run.json: those that it lists,
// and all that have the names that this program gives, from whatever run they come.
func (r *Run) files(dir string) []string {
	var all []string
	if r != nil {
		all = slices.Concat(r.RowFiles, r.Outputs)
	}
	for _, sub := range []string{"metrics", "plots", rowsName, "."} {
		entries, _ := os.ReadDir(below(dir, sub))
		for _, e := range entries {
			if name := path.Join(sub, e.Name()); e.Type().IsRegular() && ours(name) && !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// outputs are the files that this program has always made, but those with the name of a
// level or a run.
var outputs = []string{
	"metrics/quantization_comparison.csv", "metrics/quantization_errors.csv", "analysis_report.txt",
	"plots/alpha_distributions.png", "plots/alpha_comparison_boxplot.png", "plots/alpha_statistics_summary.png",
	"plots/layerwise_alpha_comparison.png", "plots/spectral_norms_comparison.png",
}

// ours reports whether a name is that of a file that this program makes.
func ours(name string) bool {
	if slices.Contains(outputs, name) {
		return true
	}
	if level, ok := strings.CutPrefix(name, "metrics/results_"); ok {
		_, err := quant.Parse(strings.TrimSuffix(level, ".csv"))
		return err == nil && strings.HasSuffix(level, ".csv")
	}
	id, ok := strings.CutPrefix(name, rowsName+"/")
	id, ok2 := strings.CutSuffix(id, rowsExt)
	_, err := hex.DecodeString(id)
	return ok && ok2 && err == nil && len(id) == 8
}

// Unfinished lists the folders of unfinished runs in dir that can be opened.
func Unfinished(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var all []string
	for _, e := range entries {
		run := filepath.Join(dir, e.Name())
		if _, err := os.Stat(filepath.Join(run, runName)); strings.HasPrefix(e.Name(), unfinishedPrefix) && err == nil {
			all = append(all, run)
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
	begun, _ := filepath.Glob(filepath.Join(escapeGlob(dir), beginningPrefix+"*"))
	for _, run := range begun {
		if info, err := os.Lstat(run); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.RemoveAll(run)
		}
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
		if err != nil || !slices.Equal(r.Files, w.run.Files) || !r.alike(w.run.plan()) {
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
