package open

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/hub"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/internal/fileio"
)

// Options say how to find a model. The zero value is the default.
type Options struct {
	// Revision of a model id: a branch, a tag or a full commit. The default
	// is hub.DefaultRevision. It must be empty if a path is opened.
	Revision string
}

// Open opens the model that arg names: a file, a folder, or a Hugging Face
// model id in the local cache. The second result describes what was found; it is set
// even if what was found could not be opened. The caller must close the source.
//
// Errors name the file and are of class checkpoint.ErrNotFound,
// checkpoint.ErrUnsupported or checkpoint.ErrCorrupt, or come from the operating
// system.
func Open(arg string, opts Options) (checkpoint.Source, hub.Resolved, error) {
	r, err := hub.Resolve(arg, opts.Revision)
	if err != nil {
		return nil, r, err
	}
	src, err := openPath(r.Path)
	if err != nil && r.ID != "" {
		// The path of a snapshot ends in a commit hash, which does not name the model.
		err = fmt.Errorf("%s: %w", r.ID, err)
		if r.Notice != "" {
			err = fmt.Errorf("%w (%s)", err, r.Notice)
		}
	}
	return src, r, err
}

func openPath(path string) (checkpoint.Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, &checkpoint.FileError{File: path, Err: checkpoint.Cause(err)}
	}
	find := findFile
	if info.IsDir() {
		find = findFolder
	}
	f, err := find(path)
	if err == nil && f.Open != nil {
		return f.Open(path)
	}
	if err == nil {
		err = checkpoint.Unsupportedf("is %s, which cannot be read: %s", f.Name, f.Hint)
	}
	return nil, &checkpoint.FileError{File: path, Err: err}
}

// findFile returns the format of a file.
func findFile(path string) (*checkpoint.Format, error) {
	file, _, err := fileio.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	head := make([]byte, sniffBytes)
	n, err := io.ReadFull(file, head)
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, checkpoint.Cause(err)
	}
	head = head[:n]
	for _, f := range formats {
		if f.IndexSuffix != "" && strings.HasSuffix(path, f.IndexSuffix) {
			return f, nil
		}
	}
	for _, f := range formats {
		if f.Match != nil && f.Match(head) {
			return f, nil
		}
	}
	// If only the name claims a format, its reader gives the best error message.
	for _, f := range formats {
		if f.Open != nil && f.HasSuffix(path) {
			return f, nil
		}
	}
	if n == 0 {
		return nil, checkpoint.Corruptf("file is empty")
	}
	return nil, checkpoint.Unsupportedf("unknown format (starts with bytes % x), want safetensors", head[:min(n, 8)])
}

// findFolder returns the first format of the table of which the folder holds a file.
func findFolder(path string) (*checkpoint.Format, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, checkpoint.Cause(err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, checkpoint.Cause(err)
	}
	slices.Sort(names)
	for _, f := range formats {
		for _, name := range names {
			if strings.HasPrefix(name, ".") || !f.HasSuffix(name) {
				continue
			}
			if f.Open != nil {
				return f, nil
			}
			// The content may be of another format than the name says.
			if g, err := findFile(filepath.Join(path, name)); err == nil {
				f = g
			}
			if f.Open != nil {
				return nil, checkpoint.Unsupportedf("%s is %s whatever its name says: name the file itself", checkpoint.Printable(name), f.Name)
			}
			return nil, checkpoint.Unsupportedf("holds no safetensors file; %s is %s, which cannot be read: %s", checkpoint.Printable(name), f.Name, f.Hint)
		}
	}
	return nil, checkpoint.NotFoundf("no checkpoint in the folder, want *.safetensors")
}
