package gguf

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/ggml"
)

// matrix returns a tensor of 2×256 weights of a type, all bytes of which are 0.
func matrix(name string, kind uint32, bytes int) entry {
	return entry{name: name, dims: []uint64{256, 2}, kind: kind, data: make([]byte, bytes)}
}

// TestTypes: every type has its name, shape and place; block types are read by their encoding,
// IQ1 to IQ3 and integers are listed.
func TestTypes(t *testing.T) {
	b := build{version: 3}
	want := map[string]string{}
	add := func(name string, kind uint32, weights, size int) {
		b.tensors = append(b.tensors, matrix(name, kind, 512/weights*size))
		want[name] = name
	}
	for _, typ := range ggml.Types() {
		weights, size := typ.Block()
		add(typ.Name(), typ.ID(), weights, size)
	}
	for id, o := range otherTypes {
		add(o.name, id, o.weights, o.bytes)
	}
	for id, d := range plainTypes {
		add(d.String(), id, 1, d.Bits()/8)
	}
	h, err := readHeader(bytes.NewReader(b.bytes()), int64(len(b.bytes())))
	if err != nil {
		t.Fatal(err)
	}
	for i, tensor := range h.tensors {
		_, block := ggml.Lookup(tensor.Name)
		if tensor.StoredType() != want[tensor.Name] || tensor.Size != int64(len(b.tensors[i].data)) || len(tensor.Shape) != 2 || tensor.Shape[0] != 2 || tensor.Shape[1] != 256 {
			t.Errorf("%+v", tensor)
		}
		if float := tensor.DType.Rounding() > 0; (tensor.Encoding != nil) != (block || float) {
			t.Errorf("%s has the encoding %v", tensor.Name, tensor.Encoding)
		}
	}
}

// TestBad: what breaks a rule of the format is refused with the number that does.
func TestBad(t *testing.T) {
	good := func(change func(b *build)) []byte {
		b := build{version: 3, tensors: []entry{matrix("a", 0, 2048), matrix("b", 1, 1024)}}
		change(&b)
		return b.bytes()
	}
	keys := func(k ...[]byte) []byte { return good(func(b *build) { b.keys = k }) }
	at := func(offset int, v []byte) []byte {
		f := good(func(*build) {})
		copy(f[offset:], v)
		return f
	}
	second := func(change func(e *entry)) []byte { return good(func(b *build) { change(&b.tensors[1]) }) }
	offset := func(v uint64) []byte { return second(func(e *entry) { e.offset = &v }) }
	value := func(length uint64) []byte { return build{keys: [][]byte{key("a", typeString, u64(length))}}.bytes() }
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":                 {nil, "file of 0 bytes ends inside"},
		"magic":                 {at(0, []byte("gguf")), `begins with "gguf"`},
		"version 0":             {at(4, u32(0)), "big-endian"},
		"version 1":             {at(4, u32(1)), "version 1"},
		"version 4":             {at(4, u32(4)), "version 4, newer than 3"},
		"big-endian":            {at(4, []byte{0, 0, 0, 3}), "version 3 in big-endian order"},
		"tensors":               {at(8, u64(1<<62)), "number of tensors: 4611686018427387904 > limit"},
		"negative tensors":      {at(8, u64(math.MaxUint64)), "number of tensors: -1 is negative"},
		"more tensors than fit": {at(8, u64(1<<19)), "number of tensors: 524288 of at least 24 bytes >"},
		"keys":                  {at(16, u64(1<<40)), "number of keys"},
		"empty key":             {keys(key("", typeUint8, []byte{1})), "a key is empty"},
		"key twice":             {keys(key("a", typeUint8, []byte{1}), key("a", typeUint8, []byte{1})), `key "a" is there twice`},
		"key too long":          {keys(key(strings.Repeat("k", 1<<16+1), typeUint8, []byte{1})), "length of a key: 65537 > limit"},
		"type of value":         {keys(key("a", 13, nil)), "unknown type 13"},
		"boolean":               {keys(key("a", typeBool, []byte{2})), "2 is no boolean"},
		"array of arrays":       {keys(key("a", typeArray, array(typeArray, 0, nil))), `"a" holds arrays`},
		"array of type 13":      {keys(key("a", typeArray, array(13, 0, nil))), "unknown type 13"},
		"array of strings":      {keys(key("a", typeArray, array(typeString, 1<<60, nil))), "> limit"},
		"array too long":        {keys(key("a", typeArray, array(typeUint64, 1<<29, nil))), "536870912 of at least 8 bytes"},
		"array of booleans":     {keys(key("a", typeArray, array(typeBool, 2, []byte{1, 3}))), "3 is no boolean"},
		"string too long":       {value(1 << 63), "is negative"},
		"string beyond":         {value(1 << 20), "bytes left in the file"},
		"alignment 0":           {keys(key("general.alignment", typeUint32, u32(0))), "0 is no power of two"},
		"alignment 3":           {keys(key("general.alignment", typeUint32, u32(3))), "3 is no power of two"},
		"alignment of 64 bits":  {keys(key("general.alignment", typeUint64, u64(32))), "no unsigned integer of 32 bits"},
		"tensor twice":          {second(func(e *entry) { e.name = "a" }), "two tensors of this name"},
		"long name":             {second(func(e *entry) { e.name = strings.Repeat("n", 64) }), "length of the name of a tensor: 64 > limit 63"},
		"5 dimensions":          {second(func(e *entry) { e.dims = []uint64{2, 2, 2, 2, 2} }), "5 dimensions > limit 4"},
		"negative dimension":    {second(func(e *entry) { e.dims[1] = math.MaxUint64 }), "dimension 1 is negative: -1"},
		"product":               {second(func(e *entry) { e.dims = []uint64{1 << 32, 1<<32 + 1, 2} }), "more than 2^63 elements"},
		"bytes":                 {second(func(e *entry) { e.dims = []uint64{1 << 62} }), "takes more than 2^63 bytes"},
		"no multiple":           {second(func(e *entry) { e.kind, e.dims = 12, []uint64{128, 2} }), "rows of 128 weights are no multiple of 256"},
		"type":                  {second(func(e *entry) { e.kind = 31 }), "the type with number 31 is not known"},
		"offset before":         {offset(0), "offset 0, want 2048"},
		"offset behind":         {offset(4096), "offset 4096, want 2048"},
		"offset of 2^64":        {offset(math.MaxUint64 - 31), "offset 18446744073709551584, want 2048"},
		"data cut":              {good(func(*build) {})[:3000], "the file ends at 3000"},
		"no data":               {good(func(*build) {})[:100], "file of 100 bytes ends"},
		"no data behind":        {good(func(*build) {})[:120], "ends before the data"},
	} {
		h, err := readHeader(bytes.NewReader(c.file), int64(len(c.file)))
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, checkpoint.ErrCorrupt) && !errors.Is(err, checkpoint.ErrUnsupported) {
			t.Errorf("%s: %v, %v, want %q", name, h, err, c.want)
		}
	}
}

