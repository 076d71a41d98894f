package gguf

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/internal/fileio"
)

// A Checkpoint is an opened model: one file, or all files of a split. No file is kept open.
// All methods are safe for concurrent use.
type Checkpoint struct {
	path    string
	shards  []*shard
	files   []checkpoint.File
	tensors []checkpoint.Tensor
	model   checkpoint.LanguageModel
	notes   []string
	closed  atomic.Bool
}

var (
	_ checkpoint.Noted    = (*Checkpoint)(nil)
	_ checkpoint.Modelled = (*Checkpoint)(nil)
)

// A shard is one file.
type shard struct {
	name, path string
	info       fs.FileInfo // when it was opened
	header     *header
}

// Open opens the GGUF file at path, and with the first file of a split all others, which
// must lie beside it. A folder is opened by a file that stands for all of its files.
//
// Opening reads the descriptions only. Errors name the file; they are of class
// checkpoint.ErrNotFound, checkpoint.ErrUnsupported (another version or byte order, an
// adapter, an importance matrix, a vocabulary), checkpoint.ErrCorrupt, or
// checkpoint.ErrIncomplete if a file of a split is missing.
func Open(path string) (*Checkpoint, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &checkpoint.FileError{File: path, Err: checkpoint.NotFoundf("no such file or folder")}
	case err != nil:
		return nil, &checkpoint.FileError{File: path, Err: checkpoint.Cause(err)}
	}
	c := &Checkpoint{path: path}
	file := path
	if info.IsDir() {
		if file, err = c.choose(path); err != nil {
			return nil, err
		}
	}
	first, err := readShard(file)
	var fe *checkpoint.FileError
	if errors.As(err, &fe) && file == path {
		fe.File = path // as the user wrote it
	}
	if err != nil {
		return nil, err
	}
	if c.shards, err = splitOf(first); err != nil {
		return nil, err
	}
	tensors := 0 // the first file of a split may have none
	for _, s := range c.shards {
		tensors += len(s.header.tensors)
	}
	if what := first.header.what(tensors); what != "" {
		return nil, &checkpoint.FileError{File: first.name, Err: checkpoint.Unsupportedf("is a GGUF file of %s", what)}
	}
	return c, c.finish()
}

// readShard reads the description of a file.
func readShard(path string) (*shard, error) {
	s := &shard{name: filepath.Base(path), path: path}
	f, info, err := fileio.Open(path)
	if err != nil {
		return nil, &checkpoint.FileError{File: s.name, Err: err}
	}
	defer f.Close()
	s.info = info
	if s.header, err = readHeader(f, info.Size()); err == nil {
		return s, nil
	}
	var te *checkpoint.TensorError
	if errors.As(err, &te) {
		te.File = s.name
		return nil, te
	}
	return nil, &checkpoint.FileError{File: s.name, Err: err}
}

// finish lists files and tensors, and what the keys say of the model.
func (c *Checkpoint) finish() error {
	owner := map[string]string{}
	for _, s := range c.shards {
		c.files = append(c.files, checkpoint.File{Name: s.name, Size: s.info.Size(), HeaderSHA256: s.header.sum, Metadata: s.header.values.metadata()})
		for _, t := range s.header.tensors {
			if other, twice := owner[t.Name]; twice {
				return &checkpoint.TensorError{File: s.name, Tensor: t.Name, Err: checkpoint.Corruptf("is in %s, too", checkpoint.Printable(other))}
			}
			owner[t.Name] = s.name
			t.File = s.name
			c.tensors = append(c.tensors, t)
		}
	}
	checkpoint.SortTensors(c.tensors)
	c.model = c.shards[0].header.values.model()
	c.noteCodes()
	return nil
}

