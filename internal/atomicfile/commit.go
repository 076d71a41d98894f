package atomicfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// A journal says what remains to be done to a set of files. Every step can be done again:
// a process may die after any of them.
type journal struct {
	// Undo has the steps taken back.
	Undo  bool   `json:"undo"`
	Steps []step `json:"steps"`
}

// A step puts the file Temp in the place of Path, or removes Path if Temp is empty. Backup is
// a second name of what Path was, and empty if there was nothing. Names are relative to
// the folder of the journal as far as they lie below it.
type step struct {
	Temp   string `json:"temp,omitempty"`
	Path   string `json:"path"`
	Backup string `json:"backup,omitempty"`
}

// Operations of the file system, for tests that fail in any of them.
var (
	rename = os.Rename
	link   = os.Link
	remove = os.Remove
	write  = writeSynced
)

// Commit puts all files in their places, where they replace what is there, and removes those
// that are to be removed. name is that of the journal, in a folder that exists and below
// which all files are, or anywhere. If a step fails, Commit takes back those before it,
// discards the set and returns the error.
func (s *Set) Commit(name string) error {
	var j journal
	for _, f := range s.files {
		j.Steps = append(j.Steps, step{Temp: f.temp, Path: f.path})
	}
	for _, path := range s.remove {
		if !slices.ContainsFunc(s.files, func(f pending) bool { return f.path == path }) {
			j.Steps = append(j.Steps, step{Path: path})
		}
	}
	decided, err := s.commit(name, &j)
	if decided {
		// The rest is up to the journal, if it is still there.
		s.files, s.remove, s.dirs = nil, nil, nil
		return err
	}
	s.Discard()
	return err
}

// commit is Commit. decided says that the steps are done, or will be by Recover.
func (s *Set) commit(name string, j *journal) (decided bool, err error) {
	for i := range j.Steps {
		st := &j.Steps[i]
		if _, err := os.Lstat(st.Path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		st.Backup = s.tempName(filepath.Dir(st.Path))
		if err := secondName(st.Path, st.Backup); err != nil {
			j.forget()
			return false, err
		}
	}
	// The journal that takes the steps back is written beforehand: when a step fails, the
	// disk may be full.
	back := &journal{Undo: true, Steps: j.Steps}
	undo, redo := name+".undo"+tempSuffix, name+tempSuffix
	for _, w := range []struct {
		name string
		j    *journal
	}{{undo, back}, {redo, j}} {
		if err = w.j.write(w.name); err != nil {
			break
		}
	}
	if err == nil {
		err = rename(redo, name)
	}
	if err != nil {
		os.Remove(undo)
		os.Remove(redo)
		j.forget()
		return false, err
	}
	if err = j.run(); err == nil {
		os.Remove(undo)
		_ = j.end(name) // the change is made; a journal that stays has nothing left to do
		return true, nil
	}
	// From here on all is taken back, also if this process does not live to do it.
	if e := rename(undo, name); e != nil {
		return true, errors.Join(err, e)
	}
	if e := back.run(); e != nil {
		return true, errors.Join(err, e)
	}
	e := back.end(name)
	return e != nil, errors.Join(err, e)
}

// write writes the journal to a new file.
func (j *journal) write(name string) error {
	dir := filepath.Dir(name)
	relative := journal{Undo: j.Undo}
	for _, st := range j.Steps {
		relative.Steps = append(relative.Steps, step{below(dir, st.Temp), below(dir, st.Path), below(dir, st.Backup)})
	}
	data, err := json.Marshal(relative)
	if err != nil {
		return err
	}
	return write(name, data)
}

// secondName gives a file another name or, on a file system that has no second names,
// copies it.
func secondName(path, name string) error {
	if err := link(path, name); err == nil {
		return nil
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &fs.PathError{Op: "replace", Path: path, Err: errors.New("not a regular file")}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return write(name, data)
}

func writeSynced(name string, data []byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if e := f.Sync(); err == nil {
		err = e
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// below returns path relative to dir if it lies below it.
func below(dir, path string) string {
	if rel, err := filepath.Rel(dir, path); path != "" && err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return path
}

// run does the steps, or takes them back.
func (j *journal) run() error {
	for _, st := range j.Steps {
		var err error
		switch {
		case j.Undo && st.Backup != "":
			err = rename(st.Backup, st.Path)
		case j.Undo && st.Temp != "":
			err = undoNew(st)
		case j.Undo:
		case st.Temp != "":
			err = rename(st.Temp, st.Path)
		default:
			err = remove(st.Path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// undoNew removes a file that took the place of nothing, if it has done so.
func undoNew(st step) error {
	if _, err := os.Lstat(st.Temp); err == nil {
		return nil // it has not
	}
	return remove(st.Path)
}

// end removes the journal and what is left of the steps.
func (j *journal) end(name string) error {
	if err := remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	j.forget()
	return nil
}

// forget removes the second names and, of steps that were taken back, the temporary files.
func (j *journal) forget() {
	for _, st := range j.Steps {
		if st.Backup != "" {
			os.Remove(st.Backup)
		}
		if j.Undo && st.Temp != "" {
			os.Remove(st.Temp)
		}
	}
}

// maxJournalBytes bounds a journal that is read.
const maxJournalBytes = 64 << 20

// Recover finishes what the journal called name says, if there is one: a process died
// between two steps. It changes only files below the folder of the journal.
func Recover(name string) error {
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() || info.Size() > maxJournalBytes {
		return fmt.Errorf("%s: not a journal of wwq-fast: remove it", name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var j journal
	if err := json.Unmarshal(data, &j); err != nil {
		return fmt.Errorf("%s: not a journal of wwq-fast: %w: remove it", name, err)
	}
	dir := filepath.Dir(name)
	for i := range j.Steps {
		st := &j.Steps[i]
		for _, path := range []*string{&st.Temp, &st.Path, &st.Backup} {
			if *path == "" {
				continue
			}
			if !filepath.IsLocal(filepath.FromSlash(*path)) {
				return fmt.Errorf("%s: names %q, which is not below its folder: remove it", name, *path)
			}
			*path = filepath.Join(dir, filepath.FromSlash(*path))
		}
	}
	if err := j.run(); err != nil {
		return err
	}
	os.Remove(name + ".undo" + tempSuffix)
	return j.end(name)
}
