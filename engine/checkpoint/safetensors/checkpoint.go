package safetensors

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"syscall"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// A Checkpoint is an opened checkpoint. It keeps some of its files open and holds, in
// memory, the description of every tensor, but no header and no data. All methods but
// Close are safe for concurrent use.
type Checkpoint struct {
	path    string
	dir     string // the folder, or "" if a single file was opened
	shards  []*shard
	byName  map[string]*shard // by base name
	files   []checkpoint.File
	tensors []checkpoint.Tensor
	count   int    // number of tensors in all shards
	index   *index // nil if there is none
	notes   []string
	pool    pool
}

var _ checkpoint.Noted = (*Checkpoint)(nil)

// Open opens the checkpoint at path: a file, a folder of shards, or the index file of
// one. Which files of a folder belong to the checkpoint is chosen first (see the package
// documentation); what is wrong with others does not matter.
//
// path and the files of a folder may be symbolic links to regular files at any place.
//
// Opening reads the headers only. Errors are of class checkpoint.ErrNotFound
// if nothing is at path, checkpoint.ErrUnsupported if what is there is not a
// safetensors checkpoint, checkpoint.ErrCorrupt if it violates a rule of the
// format, and checkpoint.ErrIncomplete if files are missing. They name the file.
func Open(path string) (*Checkpoint, error) {
	return open(path, func(err error) error { return err })
}

// open is Open, with the explanation of errors in notes.
func open(path string, explain func(error) error) (*Checkpoint, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		what := "no such file or folder"
		if _, err := os.Lstat(path); err == nil {
			what = "symbolic link to a file that is not there"
		}
		return nil, &checkpoint.FileError{File: path, Err: checkpoint.NotFoundf("%s", what)}
	case err != nil:
		return nil, &checkpoint.FileError{File: path, Err: checkpoint.Cause(err)}
	case info.IsDir():
		return openFolder(path, explain)
	case isIndexName(path):
		return openIndex(path)
	}
	name := filepath.Base(path)
	c := &Checkpoint{path: path}
	var fe *checkpoint.FileError
	if err := c.add(path); errors.As(err, &fe) && fe.File == name {
		fe.File = path // as the user wrote it
		return c.fail(err)
	} else if err != nil {
		return c.fail(err)
	}
	if part := checkpoint.Part(name); part != "" {
		c.note("%s is %s: the other parts are not looked at; name the folder to open them all", checkpoint.Printable(name), part)
	}
	return c.finish()
}

// fail closes c, which could not be opened for the reason err.
func (c *Checkpoint) fail(err error) (*Checkpoint, error) {
	_ = c.Close() // the first error is the one to report
	return nil, err
}

func (c *Checkpoint) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// Notes says which files were chosen, where that is not plain, and what was left out.
func (c *Checkpoint) Notes() []string { return c.notes }

// add adds the file at path to the shards of c and reads its header.
func (c *Checkpoint) add(path string) error {
	name := filepath.Base(path)
	s := &shard{name: name, path: path}
	f, err := c.pool.acquire(s)
	if err != nil {
		return &checkpoint.FileError{File: name, Err: linkError(path, err)}
	}
	defer c.pool.release(s)
	c.shards = append(c.shards, s)
	text, err := s.readHeader(f)
	if err != nil {
		return &checkpoint.FileError{File: name, Err: err}
	}
	s.sum = sha256.Sum256(text)
	h, err := parseHeader(name, text[8:], s.info.Size()-s.dataStart)
	if err != nil {
		return err
	}
	if c.count += len(h.entries); c.count > maxTensors {
		return &checkpoint.FileError{File: name, Err: checkpoint.Corruptf("checkpoint holds more than %d tensors", maxTensors)}
	}
	s.metadata = h.metadata
	s.tensors = make([]checkpoint.Tensor, len(h.entries))
	for i := range h.entries {
		e := &h.entries[i]
		s.tensors[i] = checkpoint.Tensor{
			Name:     e.name,
			DType:    e.dtype,
			Encoding: e.dtype.Encoding(),
			TypeName: e.typeName,
			Shape:    e.shape,
			File:     name,
			Offset:   s.dataStart + e.begin,
			Size:     e.end - e.begin,
		}
	}
	return nil
}

