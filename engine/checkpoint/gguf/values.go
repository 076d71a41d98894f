package gguf

import (
	"math"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// The types of values.
const (
	typeUint8 uint32 = iota
	typeInt8
	typeUint16
	typeInt16
	typeUint32
	typeInt32
	typeFloat32
	typeBool
	typeString
	typeArray
	typeUint64
	typeInt64
	typeFloat64
)

// valueSizes are the bytes of a value, 0 for strings and arrays.
var valueSizes = [...]int64{
	typeUint8: 1, typeInt8: 1, typeUint16: 2, typeInt16: 2, typeUint32: 4, typeInt32: 4, typeFloat32: 4,
	typeBool: 1, typeString: 0, typeArray: 0, typeUint64: 8, typeInt64: 8, typeFloat64: 8,
}

// Limits of a description.
const (
	maxKeys    = 1 << 16
	maxTensors = 1 << 20
	maxKey     = 1 << 16
	maxString  = 64 << 20 // of a value; those in arrays are not kept
	maxItems   = 1 << 30  // of an array
	keptString = 256      // longer values are not kept
)

// A value is what is kept of a value: an integer of any width, or a short string.
type value struct {
	kind    uint32
	integer int64
	text    string
}

// values are the values of a file by their keys. Those that are not kept have their type only.
type values map[string]value

// integer returns the value of a key, and whether it is an integer.
func (v values) integer(key string) (int64, bool) {
	x, ok := v[key]
	switch x.kind {
	case typeUint8, typeInt8, typeUint16, typeInt16, typeUint32, typeInt32, typeUint64, typeInt64:
		return x.integer, ok
	}
	return 0, false
}

// text returns the value of a key that is a string, and else "".
func (v values) text(key string) string { return v[key].text }

// readValues reads so many keys and values.
func (c *cursor) readValues(n int) values {
	all := make(values, min(n, 1<<10))
	for range n {
		key := c.string("length of a key", maxKey)
		switch _, twice := all[key]; {
		case c.err != nil:
			return nil
		case key == "":
			c.fail(checkpoint.Corruptf("a key is empty"))
		case twice:
			c.fail(checkpoint.Corruptf("key %s is there twice", checkpoint.Quote(key)))
		}
		v := c.value(key)
		if c.err != nil {
			return nil
		}
		all[key] = v
	}
	return all
}

// value reads the value of a key.
func (c *cursor) value(key string) value {
	v := value{kind: c.uint32()}
	switch {
	case c.err != nil:
	case v.kind == typeString:
		n := c.count("length of the value of "+checkpoint.Quote(key), 1, maxString)
		if n > keptString {
			c.skip(int64(n))
			break
		}
		b := make([]byte, n)
		c.bytes(b)
		v.text = string(b)
	case v.kind == typeArray:
		c.array(key)
	case int(v.kind) < len(valueSizes):
		v.integer = c.scalar(key, v.kind)
	default:
		c.fail(checkpoint.Corruptf("value of %s has the unknown type %d", checkpoint.Quote(key), v.kind))
	}
	return v
}

// scalar reads a number or boolean. Floating-point numbers are not kept.
func (c *cursor) scalar(key string, kind uint32) int64 {
	size := valueSizes[kind]
	b := c.buf[:]
	clear(b)
	c.bytes(b[:size])
	bits := uint64(0)
	for i := range b {
		bits |= uint64(b[i]) << (8 * i)
	}
	switch kind {
	case typeBool:
		if bits > 1 {
			c.fail(checkpoint.Corruptf("value of %s: %d is no boolean", checkpoint.Quote(key), bits))
		}
	case typeInt8, typeInt16, typeInt32:
		shift := 64 - 8*size
		return int64(bits<<shift) >> shift
	case typeFloat32, typeFloat64:
		return 0
	case typeUint64:
		if bits > math.MaxInt64 {
			return math.MaxInt64
		}
	}
	return int64(bits)
}

// array passes over an array.
func (c *cursor) array(key string) {
	kind := c.uint32()
	what := "length of the array " + checkpoint.Quote(key)
	switch {
	case c.err != nil:
	case kind == typeArray:
		c.fail(checkpoint.Corruptf("%s holds arrays", checkpoint.Quote(key)))
	case kind == typeString:
		of := "length of a string of " + checkpoint.Quote(key)
		for range c.count(what, 8, maxItems) {
			c.skip(int64(c.count(of, 1, maxString)))
			if c.err != nil {
				return
			}
		}
	case int(kind) < len(valueSizes):
		size := valueSizes[kind]
		n := c.count(what, size, maxItems)
		if kind != typeBool {
			c.skip(int64(n) * size)
			return
		}
		for range n {
			if c.scalar(key, kind); c.err != nil {
				return
			}
		}
	default:
		c.fail(checkpoint.Corruptf("items of the array %s have the unknown type %d", checkpoint.Quote(key), kind))
	}
}
