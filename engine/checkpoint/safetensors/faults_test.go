package safetensors

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// A faultyFS fails at operation number failAt, counted from 1, and at every later
// operation that a full disk affects.
type faultyFS struct {
	outputFS
	count, failAt int
	failed        string // the operation that failed
}

func (f *faultyFS) fault(operation string) error {
	if f.count++; f.count != f.failAt {
		return nil
	}
	f.failed = operation
	return &fs.PathError{Op: operation, Path: "x", Err: syscall.ENOSPC}
}

func (f *faultyFS) create(name string) (outputFile, error) {
	if err := f.fault("create"); err != nil {
		return nil, err
	}
	file, err := f.outputFS.create(name)
	return &faultyFile{file, f}, err
}

func (f *faultyFS) rename(from, to string) error {
	if err := f.fault("rename"); err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: syscall.ENOSPC}
	}
	return f.outputFS.rename(from, to)
}

func (f *faultyFS) remove(name string) error {
	if f.failed == "" {
		if err := f.fault("remove"); err != nil {
			return err
		}
	}
	return f.outputFS.remove(name)
}

func (f *faultyFS) mkdir(name string) error {
	if err := f.fault("mkdir"); err != nil {
		return err
	}
	return f.outputFS.mkdir(name)
}

type faultyFile struct {
	outputFile
	fs *faultyFS
}

func (f *faultyFile) Write(b []byte) (int, error) {
	if err := f.fs.fault("write"); err != nil {
		n, _ := f.outputFile.Write(b[:len(b)/2])
		return n, err
	}
	return f.outputFile.Write(b)
}

func (f *faultyFile) WriteAt(b []byte, at int64) (int, error) {
	if err := f.fs.fault("write"); err != nil {
		return 0, err
	}
	return f.outputFile.WriteAt(b, at)
}

func (f *faultyFile) Sync() error {
	if err := f.fs.fault("sync"); err != nil {
		return err
	}
	return f.outputFile.Sync()
}

func (f *faultyFile) Close() error {
	err := f.outputFile.Close()
	if fault := f.fs.fault("close"); fault != nil {
		return fault
	}
	return err
}

// TestRewriteFaults makes the first operation on the output fail, then the second, and so
// on until a run passes, as SQLite tests its own writes. After every failure the folder
// must hold no temporary file, and either the files that were there before or, if several
// files were being replaced, none that a reader could mistake for a model.
func TestRewriteFaults(t *testing.T) {
	dir := writeModel(t)
	writeFile(t, filepath.Join(dir, "config.json"), []byte("{}"))
	writeText(t, filepath.Join(dir, "a", "b", "config.json"), "{}")
	src := mustOpen(t, dir)
	for _, existing := range []bool{false, true} {
		passed := false
		for failAt := 1; !passed; failAt++ {
			out := t.TempDir()
			if existing {
				for _, name := range []string{shard1, shard2, src.index.name, "config.json"} {
					writeFile(t, filepath.Join(out, name), []byte("old"))
				}
			}
			faulty := &faultyFS{failAt: failAt}
			_, err := rewrite(context.Background(), src, out, checkpoint.RewriteOptions{Overwrite: existing, Companions: true, SourceHash: "hash"}, func(dir string) (outputFS, error) {
				root, err := os.OpenRoot(dir)
				faulty.outputFS = rootFS{root}
				return faulty, err
			})
			if passed = err == nil; passed {
				if failAt < 10 {
					t.Errorf("only %d operations", failAt)
				}
				mustOpen(t, out)
				break
			}
			text := err.Error()
			if !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(text, out) {
				t.Errorf("%s: error %q, want one of ENOSPC that names the file", faulty.failed, text)
			}
			if strings.Contains("write sync close", faulty.failed) && !strings.Contains(text, " bytes)") {
				t.Errorf("%s: error %q does not name the bytes needed", faulty.failed, text)
			}
			checkAfterFault(t, faulty.failed, out, existing)
		}
	}
}

func checkAfterFault(t *testing.T, operation, out string, existing bool) {
	t.Helper()
	old := 0
	for _, name := range listDir(t, out) {
		if !bytes.Equal(readFile(t, filepath.Join(out, name)), []byte("old")) {
			t.Errorf("%s: %s left behind", operation, name)
		}
		old++
	}
	replacing := operation == "rename" || operation == "mkdir" || operation == "remove"
	if existing && !replacing && old != 4 {
		t.Errorf("%s: %d of 4 existing files left", operation, old)
	}
}