// TestFiles: what is no model, and splits that do not fit, are refused in words.
func TestFiles(t *testing.T) {
	f32 := []entry{matrix("a", 0, 2048)}
	split := func(no, count uint16, keys ...[]byte) []byte {
		return build{keys: append(keys, key("split.no", typeUint16, u16(no)), key("split.count", typeUint16, u16(count))), tensors: []entry{matrix(string('a'+rune(no)), 0, 2048)}}.bytes()
	}
	kind := func(of string) []byte {
		return build{keys: [][]byte{key("general.type", typeString, text(of))}, tensors: f32}.bytes()
	}
	for name, c := range map[string]struct {
		files map[string][]byte
		open  string
		want  string
	}{
		"adapter":          {map[string][]byte{"x.gguf": kind("adapter")}, "x.gguf", "x.gguf: is a GGUF file of a LoRA adapter"},
		"imatrix":          {map[string][]byte{"x.gguf": kind("imatrix")}, "x.gguf", "importance matrix (imatrix)"},
		"other":            {map[string][]byte{"x.gguf": kind("\x1b[31m")}, "x.gguf", `of the kind "\x1b[31m", not a model`},
		"vocabulary":       {map[string][]byte{"x.gguf": build{}.bytes()}, "x.gguf", "a vocabulary without tensors"},
		"gone":             {nil, "x.gguf", "no such file or folder"},
		"empty folder":     {nil, "", "no GGUF file in the folder"},
		"several":          {map[string][]byte{"x.gguf": kind("model"), "y.gguf": kind("model")}, "", "several models: x.gguf, y.gguf"},
		"missing":          {map[string][]byte{"x-00001-of-00002.gguf": split(0, 2)}, "x-00001-of-00002.gguf", "missing beside it: x-00002-of-00002.gguf"},
		"name":             {map[string][]byte{"x.gguf": split(0, 2)}, "x.gguf", "whose name does not end in -00001-of-00002.gguf"},
		"count of name":    {map[string][]byte{"x-00001-of-00003.gguf": split(0, 2)}, "x-00001-of-00003.gguf", "a split of 2 files by its keys, of 00003 by its name"},
		"number":           {map[string][]byte{"x-00001-of-00002.gguf": split(0, 2), "x-00002-of-00002.gguf": split(2, 2)}, "", "split.no is 2, want 1 by its name"},
		"count":            {map[string][]byte{"x-00001-of-00002.gguf": split(0, 2), "x-00002-of-00002.gguf": split(1, 3)}, "", "split.count is 3, 2 in x-00001-of-00002.gguf"},
		"tensors":          {map[string][]byte{"x-00001-of-00002.gguf": split(0, 2, key("split.tensors.count", typeInt32, u32(3))), "x-00002-of-00002.gguf": split(1, 2)}, "", "split.tensors.count is 3, but the files of the split have 2 tensors"},
		"files":            {map[string][]byte{"x.gguf": split(0, 0)}, "x.gguf", "split.count: 0 files"},
		"broken other":     {map[string][]byte{"x-00001-of-00002.gguf": split(0, 2), "x-00002-of-00002.gguf": split(1, 2)[:90]}, "", "x-00002-of-00002.gguf: "},
		"tensor in two":    {map[string][]byte{"x-00001-of-00002.gguf": split(0, 2), "x-00002-of-00002.gguf": bytes.Replace(split(1, 2), text("b"), text("a"), 1)}, "", "is in x-00001-of-00002.gguf, too"},
		"folder as a file": {map[string][]byte{"y.gguf/z": nil}, "", ""},
	} {
		dir := t.TempDir()
		for file, content := range c.files {
			path := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			writeFile(t, path, content)
		}
		src, err := Open(filepath.Join(dir, c.open))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v, want %q", name, src, err, c.want)
		}
	}
}

