package safetensors

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/internal/fileio"
)

// A shard is one file of a checkpoint.
type shard struct {
	name      string      // base name
	path      string      // to open it again
	info      fs.FileInfo // state of the file when it was first opened
	dataStart int64
	sum       [sha256.Size]byte // SHA-256 of the first dataStart bytes
	metadata  map[string]string
	tensors   []checkpoint.Tensor // in the order of the header
	left      []bool              // which of tensors are left out of the checkpoint; nil if none is

	// The pool guards these.
	file  *os.File // nil while it is closed
	users int
	last  uint64 // when it was last used
}

// maxOpen is the number of files that a checkpoint keeps open while they are not read.
const maxOpen = 64

// A pool opens the files of a checkpoint when they are read and keeps up to maxOpen of
// them open, so that a checkpoint may have more shards than the system allows open files.
// Its methods are safe for concurrent use.
type pool struct {
	mu     sync.Mutex
	open   []*shard
	clock  uint64
	closed bool
}

// acquire returns the open file of s, which stays open until it is released. It fails
// with checkpoint.ErrCorrupt if another file has taken the place of the one that was
// opened first.
func (p *pool) acquire(s *shard) (*os.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, os.ErrClosed
	}
	if s.file == nil {
		f, info, err := fileio.Open(s.path)
		for (errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)) && p.evict() {
			f, info, err = fileio.Open(s.path)
		}
		if err != nil {
			return nil, err
		}
		switch {
		case s.info == nil:
			s.info = info
		case !os.SameFile(info, s.info):
			f.Close()
			return nil, checkpoint.Corruptf("file changed while it was read: another file has taken its place")
		}
		s.file = f
		p.open = append(p.open, s)
	}
	s.users++
	p.clock++
	s.last = p.clock
	return s.file, nil
}

// release ends the use of the file of s that acquire has begun.
func (p *pool) release(s *shard) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.users--
	if len(p.open) > maxOpen {
		p.evict()
	}
}

// evict closes the file that has not been used for the longest time and reports whether
// there was one that nobody uses.
func (p *pool) evict() bool {
	oldest := -1
	for i, s := range p.open {
		if s.users == 0 && (oldest < 0 || s.last < p.open[oldest].last) {
			oldest = i
		}
	}
	if oldest < 0 {
		return false
	}
	s := p.open[oldest]
	_ = s.file.Close() // it was only read
	s.file = nil
	last := len(p.open) - 1
	p.open[oldest] = p.open[last]
	p.open = p.open[:last]
	return true
}

// close closes all files and returns the first error.
func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return os.ErrClosed
	}
	p.closed = true
	var first error
	for _, s := range p.open {
		if err := s.file.Close(); err != nil && first == nil {
			first = &checkpoint.FileError{File: s.name, Err: checkpoint.Cause(err)}
		}
	}
	p.open = nil
	return first
}

// readHeader returns the first 8+N bytes of f, the file of s, and sets s.dataStart to
// their number.
func (s *shard) readHeader(f io.ReaderAt) ([]byte, error) {
	size := s.info.Size()
	if size < 8 {
		return nil, checkpoint.Corruptf("file of %d bytes is shorter than the 8 bytes of the header length", size)
	}
	var prefix [8]byte
	if _, err := f.ReadAt(prefix[:], 0); err != nil {
		return nil, s.readError(err)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	switch {
	case n > MaxHeaderBytes:
		return nil, checkpoint.Corruptf("header length %d > limit %d", n, MaxHeaderBytes)
	case n > uint64(size-8):
		return nil, checkpoint.Corruptf("header length %d > %d bytes left in the file: if it was downloaded, download it again", n, size-8)
	}
	text := make([]byte, 8+n)
	if _, err := f.ReadAt(text, 0); err != nil {
		return nil, s.readError(err)
	}
	if [8]byte(text) != prefix {
		return nil, checkpoint.Corruptf("file changed while it was read")
	}
	s.dataStart = int64(len(text))
	return text, nil
}

// readError returns the error to report for err, an error of reading the file of s. Reads
// never go beyond s.info.Size(), so an unexpected end means that the file has become
// shorter.
func (s *shard) readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return checkpoint.Corruptf("file became shorter while it was read (%d bytes when it was opened)", s.info.Size())
	}
	return checkpoint.Cause(err)
}

// unchanged returns an error if size or modification time of f, the file of s, have
// changed since it was opened. If it returns nil after a read, the bytes that were read
// are those that the header describes.
func (s *shard) unchanged(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return checkpoint.Cause(err)
	}
	return fileio.Unchanged(info, s.info)
}

// isLeft reports whether tensor i of s is left out of the checkpoint.
func (s *shard) isLeft(i int) bool { return s.left != nil && s.left[i] }

// leave leaves tensor i of s out of the checkpoint.
func (s *shard) leave(i int) {
	if s.left == nil {
		s.left = make([]bool, len(s.tensors))
	}
	s.left[i] = true
}
