package safetensors

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/internal/fileio"
)

// A companion is a file of the source's folder that is copied with the weights.
type companion struct {
	name string // below the folder of the source, with slashes
	path string
	info fs.FileInfo
}

// maxFolderDepth is how many folders deep companions are looked for below the source's folder.
const maxFolderDepth = 3

// companionsOf returns the companions of the checkpoint in the folder dir and its
// subfolders, in the order of their names. note is called for each that is not copied
// though its name is fit, and for subfolders that are not, since they hold weights.
func companionsOf(dir string, note func(string)) ([]*companion, error) {
	l := &companionList{dir: dir, note: note}
	if err := l.add(".", 0); err != nil {
		return nil, checkpoint.Cause(err)
	}
	if len(l.weights) > 0 {
		note("subfolders that are not copied, since they hold weights of their own, or are links: " + checkpoint.Enumerate(l.weights, 0))
	}
	return l.all, nil
}

// A companionList is what is found of the companions of a checkpoint.
type companionList struct {
	dir     string
	note    func(string)
	all     []*companion
	weights []string // subfolders with weights
}

// add adds those in the folder rel, which is depth folders below that of the checkpoint.
// Names have slashes.
func (l *companionList) add(rel string, depth int) error {
	entries, err := os.ReadDir(filepath.Join(l.dir, filepath.FromSlash(rel)))
	if err != nil {
		return err
	}
	if depth > 0 && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return checkpoint.IsWeights(e.Name()) }) {
		l.weights = append(l.weights, rel)
		return nil
	}
	for _, e := range entries {
		name := path.Join(rel, e.Name())
		info, err := os.Stat(filepath.Join(l.dir, filepath.FromSlash(name)))
		switch folder := err == nil && info.IsDir(); {
		case strings.HasPrefix(e.Name(), "."):
		case folder && !e.IsDir():
			l.weights = append(l.weights, name) // a link, which may lead back
		case folder && depth < maxFolderDepth:
			if err := l.add(name, depth+1); err != nil {
				l.note(fmt.Sprintf("%s is not copied: %v", checkpoint.Printable(name), checkpoint.Cause(err)))
			}
		case folder:
			l.note(fmt.Sprintf("%s is not copied: it is more than %d folders deep", checkpoint.Printable(name), maxFolderDepth))
		case checkpoint.IsCompanion(e.Name()):
			l.file(name)
		}
	}
	return nil
}

// file adds the file called name.
func (l *companionList) file(name string) {
	path := filepath.Join(l.dir, filepath.FromSlash(name))
	f, info, err := fileio.Open(path)
	switch {
	case err == nil:
		_ = f.Close() // nothing was written
	case errors.Is(err, checkpoint.ErrUnsupported), errors.Is(err, fs.ErrNotExist):
		return // a pipe or device, or a link of an unfinished download
	default:
		l.note(fmt.Sprintf("%s is not copied: %v", checkpoint.Printable(name), err))
		return
	}
	if info.Size() > checkpoint.MaxCompanionBytes {
		l.note(fmt.Sprintf("%s is not copied: %d bytes > limit %d", checkpoint.Printable(name), info.Size(), checkpoint.MaxCompanionBytes))
		return
	}
	l.all = append(l.all, &companion{name, path, info})
}

// writer returns the function that writes the file, changed by edit if that is not nil.
func (c *companion) writer(edit func([]byte) ([]byte, error)) func(*rewriter, *fileWriter) error {
	if edit == nil {
		return c.write
	}
	return func(_ *rewriter, w *fileWriter) error {
		var content bytes.Buffer
		if err := c.copy(&content, func(int64) {}); err != nil {
			return err
		}
		changed, err := edit(content.Bytes())
		if err != nil {
			return inFile(c.path, err)
		}
		w.needs = int64(len(changed))
		_, err = w.Write(changed)
		return err
	}
}

// write copies the file to w.
func (c *companion) write(_ *rewriter, w *fileWriter) error {
	return c.copy(w, func(size int64) { w.needs = size })
}

// copy copies the file to w, after it has told its size.
func (c *companion) copy(w io.Writer, size func(int64)) error {
	f, info, err := fileio.Open(c.path)
	if err != nil {
		return inFile(c.path, err)
	}
	defer f.Close()
	size(info.Size())
	n, err := io.Copy(w, io.LimitReader(f, checkpoint.MaxCompanionBytes+1))
	if err == nil && (n > checkpoint.MaxCompanionBytes || n != info.Size() || !os.SameFile(info, c.info)) {
		err = checkpoint.Corruptf("file changed while it was copied")
	}
	if err != nil {
		return inFile(c.path, checkpoint.Cause(err))
	}
	return nil
}