// TestChanged: a file that is not as it was when it was opened is no longer read.
func TestChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gguf")
	content := build{tensors: []entry{matrix("a", 0, 2048)}}.bytes()
	for what, change := range map[string]func() error{
		"shorter": func() error { return os.Truncate(path, int64(len(content))-100) },
		"another": func() error {
			return errors.Join(os.Remove(path), os.WriteFile(path+"2", content, 0o666), os.Rename(path+"2", path))
		},
		"gone": func() error { return os.Remove(path) },
	} {
		writeFile(t, path, content)
		c, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if err := c.ReadTensor(make([]byte, 2048), &c.tensors[0]); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// TestModel: the shape of the model is that of its keys.
func TestModel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gguf")
	writeFile(t, path, build{keys: [][]byte{
		key("general.architecture", typeString, text("qwen2")), key("qwen2.block_count", typeUint32, u32(28)), key("qwen2.attention.head_count", typeUint32, u32(16)),
		key("qwen2.attention.head_count_kv", typeArray, array(typeInt32, 1, u32(2))), key("qwen2.expert_count", typeInt8, []byte{0xff}),
	}, tensors: []entry{matrix("a", 0, 2048)}}.bytes())
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Model(), (checkpoint.LanguageModel{Type: "qwen2", Layers: 28, Heads: 16}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestNotes: what is quantized is told once, by types.
func TestNotes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gguf")
	writeFile(t, path, build{tensors: []entry{matrix("a", 14, 420), matrix("b", 12, 288), matrix("c", 12, 288), matrix("d", 0, 2048), matrix("e", 19, 100)}}.bytes())
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "3 tensors are quantized already (2 Q4_K, 1 Q6_K): read at the dequantized weights, which levels quantize again"; len(c.Notes()) != 1 || c.Notes()[0] != want {
		t.Errorf("%q, want %q", c.Notes(), want)
	}
}

// TestFirstWithoutTensors: the first file of a split may hold keys only.
func TestFirstWithoutTensors(t *testing.T) {
	dir := t.TempDir()
	for i, tensors := range [][]entry{nil, {matrix("a", 0, 2048)}} {
		writeFile(t, filepath.Join(dir, []string{"x-00001-of-00002.gguf", "x-00002-of-00002.gguf"}[i]), build{tensors: tensors, keys: [][]byte{
			key("split.no", typeUint16, u16(uint16(i))), key("split.count", typeUint16, u16(2)), key("split.tensors.count", typeInt32, u32(1)),
		}}.bytes())
	}
	for _, path := range []string{dir, filepath.Join(dir, "x-00001-of-00002.gguf"), filepath.Join(dir, "x-00002-of-00002.gguf")} {
		if c, err := Open(path); err != nil || len(c.Tensors()) != 1 {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// FuzzHeader reads arbitrary files: tensors lie inside them, and errors fit a line.
func FuzzHeader(f *testing.F) {
	f.Add(build{version: 3, tensors: []entry{matrix("a", 12, 288), matrix("b", 1, 1024)}}.bytes())
	f.Add(build{version: 2, keys: [][]byte{key("general.alignment", typeUint32, u32(64)), key("s", typeArray, array(typeString, 1, text("x"))), key("b", typeBool, []byte{1})}}.bytes())
	f.Fuzz(func(t *testing.T, content []byte) {
		size := int64(len(content))
		h, err := readHeader(bytes.NewReader(content), size)
		if err != nil {
			if text := err.Error(); checkpoint.Printable(text) != text {
				t.Errorf("error %q", text)
			}
			return
		}
		end := int64(0)
		for _, tensor := range h.tensors {
			if tensor.Offset < end || tensor.Size < 0 || tensor.Size > size-tensor.Offset {
				t.Fatalf("%+v in a file of %d bytes", tensor, size)
			}
			end = tensor.Offset + tensor.Size
			if tensor.Encoding != nil {
				if weights, bytes := tensor.Encoding.Block(); tensor.Elements()/int64(weights)*int64(bytes) != tensor.Size {
					t.Fatalf("%+v: another size than its blocks", tensor)
				}
			}
		}
	})
}
