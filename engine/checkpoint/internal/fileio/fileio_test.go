//go:build unix

package fileio

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

func TestOpen(t *testing.T) {
	// A short path, because the length of the path of a socket is limited.
	dir, err := os.MkdirTemp("", "fileio")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	at := func(name string) string { return filepath.Join(dir, name) }
	listener, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Skip("no sockets: ", err)
	}
	defer listener.Close()
	for _, err := range []error{
		os.WriteFile(at("file"), []byte("x"), 0o666),
		os.Mkdir(at("dir"), 0o777),
		unix.Mkfifo(at("fifo"), 0o666),
		os.Symlink("file", at("inside")),
		os.Symlink(at("file"), at("absolute")),
		os.Symlink("/dev/null", at("device")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name, want string // error text; empty if it opens
		class      error
	}{
		{"file", "", nil},
		{"inside", "", nil},
		{"absolute", "", nil},
		{"device", "is a device, want a regular file", nil},
		{"dir", "is a folder, want a regular file", checkpoint.ErrUnsupported},
		{"fifo", "is a FIFO, want a regular file", checkpoint.ErrUnsupported},
		{"socket", "is a socket, want a regular file", checkpoint.ErrUnsupported},
		{"gone", "no such file or directory", fs.ErrNotExist},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, info, err := Open(at(tc.name))
			check(t, f, info, err, tc.want, tc.class)
		})
	}
}

func check(t *testing.T, f *os.File, info fs.FileInfo, err error, want string, class error) {
	t.Helper()
	if want == "" {
		if err != nil || info.Size() != 1 {
			t.Fatalf("error %v, info %v", err, info)
		}
		f.Close()
		return
	}
	if err == nil || err.Error() != want || class != nil && !errors.Is(err, class) {
		t.Errorf("error %v, want %q of class %v", err, want, class)
	}
}

// TestReplaced puts a FIFO in the place of the file after the first check.
func TestReplaced(t *testing.T) {
	dir := t.TempDir()
	file, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "fifo")
	if err := errors.Join(os.WriteFile(file, nil, 0o666), unix.Mkfifo(fifo, 0o666)); err != nil {
		t.Fatal(err)
	}
	_, _, err := open(file, func(_ string, flag int, perm fs.FileMode) (*os.File, error) {
		return os.OpenFile(fifo, flag, perm)
	})
	if !errors.Is(err, checkpoint.ErrUnsupported) {
		t.Errorf("error %v, want one of class ErrUnsupported", err)
	}
	_, _, err = open(file, func(string, int, fs.FileMode) (*os.File, error) {
		return nil, &fs.PathError{Op: "open", Path: file, Err: unix.EMFILE}
	})
	if err != unix.EMFILE {
		t.Errorf("error %v, want EMFILE", err)
	}
}
