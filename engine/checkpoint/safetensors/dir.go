package safetensors

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/internal/fileio"
)

// A folder is the files of a folder that may belong to a checkpoint.
type folder struct {
	path    string
	present []string // names of files and of links to them, sorted
	broken  []string // names of links that lead to nothing, sorted
}

// openFolder opens the checkpoint in the folder path.
func openFolder(path string, explain func(error) error) (*Checkpoint, error) {
	d := &folder{path: path}
	if err := d.list(); err != nil {
		return nil, &checkpoint.FileError{File: path, Err: checkpoint.Cause(err)}
	}
	choice, err := d.choose()
	if err != nil {
		var fe *checkpoint.FileError
		if !errors.As(err, &fe) {
			err = &checkpoint.FileError{File: path, Err: err}
		}
		return nil, err
	}
	c, err := d.open(path, choice)
	x := choice.rival
	if x == nil || err != nil && !errors.Is(err, checkpoint.ErrCorrupt) {
		return c, err
	}
	// A single file and an index, all of whose files are there: the file is opened, as
	// transformers does, unless it is broken or lacks what the index lists.
	second := d.choiceOf(x)
	if err != nil {
		second.note("%v; the files that %s names are opened instead", explain(err), checkpoint.Printable(x.name))
		if c2, err2 := d.open(path, second); err2 == nil {
			return c2, nil
		}
		return nil, err
	}
	lacking := x.lacking(c)
	if lacking == 0 {
		return c, nil
	}
	_ = c.Close() // it was only read
	second.note("%s lacks %d of the %d tensors that %s lists and is not opened", checkpoint.Printable(choice.names[0]), lacking, len(x.shardOf), checkpoint.Printable(x.name))
	return d.open(path, second)
}

// openIndex opens the checkpoint whose index is the file at path.
func openIndex(path string) (*Checkpoint, error) {
	d := &folder{path: filepath.Dir(path)}
	x, err := d.readIndex(filepath.Base(path))
	if err != nil {
		return nil, err
	}
	if missing := d.absent(x.shards); len(missing) > 0 {
		return nil, x.missing(missing)
	}
	return d.open(path, d.choiceOf(x))
}

// open opens the files of choice. path is what the user named.
func (d *folder) open(path string, choice *choice) (*Checkpoint, error) {
	c := &Checkpoint{path: path, dir: d.path, index: choice.index, notes: choice.notes}
	for _, name := range choice.names {
		if err := c.add(filepath.Join(d.path, name)); err != nil {
			return c.fail(err)
		}
	}
	if _, err := c.finish(); err != nil {
		return nil, err
	}
	if others := d.others(choice); len(others) > 0 {
		c.note("also in the folder, not opened: %s", checkpoint.Enumerate(others, 0))
	}
	return c, nil
}

// list reads the names of the folder's files that may belong to a checkpoint.
func (d *folder) list() error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		// The folder may hold any number of files: they are read in parts.
		entries, err := f.ReadDir(1024)
		for _, e := range entries {
			name := e.Name()
			// macOS leaves files such as "._model.safetensors" on disks of other
			// file systems.
			if name[0] == '.' || !hasFileSuffix(name) && !isIndexName(name) {
				continue
			}
			switch info, err := os.Stat(filepath.Join(d.path, name)); {
			case leadsNowhere(err):
				d.broken = append(d.broken, name)
			case err != nil || !info.IsDir():
				d.present = append(d.present, name)
			}
		}
		if err == io.EOF {
			slices.Sort(d.present)
			slices.Sort(d.broken)
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// leadsNowhere reports whether err says that there is no file, or a link without an end.
func leadsNowhere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP)
}

// absent returns those of names that are no files of the folder.
func (d *folder) absent(names []string) []string {
	var missing []string
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(d.path, name)); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, name)
		}
	}
	return missing
}

// readIndex reads and parses the index file.
func (d *folder) readIndex(name string) (*index, error) {
	path := filepath.Join(d.path, name)
	f, info, err := fileio.Open(path)
	if err != nil {
		return nil, &checkpoint.FileError{File: name, Err: linkError(path, err)}
	}
	defer f.Close()
	return readIndex(name, f, info)
}

// readIndex reads and parses the index file called name from f. info is the state of
// the file when it was opened.
func readIndex(name string, f io.Reader, info fs.FileInfo) (*index, error) {
	if info.Size() > MaxIndexBytes {
		return nil, &checkpoint.FileError{File: name, Err: checkpoint.Corruptf("index of %d bytes > limit %d", info.Size(), MaxIndexBytes)}
	}
	text := make([]byte, info.Size())
	if _, err := io.ReadFull(f, text); err != nil {
		return nil, &checkpoint.FileError{File: name, Err: (&shard{info: info}).readError(err)}
	}
	return parseIndex(name, text)
}