func TestRewriteOpenFault(t *testing.T) {
	src := mustOpen(t, writeModel(t))
	out := filepath.Join(t.TempDir(), "new")
	_, err := rewrite(context.Background(), src, out, checkpoint.RewriteOptions{}, func(string) (outputFS, error) {
		return nil, &fs.PathError{Op: "open", Path: out, Err: syscall.EMFILE}
	})
	checkRefused(t, err, syscall.EMFILE, "new: too many open files")
	if _, err := os.Stat(out); err == nil {
		t.Error("the folder was left behind")
	}
}

// TestIndexFaults reads an index that has become shorter since it was opened, one that
// cannot be read, and one that is too large. Each gives an error that names the file.
func TestIndexFaults(t *testing.T) {
	const name, text = "model.safetensors.index.json", `{"weight_map":{"a":"m.safetensors"}}`
	path := filepath.Join(t.TempDir(), name)
	writeFile(t, path, []byte(text))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if x, err := readIndex(name, strings.NewReader(text), info); err != nil || x.shardOf["a"] != "m.safetensors" {
		t.Fatalf("index %v, %v", x, err)
	}
	for _, length := range []int{0, 1, len(text) - 1} {
		x, err := readIndex(name, strings.NewReader(text[:length]), info)
		if x != nil {
			t.Errorf("%d of %d bytes gave an index", length, len(text))
		}
		checkRefused(t, err, checkpoint.ErrCorrupt, name+": file became shorter")
	}
	x, err := readIndex(name, iotest.ErrReader(syscall.EIO), info)
	if x != nil {
		t.Error("an index without a byte of it")
	}
	checkRefused(t, err, syscall.EIO, name+": input/output error")
	if err := os.Truncate(path, MaxIndexBytes+1); err != nil {
		t.Fatal(err)
	}
	if info, err = os.Stat(path); err != nil {
		t.Fatal(err)
	}
	_, err = readIndex(name, strings.NewReader(text), info)
	checkRefused(t, err, checkpoint.ErrCorrupt, "> limit")
}

// TestRewriteMode checks that a folder that Rewrite makes has the permissions that the umask
// allows, like any other folder.
func TestRewriteMode(t *testing.T) {
	dir := t.TempDir()
	out, plain := filepath.Join(dir, "out"), filepath.Join(dir, "plain")
	if err := os.Mkdir(plain, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := mustOpen(t, writeModel(t)).Rewrite(context.Background(), out, checkpoint.RewriteOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.Stat(plain)
	if err != nil {
		t.Fatal(err)
	}
	if got.Mode() != want.Mode() {
		t.Errorf("mode %v, a folder made here has %v", got.Mode(), want.Mode())
	}
}

// TestRewriteRace creates one of the output files while Rewrite is writing.
func TestRewriteRace(t *testing.T) {
	src := mustOpen(t, writeModel(t))
	out := t.TempDir()
	_, err := src.Rewrite(context.Background(), out, checkpoint.RewriteOptions{Tensor: func(*checkpoint.Tensor, []byte) ([]byte, error) {
		writeFile(t, filepath.Join(out, shard2), []byte("new"))
		return nil, nil
	}})
	checkRefused(t, err, fs.ErrExist, shard2+": already exists")
	if names := listDir(t, out); len(names) != 1 || string(readFile(t, filepath.Join(out, shard2))) != "new" {
		t.Errorf("folder holds %q, want only the file that appeared", names)
	}
}

// TestRewriteTempNames checks that Open ignores temporary files that a crash has left.
func TestRewriteTempNames(t *testing.T) {
	dir := writeModel(t)
	want := len(mustOpen(t, dir).Tensors())
	writeFile(t, filepath.Join(dir, tempName()), []byte("half a shard"))
	if err := os.Remove(filepath.Join(dir, "model.safetensors.index.json")); err != nil {
		t.Fatal(err)
	}
	if got := len(mustOpen(t, dir).Tensors()); got != want {
		t.Errorf("%d tensors, want %d", got, want)
	}
}
