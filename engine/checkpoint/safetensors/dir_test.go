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
		{"tensor in two others", `{"weight_map":{"a":"m2.safetensors","b":"m1.safetensors","c":"m4.safetensors"}}`, `x.safetensors.index.json: tensor "a": is not in m2.safetensors, where weight_map places it, but in both m1.safetensors and m4.safetensors`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			writeNamed(t, dir, map[string][]string{
				"m1.safetensors": {"a"}, "m2.safetensors": {"b"},
				"m4.safetensors": {"c", "a"}, "m5.safetensors": {"c", "d"},
			})
			writeFile(t, filepath.Join(dir, "x.safetensors.index.json"), []byte(tc.index))
			_, err := Open(dir)
			checkRefused(t, err, checkpoint.ErrCorrupt, tc.want)
		})
	}
}

// TestIndexDecides opens shards that hold something else than the index says: which tensors
// count, from which files, and what is noted.
func TestIndexDecides(t *testing.T) {
	for _, tc := range []struct {
		name, index string
		want        []string // "tensor file"
		notes       []string
	}{
		{"only listed files", `{"weight_map":{"a":"m1.safetensors"}}`, []string{"a m1.safetensors"}, []string{"also in the folder, not opened: m2.safetensors, m4.safetensors, m5.safetensors"}},
		{"moved", `{"weight_map":{"a":"m2.safetensors","b":"m1.safetensors"}}`, []string{"a m1.safetensors", "b m2.safetensors"}, []string{`2 tensors are not in the files that x.safetensors.index.json names for them and are read from where they are: "a" in m1.safetensors, "b" in m2.safetensors`}},
		{"stale copy", `{"weight_map":{"a":"m1.safetensors","b":"m2.safetensors","c":"m4.safetensors"}}`, []string{"a m1.safetensors", "b m2.safetensors", "c m4.safetensors"}, []string{`1 tensors are also in other files than x.safetensors.index.json says, and these copies are left out: "a" in m4.safetensors`}},
		{"stale copy in the first file", `{"weight_map":{"a":"m4.safetensors","b":"m1.safetensors"}}`, nil, nil},
		{"extra", `{"weight_map":{"a":"m1.safetensors","c":"m5.safetensors"}}`, []string{"a m1.safetensors", "c m5.safetensors"}, []string{`1 tensors that x.safetensors.index.json does not list are left out: "d" in m5.safetensors`}},
		{"byte order mark", "\ufeff" + `{"weight_map":{"b":"m2.safetensors"}}`, []string{"b m2.safetensors"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			writeNamed(t, dir, map[string][]string{
				"m1.safetensors": {"a"}, "m2.safetensors": {"b"},
				"m4.safetensors": {"c", "a"}, "m5.safetensors": {"c", "d"},
			})
			writeFile(t, filepath.Join(dir, "x.safetensors.index.json"), []byte(tc.index))
			c, err := Open(dir)
			if tc.want == nil {
				checkRefused(t, err, checkpoint.ErrCorrupt, `tensor "b": is not in m1.safetensors, where weight_map places it`)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var got []string
			for _, tensor := range c.Tensors() {
				got = append(got, tensor.Name+" "+tensor.File)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("tensors %q, want %q", got, tc.want)
			}
			for _, note := range tc.notes {
				if !slices.Contains(c.Notes(), note) {
					t.Errorf("notes %q, want %q", c.Notes(), note)
				}
			}
			checkInvariants(t, 1<<20, c)
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
