// Package atomicfile writes sets of files that appear all together or not at
// all, as far as a file system allows.
package atomicfile

import (
	"bufio"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A Set collects new files under temporary names and moves them to their places
// in Commit. It is not safe for concurrent use; different sets are independent.
type Set struct {
	files []pending
	dirs  []string // made for this set, outermost first
}

type pending struct{ temp, path string }

// Add writes a file at path by calling write, and its directories as needed. The
// file appears in its place only with Commit. On an error nothing of it is left.
func (s *Set) Add(path string, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	if err := s.MkdirAll(dir); err != nil {
		return err
	}
	// Not os.CreateTemp, which makes files private: results are for everyone the
	// umask allows.
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
		// The user knows the file by its own name.
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

// Commit moves all files to their places.
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

// Discard removes what was not committed, and the directories made for it that
// are empty. It does nothing after Commit.
func (s *Set) Discard() {
	for _, f := range s.files {
		os.Remove(f.temp)
	}
	for i := len(s.dirs) - 1; i >= 0; i-- {
		os.Remove(s.dirs[i]) // fails if something else was put there
	}
	s.files, s.dirs = nil, nil
}