// linkError returns err, an error of opening the file at path, with what is wrong with
// the link if path is one.
func linkError(path string, err error) error {
	if info, lerr := os.Lstat(path); lerr != nil || info.Mode()&fs.ModeSymlink == 0 {
		return err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return checkpoint.Incompletef("symbolic link to a file that is not there: the download is not finished")
	case errors.Is(err, syscall.ELOOP):
		return checkpoint.Corruptf("symbolic link that leads to itself")
	}
	return err
}

// finish checks which tensor of which file counts and builds the lists of the files and
// tensors. It returns c, or closes it if there is an error.
func (c *Checkpoint) finish() (*Checkpoint, error) {
	sort.Slice(c.shards, func(i, j int) bool { return c.shards[i].name < c.shards[j].name })
	if err := c.settle(); err != nil {
		return c.fail(err)
	}
	c.byName = make(map[string]*shard, len(c.shards))
	for _, s := range c.shards {
		c.byName[s.name] = s
		c.files = append(c.files, checkpoint.File{
			Name:         s.name,
			Size:         s.info.Size(),
			HeaderSHA256: hex.EncodeToString(s.sum[:]),
			Metadata:     s.metadata,
		})
		for i := range s.tensors {
			if !s.isLeft(i) {
				c.tensors = append(c.tensors, s.tensors[i])
			}
		}
	}
	checkpoint.SortTensors(c.tensors)
	return c, nil
}

// Format returns "safetensors".
func (c *Checkpoint) Format() string { return "safetensors" }

// Path returns the path that was given to Open.
func (c *Checkpoint) Path() string { return c.path }

// Files lists the shards in the order of their names. HeaderSHA256 covers the length
// field and the header. The caller must not change the slice.
func (c *Checkpoint) Files() []checkpoint.File { return c.files }

// Tensors lists the tensors in the natural order of their names (see
// checkpoint.NaturalLess). The caller must not change the slice.
func (c *Checkpoint) Tensors() []checkpoint.Tensor { return c.tensors }

// ReadTensor fills dst, of length t.Size, with the bytes of t. It does not
// allocate unless it fails. The error is a *checkpoint.TensorError, of class
// checkpoint.ErrCorrupt if the file has changed since it was opened; dst then
// holds no meaningful data.
func (c *Checkpoint) ReadTensor(dst []byte, t *checkpoint.Tensor) error {
	err := c.readTensor(dst, t)
	if err != nil {
		return &checkpoint.TensorError{File: t.File, Tensor: t.Name, Err: err}
	}
	return nil
}

func (c *Checkpoint) readTensor(dst []byte, t *checkpoint.Tensor) error {
	s := c.byName[t.File]
	switch {
	case s == nil:
		return errors.New("file is not part of the checkpoint")
	case t.Offset < s.dataStart || t.Size < 0 || t.Size > s.info.Size()-t.Offset:
		return errors.New("byte range is not part of the data of the file")
	case int64(len(dst)) != t.Size:
		return fmt.Errorf("buffer of %d bytes, want %d", len(dst), t.Size)
	}
	f, err := c.pool.acquire(s)
	if err != nil {
		return err
	}
	defer c.pool.release(s)
	if len(dst) > 0 {
		if _, err := f.ReadAt(dst, t.Offset); err != nil {
			return s.readError(err)
		}
	}
	return s.unchanged(f)
}

// Close closes all files and returns the first error. No other method may be running at
// that time. Afterwards ReadTensor fails; the other methods may still be called.
func (c *Checkpoint) Close() error { return c.pool.close() }
