package safetensors

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/internal/fileio"
)

// A Checkpoint is an opened checkpoint. It holds one file descriptor per shard
// and, in memory, the description of every tensor, but no header and no data.
// All methods but Close are safe for concurrent use.
type Checkpoint struct {
	path    string
	dir     string // the folder, or "" if a single file was opened
	shards  []*shard
	byName  map[string]*shard // by base name
	files   []checkpoint.File
	tensors []checkpoint.Tensor
	count   int    // number of tensors in all shards
	index   *index // nil if there is none
}

// A shard is one opened file.
type shard struct {
	name      string // base name
	file      *os.File
	info      fs.FileInfo // state of the file when it was opened
	dataStart int64
	sum       [sha256.Size]byte // SHA-256 of the first dataStart bytes
	metadata  map[string]string
	tensors   []checkpoint.Tensor // in the order of the header
}

var _ checkpoint.Source = (*Checkpoint)(nil)

// Open opens the checkpoint at path: a file, a folder of shards, or the index
// file of one. In a folder, an index decides which files belong to the
// checkpoint; without one, the files named model*.safetensors do, or all
// *.safetensors files if none has such a name.
//
// path itself may be a symbolic link to any place. The files of a folder may be
// links only within the folder or, in a snapshot of the Hugging Face cache,
// within the folder of the repository.
//
// Opening reads the headers only. Errors are of class checkpoint.ErrNotFound
// if nothing is at path, checkpoint.ErrUnsupported if what is there is not a
// safetensors checkpoint, and checkpoint.ErrCorrupt if it violates a rule of the
// format. They name the file.
func Open(path string) (*Checkpoint, error) {
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
		return openDir(path, path, "")
	case strings.HasSuffix(path, indexSuffix):
		return openDir(path, filepath.Dir(path), filepath.Base(path))
	}
	f, info, err := fileio.Open(path)
	if err != nil {
		return nil, &checkpoint.FileError{File: path, Err: err}
	}
	c := &Checkpoint{path: path}
	if err := c.add(f, info, filepath.Base(path)); err != nil {
		c.Close()
		return nil, err
	}
	c.finish()
	return c, nil
}

// add adds f to the shards of c, which Close closes, and reads its header.
func (c *Checkpoint) add(f *os.File, info fs.FileInfo, name string) error {
	s := &shard{name: name, file: f, info: info}
	c.shards = append(c.shards, s)
	text, err := s.readHeader()
	if err != nil {
		return &checkpoint.FileError{File: name, Err: err}
	}
	s.sum = sha256.Sum256(text)
	h, err := parseHeader(name, text[8:], info.Size()-s.dataStart)
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

// readHeader returns the first 8+N bytes of the file and sets s.dataStart to
// their number.
func (s *shard) readHeader() ([]byte, error) {
	size := s.info.Size()
	if size < 8 {
		return nil, checkpoint.Corruptf("file of %d bytes is shorter than the 8 bytes of the header length", size)
	}
	var prefix [8]byte
	if _, err := s.file.ReadAt(prefix[:], 0); err != nil {
		return nil, s.readError(err)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	switch {
	case string(prefix[:]) == "version ":
		return nil, checkpoint.Corruptf("is a Git LFS pointer, not the weights: fetch them with git lfs pull")
	case n > MaxHeaderBytes:
		return nil, checkpoint.Corruptf("header length %d > limit %d", n, MaxHeaderBytes)
	case n > uint64(size-8):
		return nil, checkpoint.Corruptf("header length %d > %d bytes left in the file", n, size-8)
	}
	text := make([]byte, 8+n)
	if _, err := s.file.ReadAt(text, 0); err != nil {
		return nil, s.readError(err)
	}
	if [8]byte(text) != prefix {
		return nil, checkpoint.Corruptf("file changed while it was read")
	}
	s.dataStart = int64(len(text))
	return text, nil
}

// readError returns the error to report for err, an error of reading s.file. Reads never
// go beyond s.info.Size(), so an unexpected end means that the file has become shorter.
func (s *shard) readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return checkpoint.Corruptf("file became shorter while it was read (%d bytes when it was opened)", s.info.Size())
	}
	return checkpoint.Cause(err)
}

// unchanged returns an error if size or modification time of the file have changed since
// it was opened. If it returns nil after a read, the bytes that were read are those that
// the header describes.
func (s *shard) unchanged() error {
	info, err := s.file.Stat()
	if err != nil {
		return checkpoint.Cause(err)
	}
	if info.Size() != s.info.Size() {
		return checkpoint.Corruptf("file changed while it was read: %d bytes, %d when it was opened", info.Size(), s.info.Size())
	}
	if !info.ModTime().Equal(s.info.ModTime()) {
		return checkpoint.Corruptf("file changed while it was read: modified after it was opened")
	}
	return nil
}

// finish builds the lists of the files and of the tensors of all shards.
func (c *Checkpoint) finish() {
	sort.Slice(c.shards, func(i, j int) bool { return c.shards[i].name < c.shards[j].name })
	c.byName = make(map[string]*shard, len(c.shards))
	for _, s := range c.shards {
		c.byName[s.name] = s
		c.files = append(c.files, checkpoint.File{
			Name:         s.name,
			Size:         s.info.Size(),
			HeaderSHA256: hex.EncodeToString(s.sum[:]),
			Metadata:     s.metadata,
		})
		c.tensors = append(c.tensors, s.tensors...)
	}
	sort.Slice(c.tensors, func(i, j int) bool {
		return checkpoint.NaturalLess(c.tensors[i].Name, c.tensors[j].Name)
	})
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
	if len(dst) > 0 {
		if _, err := s.file.ReadAt(dst, t.Offset); err != nil {
			return s.readError(err)
		}
	}
	return s.unchanged()
}

// Close closes all files and returns the first error. No other method may be running at
// that time. Afterwards ReadTensor fails; the other methods may still be called.
func (c *Checkpoint) Close() error {
	var first error
	for _, s := range c.shards {
		if err := s.file.Close(); err != nil && first == nil {
			first = &checkpoint.FileError{File: s.name, Err: checkpoint.Cause(err)}
		}
	}
	return first
}
