// Package fileio opens the files of checkpoints: regular files only, and never
// so that opening can hang.
package fileio

import (
	"io/fs"
	"os"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// Open opens the regular file path for reading and returns its state. A path
// that the user chose may be a symbolic link to any place. Anything but a
// regular file is refused with an error of class checkpoint.ErrUnsupported; a
// FIFO or a device is not waited for. Errors do not name the file.
func Open(path string) (*os.File, fs.FileInfo, error) {
	return open(path, os.Stat, os.OpenFile)
}

// OpenIn is Open for a name inside root. A name that leads out of root, also
// through symbolic links, is refused.
func OpenIn(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	return open(name, root.Stat, root.OpenFile)
}

func open(
	name string,
	stat func(string) (fs.FileInfo, error),
	openFile func(string, int, fs.FileMode) (*os.File, error),
) (*os.File, fs.FileInfo, error) {
	// The first look keeps devices from being opened at all, since opening
	// some of them has effects. The second is the one that counts: the name
	// may stand for another file by then.
	info, err := stat(name)
	if err == nil {
		err = regular(info)
	}
	if err != nil {
		return nil, nil, checkpoint.Cause(err)
	}
	f, err := openFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, nil, checkpoint.Cause(err)
	}
	info, err = f.Stat()
	if err == nil {
		err = regular(info)
	}
	if err != nil {
		f.Close()
		return nil, nil, checkpoint.Cause(err)
	}
	return f, info, nil
}

func regular(info fs.FileInfo) error {
	mode := info.Mode()
	if mode.IsRegular() {
		return nil
	}
	what := "no regular file"
	switch {
	case mode.IsDir():
		what = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		what = "a FIFO"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	case mode&fs.ModeDevice != 0:
		what = "a device"
	}
	return checkpoint.Unsupportedf("is %s, want a regular file", what)
}
