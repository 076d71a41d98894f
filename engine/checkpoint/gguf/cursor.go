package gguf

import (
	"encoding/binary"
	"io"
	"math"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// A cursor reads a description from front to back. Its first error stays, and reads after it
// return zeros. Nothing is read, skipped or allocated beyond the end of the file.
type cursor struct {
	r    io.Reader
	at   int64 // bytes that have been read
	size int64 // of the file
	err  error
	buf  [8]byte
	// short is where strings go that are passed over.
	short [256]byte
}

func (c *cursor) left() int64 { return c.size - c.at }

// fail keeps the first error.
func (c *cursor) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// bytes fills b.
func (c *cursor) bytes(b []byte) {
	if c.err != nil {
		clear(b)
		return
	}
	if int64(len(b)) > c.left() {
		c.fail(checkpoint.Corruptf("file of %d bytes ends inside the description of its tensors: if it was downloaded, download it again", c.size))
		clear(b)
		return
	}
	if _, err := io.ReadFull(c.r, b); err != nil {
		c.fail(checkpoint.Cause(err))
		clear(b)
		return
	}
	c.at += int64(len(b))
}

func (c *cursor) uint32() uint32 {
	c.bytes(c.buf[:4])
	return binary.LittleEndian.Uint32(c.buf[:4])
}

func (c *cursor) uint64() uint64 {
	c.bytes(c.buf[:8])
	return binary.LittleEndian.Uint64(c.buf[:8])
}

// count reads a number of items of size bytes at least, of which there cannot be more than fit
// into what is left, nor more than most.
func (c *cursor) count(what string, size, most int64) int {
	n := c.uint64()
	switch {
	case c.err != nil:
		return 0
	case n > math.MaxInt64:
		c.fail(checkpoint.Corruptf("%s: %d is negative", what, int64(n)))
	case int64(n) > most:
		c.fail(checkpoint.Corruptf("%s: %d > limit %d", what, n, most))
	case int64(n) > c.left()/size:
		c.fail(checkpoint.Corruptf("%s: %d of at least %d bytes > %d bytes left in the file", what, n, size, c.left()))
	default:
		return int(n)
	}
	return 0
}

// string reads a string of at most most bytes.
func (c *cursor) string(what string, most int64) string {
	b := make([]byte, c.count(what, 1, most))
	c.bytes(b)
	if c.err != nil {
		return ""
	}
	return string(b)
}

// skip passes over n bytes.
func (c *cursor) skip(n int64) {
	if c.err != nil {
		return
	}
	if n > c.left() {
		c.bytes(make([]byte, 0))
		c.fail(checkpoint.Corruptf("file of %d bytes ends inside the description of its tensors: if it was downloaded, download it again", c.size))
		return
	}
	if n <= int64(len(c.short)) {
		c.bytes(c.short[:n])
		return
	}
	m, err := io.CopyN(io.Discard, c.r, n)
	c.at += m
	if err != nil {
		c.fail(checkpoint.Cause(err))
	}
}
