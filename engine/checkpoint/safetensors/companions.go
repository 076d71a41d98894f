package safetensors

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/internal/fileio"
)

// A companion is a file of the source's folder that is copied with the weights.
type companion struct {
	name string
	path string
	info fs.FileInfo
}

// companionsOf returns the companions of the checkpoint in the folder dir, in the order of
// their names. note is called for each that is not copied though its name is fit.
func companionsOf(dir string, note func(string)) ([]*companion, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, checkpoint.Cause(err)
	}
	var all []*companion
	for _, e := range entries {
		name := e.Name()
		if !checkpoint.IsCompanion(name) {
			continue
		}
		path := filepath.Join(dir, name)
		f, info, err := fileio.Open(path)
		switch {
		case err == nil:
			_ = f.Close() // nothing was written
		case errors.Is(err, checkpoint.ErrUnsupported), errors.Is(err, fs.ErrNotExist):
			continue // a folder, or a link of an unfinished download
		default:
			note(fmt.Sprintf("%s is not copied: %v", checkpoint.Printable(name), err))
			continue
		}
		if info.Size() > checkpoint.MaxCompanionBytes {
			note(fmt.Sprintf("%s is not copied: %d bytes > limit %d", checkpoint.Printable(name), info.Size(), checkpoint.MaxCompanionBytes))
			continue
		}
		all = append(all, &companion{name, path, info})
	}
	return all, nil
}

// write copies the file to w.
func (c *companion) write(_ *rewriter, w *fileWriter) error {
	f, info, err := fileio.Open(c.path)
	if err != nil {
		return inFile(c.path, err)
	}
	defer f.Close()
	w.needs = info.Size()
	n, err := io.Copy(w, io.LimitReader(f, checkpoint.MaxCompanionBytes+1))
	if err == nil && (n > checkpoint.MaxCompanionBytes || n != info.Size() || !os.SameFile(info, c.info)) {
		err = checkpoint.Corruptf("file changed while it was copied")
	}
	if err != nil {
		return inFile(c.path, checkpoint.Cause(err))
	}
	return nil
}
