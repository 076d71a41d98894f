// Package atomicfile changes sets of files together or not at all, whatever happens
// between any two system calls. New files are written and synced under temporary names.
// When all are complete, a journal is written that names every step; from then on the
// change is decided. An error in a step takes all steps back. If the process dies between
// two steps, [Recover], which has to be called before the files are read or changed again,
// finishes what the journal says.
package atomicfile

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A Set collects new files under temporary names, which [Set.Commit] puts in their places,
// and files to remove. The zero value is an empty set. A Set is not safe for concurrent
// use; different sets are independent as long as their files are.
type Set struct {
	// Tag is a part of the temporary names, so that those of a process that died can be
	// told from others: see [Sweep]. It has letters and digits only.
	Tag string

	files  []pending
	remove []string
	dirs   []string // directories made for this set, outermost first
}

type pending struct{ temp, path string }

const (
	tempPrefix = ".wwq-"
	tempSuffix = ".tmp"
)

// tempName returns a new temporary name in dir.
func (s *Set) tempName(dir string) string {
	return filepath.Join(dir, tempPrefix+s.Tag+"-"+rand.Text()+tempSuffix)
}

// Sweep removes the temporary files in dir of sets whose tag live does not know, and those
// without a tag. It does not look into folders below.
func Sweep(dir string, live func(tag string) bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), tempPrefix)
		if rest, ok2 := strings.CutSuffix(rest, tempSuffix); ok && ok2 && e.Type().IsRegular() {
			if tag, _, _ := strings.Cut(rest, "-"); tag == "" || !live(tag) {
				os.Remove(filepath.Join(dir, e.Name()))
			}
		}
	}
}

// Add writes a file that Commit moves to path: it makes the missing directories of
// path, calls write with a buffered temporary file in the same directory, and syncs
// that file. A path that is a symbolic link stands for what it leads to, which must exist.
// If Add fails it removes the temporary file; the error names path, which must
// not be a directory: no file can take its place. The directories that Add makes stay
// until [Set.Discard].
func (s *Set) Add(path string, write func(io.Writer) error) (err error) {
	if err := s.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	if path, err = resolve(path); err != nil {
		return err
	}
	// os.CreateTemp would make the file private to its owner; the umask decides who
	// may read results.
	f, err := os.OpenFile(s.tempName(filepath.Dir(path)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		f.Close()
		os.Remove(f.Name())
		// The user does not know the temporary name.
		var pathErr *fs.PathError
		if errors.As(err, &pathErr) && pathErr.Path == f.Name() {
			pathErr.Path = path
		}
	}()
	w := bufio.NewWriter(f)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	s.files = append(s.files, pending{f.Name(), path})
	return nil
}

// Probe reports whether Add could write a file at path, but for the room that it takes. It
// makes the missing directories of path, as Add does.
func (s *Set) Probe(path string) error {
	if err := s.MkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	path, err := resolve(path)
	if err != nil {
		return err
	}
	name := s.tempName(filepath.Dir(path))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	f.Close()
	if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil // another process has swept it away
}

// Remove has Commit remove a file, if it is there and no file of the set takes its place.
func (s *Set) Remove(path string) { s.remove = append(s.remove, path) }

// resolve returns where a file of the given path is: path itself or, of a symbolic link,
// what it leads to.
func resolve(path string) (string, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path, nil
	case err != nil:
		return "", err
	case info.Mode()&fs.ModeSymlink != 0:
		if path, err = filepath.EvalSymlinks(path); err != nil {
			return "", err
		}
		info, err = os.Stat(path)
	}
	if err == nil && info.IsDir() {
		err = &fs.PathError{Op: "write", Path: path, Err: syscall.EISDIR}
	}
	return path, err
}

// MkdirAll makes dir and those above it that are missing. Discard removes those that it
// made, if they are empty then. A symbolic link that leads nowhere is an error.
func (s *Set) MkdirAll(dir string) error {
	var missing []string
	for d := dir; ; d = filepath.Dir(d) {
		_, err := os.Stat(d)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if info, e := os.Lstat(d); e == nil && info.Mode()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%s is a link to a folder that is not there; make that folder, or name another one: %w", d, syscall.ENOENT)
		}
		missing = append(missing, d)
		if d == filepath.Dir(d) {
			break
		}
	}
	for i := len(missing) - 1; i >= 0; i-- {
		err := os.Mkdir(missing[i], 0o777)
		switch {
		case err == nil:
			s.dirs = append(s.dirs, missing[i])
		case !errors.Is(err, fs.ErrExist):
			return err
		}
	}
	return nil
}

// Discard removes the temporary files of the set, and of the directories that Add has
// made those that are empty. It does nothing after a successful Commit.
func (s *Set) Discard() {
	for _, f := range s.files {
		os.Remove(f.temp)
	}
	for i := len(s.dirs) - 1; i >= 0; i-- {
		os.Remove(s.dirs[i]) // fails if the directory is not empty
	}
	s.files, s.remove, s.dirs = nil, nil, nil
}
