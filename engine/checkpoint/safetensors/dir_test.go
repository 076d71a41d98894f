package safetensors

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/testsource"
)

func u8(name string) testsource.Tensor {
	return testsource.Tensor{Name: name, DType: checkpoint.U8, Shape: []int{2}, Data: []byte{1, 2}}
}

// writeNamed writes a safetensors file for each entry of files, with tensors of the given
// names.
func writeNamed(t *testing.T, dir string, files map[string][]string) {
	t.Helper()
	for name, tensors := range files {
		var list []testsource.Tensor
		for _, tensor := range tensors {
			list = append(list, u8(tensor))
		}
		writeFile(t, filepath.Join(dir, name), testsource.Safetensors(list, nil))
	}
}

func TestIndexRefused(t *testing.T) {
	const good = `"a":"m1.safetensors","b":"m2.safetensors"`
	for _, tc := range []struct{ name, index, want string }{
		{"empty", ``, "index is empty"},
		{"array", `[]`, "index starts with byte 0x5b"},
		{"no weight_map", `{}`, `index has no field "weight_map"`},
		{"weight_map empty", `{"weight_map":{}}`, "names no tensor"},
		{"weight_map null", `{"weight_map":null}`, `field "weight_map" is null, want an object`},
		{"duplicate field", `{"weight_map":{` + good + `},"weight_map":{}}`, `duplicate field "weight_map"`},
		{"duplicate unknown field", `{"x":1,"x":2}`, `duplicate field "x"`},
		{"duplicate metadata key", `{"metadata":{"k":1,"\u006b":2}}`, `field "metadata" has duplicate key "k"`},
		{"metadata not an object", `{"metadata":1}`, `field "metadata" is the number 1, want an object`},
		{"total_size nested", `{"metadata":{"total_size":[1]}}`, `key "total_size" is an array, want a number`},
		{"too deep", `{"x":` + strings.Repeat("[", 33) + strings.Repeat("]", 33) + `}`, "nested deeper than 32"},
		{"tensor listed twice", `{"weight_map":{` + good + `,"\u0061":"m2.safetensors"}}`, `tensor "a": duplicate name`},
		{"tensor name too long", `{"weight_map":{"` + strings.Repeat("x", 1025) + `":"m1.safetensors"}}`, "1025 bytes > limit 1024"},
		{"file a number", `{"weight_map":{"a":1}}`, `tensor "a": file name is the number 1`},
		{"file empty", `{"weight_map":{"a":""}}`, "file name is empty"},
		{"file too long", `{"weight_map":{"a":"` + strings.Repeat("x", 256) + `"}}`, "256 bytes > limit 255"},
		{"parent folder", `{"weight_map":{"a":"../m1.safetensors"}}`, `"../m1.safetensors" contains a path separator`},
		{"absolute", `{"weight_map":{"a":"/etc/m1.safetensors"}}`, "contains a path separator"},
		{"sub folder", `{"weight_map":{"a":"x/m1.safetensors"}}`, "contains a path separator"},
		{"backslash", `{"weight_map":{"a":"..\\m1.safetensors"}}`, "contains a path separator"},
		{"drive letter", `{"weight_map":{"a":"c:m1.safetensors"}}`, "contains a path separator"},
		{"NUL", `{"weight_map":{"a":"m1\u0000.safetensors"}}`, `"m1\x00.safetensors" holds a character that cannot be printed`},
		{"newline", `{"weight_map":{"a":"m1\n.safetensors"}}`, "cannot be printed"},
		{"dots", `{"weight_map":{"a":".."}}`, "starts with a dot"},
		{"hidden", `{"weight_map":{"a":".safetensors"}}`, "starts with a dot"},
		{"other suffix", `{"weight_map":{"a":"config.json"}}`, `"config.json" does not end in .safetensors`},
		{"missing shard", `{"weight_map":{` + good + `,"c":"m3.safetensors"}}`, "x.safetensors.index.json: weight_map names m3.safetensors, which is not in the folder"},
		{"tensor in no shard", `{"weight_map":{` + good + `,"z":"m1.safetensors","y\n":"m2.safetensors"}}`, `x.safetensors.index.json: tensor "y\n": is not in m2.safetensors, where weight_map places it`},
		{"tensor not in the index", `{"weight_map":{"a":"m1.safetensors"}}`, ""},
		{"tensor in another shard", `{"weight_map":{"a":"m2.safetensors","b":"m1.safetensors"}}`, `m1.safetensors: tensor "a": weight_map of x.safetensors.index.json places it in m2.safetensors`},
		{"tensor in two shards", `{"weight_map":{` + good + `,"c":"m4.safetensors"}}`, `m4.safetensors: tensor "a": is also in m1.safetensors`},
		{"tensor unlisted", `{"weight_map":{"a":"m1.safetensors","c":"m5.safetensors"}}`, `m5.safetensors: tensor "d": is not in the weight_map of x.safetensors.index.json`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			writeNamed(t, dir, map[string][]string{
				"m1.safetensors": {"a"}, "m2.safetensors": {"b"},
				"m4.safetensors": {"c", "a"}, "m5.safetensors": {"c", "d"},
			})
			writeFile(t, filepath.Join(dir, "x.safetensors.index.json"), []byte(tc.index))
			c, err := Open(dir)
			if tc.want == "" {
				// A file that the index does not name is not part of the
				// checkpoint.
				if err != nil || len(c.Tensors()) != 1 {
					t.Fatalf("Open: %v", err)
				}
				c.Close()
				return
			}
			checkRefused(t, err, checkpoint.ErrCorrupt, tc.want)
		})
	}
}

