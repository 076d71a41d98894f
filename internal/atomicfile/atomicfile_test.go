package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
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
	if err := s.Commit(); err != nil {
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
