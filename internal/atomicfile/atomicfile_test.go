package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func TestCommit(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "new", "deep", "b")
	if err := os.WriteFile(a, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	var s Set
	for path, content := range map[string]string{a: "new a", b: "new b"} {
		if err := s.Add(path, text(content)); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := os.ReadFile(a); string(got) != "old" {
		t.Errorf("before Commit: a holds %q", got)
	}
	if err := s.Commit(filepath.Join(t.TempDir(), "journal")); err != nil {
		t.Fatal(err)
	}
	s.Discard()
	for path, content := range map[string]string{a: "new a", b: "new b"} {
		if got, _ := os.ReadFile(path); string(got) != content {
			t.Errorf("%s holds %q, want %q", path, got, content)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".wwq-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("broken")
	var s Set
	if err := s.Add(filepath.Join(dir, "x", "ok"), text("ok")); err != nil {
		t.Fatal(err)
	}
	err := s.Add(filepath.Join(dir, "x", "y", "bad"), func(io.Writer) error { return broken })
	if !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	s.Discard()
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestDirectoryIsAFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var s Set
	if err := s.Add(filepath.Join(file, "sub", "x"), text("x")); err == nil {
		t.Error("wrote below a file")
	}
}

// TestFileIsADirectory: no file can take the place of a directory, which shows before
// any file is renamed.
func TestFileIsADirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o777); err != nil {
		t.Fatal(err)
	}
	var s Set
	err := s.Add(filepath.Join(dir, "d"), text("x"))
	if !errors.Is(err, syscall.EISDIR) {
		t.Errorf("error %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

// TestCommitFails: a file that cannot be put in its place ends Commit with its error, and
// nothing else of the set appears.
func TestCommitFails(t *testing.T) {
	dir := t.TempDir()
	var s Set
	for _, name := range []string{"a", "b", "c"} {
		if err := s.Add(filepath.Join(dir, "new", name), text(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "new", "b"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(filepath.Join(t.TempDir(), "journal")); err == nil {
		t.Fatal("a file has taken the place of a directory")
	}
	left, _ := os.ReadDir(filepath.Join(dir, "new"))
	if len(left) != 1 || left[0].Name() != "b" {
		t.Errorf("left behind: %v", left)
	}
}

// TestWriterKeepsItsError: an error about the temporary file names the path of the caller,
// and one of the writer is handed on as it is.
func TestWriterKeepsItsError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	var s Set
	err := s.Add(path, func(w io.Writer) error {
		left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".wwq-*"))
		if len(left) != 1 {
			t.Fatalf("temporary files %q", left)
		}
		return &fs.PathError{Op: "write", Path: left[0], Err: syscall.ENOSPC}
	})
	if !errors.Is(err, syscall.ENOSPC) || err.Error() != "write "+path+": "+syscall.ENOSPC.Error() {
		t.Errorf("error %v", err)
	}
}
