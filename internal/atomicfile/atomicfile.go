// Package atomicfile writes sets of files that appear together or not at all, as
// far as a file system allows: the files are written and synced under temporary
// names, and only when all are complete are they renamed, one after the other.
package atomicfile

import (
	"bufio"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// A Set collects new files under temporary names, which [Set.Commit] renames. The zero
// value is an empty set. A Set is not safe for concurrent use; different sets are
// independent.
type Set struct {
	files []pending
	dirs  []string // directories made for this set, outermost first
}

type pending struct{ temp, path string }

// Add writes a file that Commit moves to path: it makes the missing directories of
// path, calls write with a buffered temporary file in the same directory, and syncs
// that file. If Add fails it removes the temporary file; the error names path, which must
// not be a directory: no file can take its place. The directories that Add makes stay
// until [Set.Discard].
func (s *Set) Add(path string, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	if err := s.MkdirAll(dir); err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && info.IsDir() {
		return &fs.PathError{Op: "write", Path: path, Err: syscall.EISDIR}
	}
	// os.CreateTemp would make the file private to its owner; the umask decides who
	// may read results.
	f, err := os.OpenFile(filepath.Join(dir, ".wwq-"+rand.Text()+".tmp"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
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

// MkdirAll makes dir and those above it that are missing. Discard removes those that it
// made, if they are empty then.
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
		missing = append(missing, d)
		if d == filepath.Dir(d) {
			break
		}
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := os.Mkdir(missing[i], 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		s.dirs = append(s.dirs, missing[i])
	}
	return nil
}

// Commit renames all files to their paths, in the order in which they were added, and
// replaces files that are there. If one cannot be renamed, Commit discards the rest and
// returns the error; files renamed before it stay.
func (s *Set) Commit() error {
	for len(s.files) > 0 {
		f := s.files[0]
		if err := os.Rename(f.temp, f.path); err != nil {
			s.Discard()
			return err
		}
		s.files = s.files[1:]
	}
	s.dirs = nil
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
	s.files, s.dirs = nil, nil
}
