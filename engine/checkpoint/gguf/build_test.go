package gguf

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/testsource"
)

var le = binary.LittleEndian

// A build is the content of a file, written as plainly as possible.
type build struct {
	version   uint32
	keys      [][]byte // with their values
	tensors   []entry
	alignment int64
}

// An entry is a tensor of a build.
type entry struct {
	name   string
	dims   []uint64 // innermost first
	kind   uint32
	data   []byte
	offset *uint64 // if it is not the one behind the tensor before
}

func text(s string) []byte { return append(le.AppendUint64(nil, uint64(len(s))), s...) }

// key returns a key with a value of a type: its bytes as they are stored.
func key(name string, kind uint32, value []byte) []byte {
	return append(le.AppendUint32(text(name), kind), value...)
}

func u32(v uint32) []byte { return le.AppendUint32(nil, v) }

// u16 and so on are the values of keys.
func u16(v uint16) []byte { return le.AppendUint16(nil, v) }
func u64(v uint64) []byte { return le.AppendUint64(nil, v) }

// array returns the value of an array of n items.
func array(kind uint32, n uint64, items []byte) []byte {
	return append(le.AppendUint64(u32(kind), n), items...)
}

// bytes returns the file.
func (b build) bytes() []byte {
	if b.alignment == 0 {
		b.alignment = 32
	}
	f := append([]byte("GGUF"), u32(max(b.version, 2))...)
	f = append(append(f, u64(uint64(len(b.tensors)))...), u64(uint64(len(b.keys)))...)
	f = append(f, slices.Concat(b.keys...)...)
	var data []byte
	for _, t := range b.tensors {
		f = append(append(f, text(t.name)...), u32(uint32(len(t.dims)))...)
		for _, d := range t.dims {
			f = append(f, u64(d)...)
		}
		for int64(len(data))%b.alignment != 0 {
			data = append(data, 0)
		}
		offset := uint64(len(data))
		if t.offset != nil {
			offset = *t.offset
		}
		f = append(append(f, u32(t.kind)...), u64(offset)...)
		data = append(data, t.data...)
	}
	for len(b.tensors) > 0 && int64(len(f))%b.alignment != 0 {
		f = append(f, 0)
	}
	return append(f, data...)
}

// numbers are the numbers of plain types.
var numbers = func() map[checkpoint.DType]uint32 {
	m := map[checkpoint.DType]uint32{}
	for number, d := range plainTypes {
		m[d] = number
	}
	return m
}()

// entryOf returns a tensor of a test.
func entryOf(t testsource.Tensor) entry {
	e := entry{name: t.Name, kind: numbers[t.DType], data: t.Data}
	for _, d := range slices.Backward(t.Shape) {
		e.dims = append(e.dims, uint64(d))
	}
	return e
}

// TestSource runs the conformance suite on one file, of versions 2 and 3, with another
// alignment, and on a split opened by a file and by its folder.
func TestSource(t *testing.T) {
	one := func(b build) func(testing.TB, string, []testsource.Tensor) string {
		return func(tb testing.TB, dir string, tensors []testsource.Tensor) string {
			b := b
			for _, t := range tensors {
				b.tensors = append(b.tensors, entryOf(t))
			}
			path := filepath.Join(dir, "model.gguf")
			writeFile(tb, path, b.bytes())
			return path
		}
	}
	for name, write := range map[string]func(testing.TB, string, []testsource.Tensor) string{
		"file":      one(build{version: 3}),
		"version 2": one(build{version: 2}),
		"alignment": one(build{version: 3, keys: [][]byte{key("general.alignment", typeUint32, u32(128))}, alignment: 128}),
		"folder": func(tb testing.TB, dir string, tensors []testsource.Tensor) string {
			one(build{version: 3})(tb, dir, tensors)
			writeFile(tb, filepath.Join(dir, "mmproj-model.gguf"), build{}.bytes())
			return dir
		},
		"split": func(tb testing.TB, dir string, tensors []testsource.Tensor) string {
			return writeSplit(tb, dir, tensors)[0]
		},
		"a later file of a split": func(tb testing.TB, dir string, tensors []testsource.Tensor) string {
			return writeSplit(tb, dir, tensors)[2]
		},
		"folder of a split": func(tb testing.TB, dir string, tensors []testsource.Tensor) string {
			writeSplit(tb, dir, tensors)
			return dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			testsource.Test(t, testsource.Format{
				Name: "GGUF", DTypes: slices.Sorted(maps.Keys(numbers)), Write: write,
				Open: func(path string) (checkpoint.Source, error) {
					c, err := Open(path)
					if err != nil {
						return nil, err
					}
					return c, nil
				},
			})
		})
	}
}

// writeSplit writes three files and returns their paths.
func writeSplit(tb testing.TB, dir string, tensors []testsource.Tensor) []string {
	var paths []string
	for i := range 3 {
		b := build{version: 3, keys: [][]byte{
			key("split.no", typeUint16, u16(uint16(i))), key("split.count", typeUint16, u16(3)),
			key("split.tensors.count", typeInt32, u32(uint32(len(tensors)))),
		}}
		for j, t := range tensors {
			if j%3 == i {
				b.tensors = append(b.tensors, entryOf(t))
			}
		}
		path := filepath.Join(dir, fmt.Sprintf("m-%05d-of-00003.gguf", i+1))
		writeFile(tb, path, b.bytes())
		paths = append(paths, path)
	}
	return paths
}

func writeFile(tb testing.TB, path string, content []byte) {
	tb.Helper()
	if err := os.WriteFile(path, content, 0o666); err != nil {
		tb.Fatal(err)
	}
}
