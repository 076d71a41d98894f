//go:build unix

package results_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/results"
)

// TestHostilePlaces: what is read are regular files in the folder itself.
func TestHostilePlaces(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "x.jsonl")
	if err := os.WriteFile(outside, []byte(goodAll), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(dir string) error{
		"a link out of the folder": func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "rows", "x.jsonl")) },
		"a folder that is a link out of it": func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "rows")), os.Symlink(filepath.Dir(outside), filepath.Join(dir, "rows")))
		},
		"a folder":             func(dir string) error { return os.Mkdir(filepath.Join(dir, "rows", "x.jsonl"), 0o777) },
		"a pipe":               func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "rows", "x.jsonl"), 0o666) },
		"a device":             func(dir string) error { return os.Symlink("/dev/zero", filepath.Join(dir, "rows", "x.jsonl")) },
		"run.json is a folder": func(dir string) error { return replace(dir, func(n string) error { return os.Mkdir(n, 0o777) }) },
		"run.json is a pipe":   func(dir string) error { return replace(dir, func(n string) error { return syscall.Mkfifo(n, 0o666) }) },
		"run.json is a device": func(dir string) error {
			return replace(dir, func(n string) error { return os.Symlink("/dev/zero", n) })
		},
		"run.json is huge": func(dir string) error {
			return os.Truncate(filepath.Join(dir, "run.json"), 1<<31) // with a hole
		},
	} {
		dir := write(t, goodRun, goodAll)
		if err := os.Remove(filepath.Join(dir, "rows", "x.jsonl")); err != nil {
			t.Fatal(err)
		}
		if err := change(dir); err != nil {
			t.Fatal(err)
		}
		if _, _, err := results.Open(dir); !errors.Is(err, checkpoint.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := write(t, goodRun, goodAll)
	if err := os.Remove(filepath.Join(dir, "rows", "x.jsonl")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := results.Open(dir); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, checkpoint.ErrCorrupt) {
		t.Errorf("rows that are not there: %v", err)
	}
	// A link inside of the folder is one of its own files.
	if err := os.WriteFile(filepath.Join(dir, "y"), []byte(goodAll), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../y", filepath.Join(dir, "rows", "x.jsonl")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := results.Open(dir); err != nil {
		t.Errorf("a link inside: %v", err)
	}
}

// replace removes the run.json of a folder and has something else made in its place.
func replace(dir string, put func(name string) error) error {
	name := filepath.Join(dir, "run.json")
	return errors.Join(os.Remove(name), put(name))
}