// noteCodes notes how many tensors are in codes, by their types, most of them first.
func (c *Checkpoint) noteCodes() {
	counts := map[string]int{}
	all := 0
	for i := range c.tensors {
		if t := &c.tensors[i]; t.DType == checkpoint.InvalidDType && t.Encoding != nil {
			counts[t.TypeName]++
			all++
		}
	}
	if all == 0 {
		return
	}
	types := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for i, name := range types {
		types[i] = fmt.Sprintf("%d %s", counts[name], name)
	}
	are := "tensors are"
	if all == 1 {
		are = "tensor is"
	}
	c.notes = append(c.notes, fmt.Sprintf("%d %s quantized already (%s): read at the dequantized weights, which levels quantize again", all, are, strings.Join(types, ", ")))
}

// metadata returns the short texts among the values.
func (v values) metadata() map[string]string {
	m := map[string]string{}
	for key, x := range v {
		if x.kind == typeString && x.text != "" {
			m[key] = x.text
		}
	}
	return m
}

// model returns what the values say of the shape of the model.
func (v values) model() checkpoint.LanguageModel {
	m := checkpoint.LanguageModel{Type: v.text("general.architecture")}
	for key, to := range map[string]*int{
		"block_count": &m.Layers, "attention.head_count": &m.Heads, "attention.head_count_kv": &m.KVHeads, "expert_count": &m.Experts,
	} {
		if n, ok := v.integer(m.Type + "." + key); ok && n > 0 && n < 1<<31 {
			*to = int(n)
		}
	}
	return m
}

// Format returns "GGUF".
func (c *Checkpoint) Format() string { return "GGUF" }

// Path returns the path that was given to Open.
func (c *Checkpoint) Path() string { return c.path }

// Files lists the files in the order of the split. HeaderSHA256 covers all in front of the
// data. The caller must not change the slice.
func (c *Checkpoint) Files() []checkpoint.File { return c.files }

// Tensors lists the tensors in the natural order of their names. The caller must not change
// the slice.
func (c *Checkpoint) Tensors() []checkpoint.Tensor { return c.tensors }

// Notes says which files were chosen, where that is not plain.
func (c *Checkpoint) Notes() []string { return c.notes }

// Model returns what the keys of the file say of the model.
func (c *Checkpoint) Model() checkpoint.LanguageModel { return c.model }

// Close ends the use of the checkpoint: ReadTensor fails afterwards. No file is open.
func (c *Checkpoint) Close() error {
	if c.closed.Swap(true) {
		return os.ErrClosed
	}
	return nil
}

// ReadTensor fills dst, of length t.Size, with the bytes of t. The error is a
// *checkpoint.TensorError, of class checkpoint.ErrCorrupt if the file has changed since it
// was opened; dst then holds no meaningful data.
func (c *Checkpoint) ReadTensor(dst []byte, t *checkpoint.Tensor) error {
	if err := c.readTensor(dst, t); err != nil {
		return &checkpoint.TensorError{File: t.File, Tensor: t.Name, Err: err}
	}
	return nil
}

func (c *Checkpoint) readTensor(dst []byte, t *checkpoint.Tensor) error {
	i := slices.IndexFunc(c.shards, func(s *shard) bool { return s.name == t.File })
	if i < 0 {
		return errors.New("file is not part of the checkpoint")
	}
	s := c.shards[i]
	switch {
	case c.closed.Load():
		return os.ErrClosed
	case t.Offset < s.header.dataStart || t.Size < 0 || t.Size > s.info.Size()-t.Offset:
		return errors.New("byte range is not part of the data of the file")
	case int64(len(dst)) != t.Size:
		return fmt.Errorf("buffer of %d bytes, want %d", len(dst), t.Size)
	}
	f, info, err := fileio.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := fileio.Unchanged(info, s.info); err != nil {
		return err
	}
	if _, err := io.ReadFull(io.NewSectionReader(f, t.Offset, t.Size), dst); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return checkpoint.Corruptf("file became shorter while it was read (%d bytes when it was opened)", s.info.Size())
		}
		return checkpoint.Cause(err)
	}
	if info, err = f.Stat(); err != nil {
		return checkpoint.Cause(err)
	}
	return fileio.Unchanged(info, s.info)
}