func TestIndexTooLarge(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "model.safetensors.index.json")
	writeFile(t, path, []byte("{"))
	if err := os.Truncate(path, MaxIndexBytes+1); err != nil { // sparse
		t.Fatal(err)
	}
	_, err := Open(dir)
	checkRefused(t, err, checkpoint.ErrCorrupt, "index of 67108865 bytes > limit 67108864")
}

// TestFolder checks which files of a folder make the checkpoint.
func TestFolder(t *testing.T) {
	type files = map[string][]string
	const index = `{"weight_map":{"a":"model-00001-of-00002.safetensors"}}`
	for _, tc := range []struct {
		name    string
		files   files
		index   map[string]string
		want    []string // files
		refused string
		class   error
	}{
		{name: "one file", files: files{"model.safetensors": {"a"}, "._model.safetensors": {"x"}}, want: []string{"model.safetensors"}},
		{name: "any name", files: files{"weights.safetensors": {"a"}}, want: []string{"weights.safetensors"}},
		{name: "any names", files: files{"v.safetensors": {"a"}, "w.safetensors": {"b"}}, want: []string{"v.safetensors", "w.safetensors"}},
		{name: "model before others", files: files{"model.safetensors": {"a"}, "consolidated.safetensors": {"b"}, "x.safetensors": {"c"}, "adapter_model.safetensors": {"d"}}, want: []string{"model.safetensors"}},
		{name: "consolidated alone", files: files{"consolidated.safetensors": {"a"}}, want: []string{"consolidated.safetensors"}},
		{name: "shards", files: files{shard1: {"a"}, shard2: {"b"}}, want: []string{shard1, shard2}},
		{name: "index before all", files: files{shard1: {"a"}, "model.safetensors": {"b"}}, index: map[string]string{"model.safetensors.index.json": index, "model.fp16.safetensors.index.json": index}, want: []string{shard1}},
		{name: "other index", files: files{shard1: {"a"}}, index: map[string]string{"diffusion.safetensors.index.json": index}, want: []string{shard1}},
		{name: "index of the copy", files: files{"model.safetensors": {"a"}}, index: map[string]string{"consolidated.safetensors.index.json": index}, want: []string{"model.safetensors"}},
		{name: "two indexes", files: files{shard1: {"a"}}, index: map[string]string{"a.safetensors.index.json": index, "b.safetensors.index.json": index}, refused: "2 index files", class: checkpoint.ErrUnsupported},
		{name: "missing shard", files: files{"model-00002-of-00003.safetensors": {"a"}}, refused: "2 of the numbered files are missing, the first is model-00001-of-00003.safetensors", class: checkpoint.ErrCorrupt},
		{name: "tensor in two shards", files: files{shard1: {"a"}, shard2: {"a"}}, refused: shard2 + `: tensor "a": is also in ` + shard1, class: checkpoint.ErrCorrupt},
		{name: "two variants", files: files{"model.safetensors": {"a"}, "model.fp16.safetensors": {"a"}}, refused: "to use one of the files alone, name it", class: checkpoint.ErrCorrupt},
		{name: "adapter", files: files{"adapter_model.safetensors": {"a"}}, refused: "adapter_model.safetensors holds LoRA deltas, which are not a model", class: checkpoint.ErrUnsupported},
		{name: "nothing", refused: "no .safetensors file in the folder", class: checkpoint.ErrNotFound},
		{name: "control character", files: files{"a\n.safetensors": {"a"}}, refused: `file name "a\n.safetensors" holds a character that cannot be printed`, class: checkpoint.ErrUnsupported},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			writeNamed(t, dir, tc.files)
			for name, text := range tc.index {
				writeFile(t, filepath.Join(dir, name), []byte(text))
			}
			c, err := Open(dir)
			if tc.refused != "" {
				checkRefused(t, err, tc.class, tc.refused)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var got []string
			for _, f := range c.Files() {
				got = append(got, f.Name)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("files %q, want %q", got, tc.want)
			}
		})
	}
}

func TestOpenPath(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(filepath.Join(dir, "no\nmodel"))
	checkRefused(t, err, checkpoint.ErrNotFound, "no such file or folder")

	file := filepath.Join(dir, "m.safetensors")
	writeNamed(t, dir, map[string][]string{"m.safetensors": {"a"}})
	_, err = Open(filepath.Join(file, "x"))
	if err == nil {
		t.Error("no error for a path through a file")
	}
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(file); err == nil {
		t.Skip("permissions do not bind this user")
	}
	_, err = Open(file)
	checkRefused(t, err, fs.ErrPermission, "m.safetensors: permission denied")
}

func TestReadChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.safetensors")
	content := testsource.Safetensors([]testsource.Tensor{u8("a")}, nil)
	for name, change := range map[string]func() error{
		"appended": func() error { return os.WriteFile(path, append(content, 0), 0o666) },
		"modified": func() error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Chtimes(path, info.ModTime(), info.ModTime().Add(1e9))
		},
	} {
		t.Run(name, func(t *testing.T) {
			writeFile(t, path, content)
			c, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := change(); err != nil {
				t.Fatal(err)
			}
			err = c.ReadTensor(make([]byte, 2), &c.Tensors()[0])
			checkRefused(t, err, checkpoint.ErrCorrupt, `m.safetensors: tensor "a": file changed while it was read`)
		})
	}
}

func TestCloseTwice(t *testing.T) {
	c, err := openBytes(t, testsource.Safetensors([]testsource.Tensor{u8("a")}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := c.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("second Close: %v, want os.ErrClosed", err)
	}
}
