// Package fileio opens the files of checkpoints. It opens regular files only, and opening
// never blocks.
package fileio

import (
	"io/fs"
	"os"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// Open opens the regular file path for reading and returns its state. The path may be a
// symbolic link to any place. If it is not a regular file, the error is of class
// checkpoint.ErrUnsupported; opening a FIFO or a device does not block. Errors do not
// name the file.
func Open(path string) (*os.File, fs.FileInfo, error) {
	return open(path, os.OpenFile)
}

func open(path string, openFile func(string, int, fs.FileMode) (*os.File, error)) (*os.File, fs.FileInfo, error) {
	// The first check keeps devices from being opened, because opening some of them
	// has side effects. The second check, of the opened file, is the one that can be
	// relied on: between the two the name may have come to stand for another file.
	info, err := os.Stat(path)
	if err == nil {
		err = regular(info)
	}
	if err != nil {
		return nil, nil, checkpoint.Cause(err)
	}
	f, err := openFile(path, os.O_RDONLY|nonblock, 0)
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
