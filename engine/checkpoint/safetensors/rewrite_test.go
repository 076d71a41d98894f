package safetensors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/testsource"
)

// mustOpen opens path until the test ends.
func mustOpen(t *testing.T, path string) *Checkpoint {
	t.Helper()
	c, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// listDir returns the names in a folder, temporary files included.
func listDir(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// writeModel writes a sharded checkpoint with an index and returns its folder.
func writeModel(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	model := testsource.Model([]checkpoint.DType{checkpoint.F32, checkpoint.F16, checkpoint.I8})
	writeIndex(t, dir, writeShards(t, dir, model))
	return dir
}

func TestRewriteCopies(t *testing.T) {
	dir := writeModel(t)
	src := mustOpen(t, dir)
	for name, opts := range map[string]checkpoint.RewriteOptions{
		"zero options": {},
		"same types, same bytes": {
			DType:  func(t *checkpoint.Tensor) checkpoint.DType { return t.DType },
			Tensor: func(_ *checkpoint.Tensor, src []byte) ([]byte, error) { return src, nil },
		},
		"nil result": {Tensor: func(*checkpoint.Tensor, []byte) ([]byte, error) { return nil, nil }},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "new")
			paths, err := src.Rewrite(context.Background(), out, opts)
			if err != nil {
				t.Fatal(err)
			}
			if want := 3; len(paths) != want || len(listDir(t, out)) != want {
				t.Errorf("wrote %q, folder holds %q", paths, listDir(t, out))
			}
			for _, path := range paths {
				if !bytes.Equal(readFile(t, path), readFile(t, filepath.Join(dir, filepath.Base(path)))) {
					t.Errorf("%s differs from its source", filepath.Base(path))
				}
			}
		})
	}
}

// TestRewriteTypes widens the F16 tensors to F32 and adds one to every byte of
// the I8 tensors.
func TestRewriteTypes(t *testing.T) {
	src := mustOpen(t, writeModel(t))
	out := t.TempDir()
	_, err := src.Rewrite(context.Background(), out, checkpoint.RewriteOptions{
		DType: func(t *checkpoint.Tensor) checkpoint.DType {
			if t.DType == checkpoint.F16 {
				return checkpoint.F32
			}
			return t.DType
		},
		Tensor: func(t *checkpoint.Tensor, src []byte) ([]byte, error) {
			switch t.DType {
			case checkpoint.F16:
				return append(src, src...), nil
			case checkpoint.I8:
				for i := range src {
					src[i]++
				}
			}
			return src, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	dst := mustOpen(t, out)
	var total int64
	for i := range src.Tensors() {
		s, d := &src.Tensors()[i], &dst.Tensors()[i]
		if s.Name != d.Name || !slices.Equal(s.Shape, d.Shape) || s.File != d.File {
			t.Errorf("%q became %q", s.Name, d.Name)
		}
		want, got := make([]byte, s.Size), make([]byte, d.Size)
		if err := errors.Join(src.ReadTensor(want, s), dst.ReadTensor(got, d)); err != nil {
			t.Fatal(err)
		}
		wantType := s.DType
		switch s.DType {
		case checkpoint.F16:
			wantType = checkpoint.F32
			want = append(want, want...)
		case checkpoint.I8:
			for i := range want {
				want[i]++
			}
		}
		if d.DType != wantType || !bytes.Equal(got, want) {
			t.Errorf("%q: %s and wrong bytes, or not %s", d.Name, d.DType, wantType)
		}
		total += d.Size
	}
	for i, s := range src.shards {
		d := dst.shards[i]
		if !maps.Equal(s.metadata, d.metadata) || d.dataStart%8 != 0 {
			t.Errorf("%s: metadata %v, data at %d", d.name, d.metadata, d.dataStart)
		}
		for j := range s.tensors {
			if s.tensors[j].Name != d.tensors[j].Name {
				t.Errorf("%s: tensor %d is %q, was %q", d.name, j, d.tensors[j].Name, s.tensors[j].Name)
			}
		}
	}
	var text struct {
		Metadata map[string]any `json:"metadata"`
	}
	if err := json.Unmarshal(dst.index.text, &text); err != nil {
		t.Fatal(err)
	}
	if text.Metadata["total_size"] != float64(total) || text.Metadata["note"] == nil {
		t.Errorf("index metadata %v, want total_size %d and the rest as it was", text.Metadata, total)
	}
}

// TestRewriteKeepsHeaderText changes the types in a header whose spelling no writer
// produces; all other text must stay.
func TestRewriteKeepsHeaderText(t *testing.T) {
	const header = `{ "b\u0062":{"data_offsets" : [ 4 , 8 ],"dtype":"F\u0031\u0036","shape":[2]},` + "\n" +
		`"__metadata__":{"z":"1","a":"2"}, "a":{"shape":[1],"data_offsets":[0,4],"dtype":"F32"},` +
		`"x":{"shape":[9],"data_offsets":[8,10],"dtype":"X9"}}   `
	const want = `{ "b\u0062":{"data_offsets" : [2,10],"dtype":"F32","shape":[2]},` + "\n" +
		`"__metadata__":{"z":"1","a":"2"}, "a":{"shape":[1],"data_offsets":[0,2],"dtype":"BF16"},` +
		`"x":{"shape":[9],"data_offsets":[10,12],"dtype":"X9"}}`
	dir := t.TempDir()
	path := filepath.Join(dir, "m.safetensors")
	writeFile(t, path, testsource.File(header, []byte("abcdefghij")))
	out := filepath.Join(dir, "new.safetensors")
	paths, err := mustOpen(t, path).Rewrite(context.Background(), out, checkpoint.RewriteOptions{
		DType: func(t *checkpoint.Tensor) checkpoint.DType {
			return map[checkpoint.DType]checkpoint.DType{
				checkpoint.F16: checkpoint.F32, checkpoint.F32: checkpoint.BF16, checkpoint.InvalidDType: checkpoint.InvalidDType,
			}[t.DType]
		},
		Tensor: func(t *checkpoint.Tensor, src []byte) ([]byte, error) {
			switch t.DType {
			case checkpoint.F32:
				return src[:2], nil
			case checkpoint.F16:
				return append(src, src...), nil
			}
			return nil, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(paths, []string{out}) {
		t.Errorf("wrote %q, want %q", paths, out)
	}
	if got := readFile(t, out); !bytes.Equal(got, testsource.File(want, []byte("abefghefghij"))) {
		t.Errorf("wrote %q", got)
	}
}

func TestRewriteTargets(t *testing.T) {
	single := t.TempDir()
	writeNamed(t, single, map[string][]string{"m.safetensors": {"a"}})
	file := filepath.Join(single, "m.safetensors")
	sharded := writeModel(t)

	work := t.TempDir()
	at := func(name string) string { return filepath.Join(work, name) }
	writeFile(t, at("file"), nil)
	writeFile(t, at("there.safetensors"), []byte("old"))
	for _, dir := range []string{"full", "blocked", "folder.safetensors"} {
		if err := os.MkdirAll(at(dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, at("full/m.safetensors"), []byte("old"))
	if err := os.MkdirAll(at("blocked/m.safetensors"), 0o777); err != nil {
		t.Fatal(err)
	}
	linked := os.Link(file, at("hard.safetensors")) == nil && os.Symlink(file, at("soft.safetensors")) == nil &&
		os.Symlink(sharded, at("soft")) == nil

	for _, tc := range []struct {
		name      string
		src, out  string
		overwrite bool
		want      string // path that Rewrite writes; "" if it refuses
		refused   string
		class     error
	}{
		{name: "file to file", src: file, out: at("new.safetensors"), want: at("new.safetensors")},
		{name: "file to new folder", src: file, out: at("new"), want: at("new/m.safetensors")},
		{name: "folder to file", src: single, out: at("new2.safetensors"), want: at("new2.safetensors")},
		{name: "folder with a suffix", src: file, out: at("folder.safetensors"), want: at("folder.safetensors/m.safetensors")},
		{name: "overwrite", src: file, out: at("full"), overwrite: true, want: at("full/m.safetensors")},
		{name: "shards to a file", src: sharded, out: at("s.safetensors"), refused: "s.safetensors: is one file, but the checkpoint has 3: name a folder", class: checkpoint.ErrOutput},
		{name: "file in the way", src: file, out: at("file"), refused: "is a file, want a folder", class: checkpoint.ErrOutput},
		{name: "no parent", src: file, out: at("no/new"), refused: "no such file", class: fs.ErrNotExist},
		{name: "no parent of a file", src: file, out: at("no/new.safetensors"), refused: "no such file", class: fs.ErrNotExist},
		{name: "below a file", src: file, out: at("file/x"), refused: "not a directory"},
		{name: "exists", src: file, out: at("there.safetensors"), refused: "there.safetensors: already exists and may not be overwritten", class: fs.ErrExist},
		{name: "folder in the way", src: file, out: at("blocked"), overwrite: true, refused: "is a folder", class: checkpoint.ErrOutput},
		{name: "the source file", src: file, out: file, overwrite: true, refused: "is a file of the source, which is never overwritten", class: checkpoint.ErrOutput},
		{name: "the folder of the source file", src: file, out: single, overwrite: true, refused: "is a file of the source", class: checkpoint.ErrOutput},
		{name: "the source folder", src: sharded, out: sharded + "/.", overwrite: true, refused: "is the folder of the source", class: checkpoint.ErrOutput},
		{name: "hard link", src: file, out: at("hard.safetensors"), overwrite: true, refused: "is a file of the source", class: checkpoint.ErrOutput},
		{name: "symbolic link", src: file, out: at("soft.safetensors"), overwrite: true, refused: "is a file of the source", class: checkpoint.ErrOutput},
		{name: "symbolic link to the folder", src: sharded, out: at("soft"), overwrite: true, refused: "is the folder of the source", class: checkpoint.ErrOutput},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if strings.Contains(tc.name, "link") && !linked {
				t.Skip("no links on this file system")
			}
			src := mustOpen(t, tc.src)
			before := readFile(t, file)
			paths, err := src.Rewrite(context.Background(), tc.out, checkpoint.RewriteOptions{Overwrite: tc.overwrite})
			if !bytes.Equal(readFile(t, file), before) {
				t.Fatal("the source changed")
			}
			if tc.refused != "" {
				if tc.class == nil {
					tc.class = err
				}
				checkRefused(t, err, tc.class, tc.refused)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(paths, []string{tc.want}) || !bytes.Equal(readFile(t, tc.want), before) {
				t.Errorf("wrote %q, want a copy at %q", paths, tc.want)
			}
		})
	}
	if got := listDir(t, work); slices.ContainsFunc(got, func(name string) bool { return strings.HasSuffix(name, ".tmp") }) {
		t.Errorf("temporary files left: %q", got)
	}
}

func TestRewriteRefusesTensors(t *testing.T) {
	failed := errors.New("no luck")
	dir := t.TempDir()
	path := filepath.Join(dir, "m.safetensors")
	writeFile(t, path, testsource.File(
		`{"x":{"dtype":"X9","shape":[3],"data_offsets":[0,3]},"y":{"dtype":"U8","shape":[3],"data_offsets":[3,6]}}`, make([]byte, 6)))
	to := func(dtype checkpoint.DType, name string) func(*checkpoint.Tensor) checkpoint.DType {
		return func(t *checkpoint.Tensor) checkpoint.DType {
			if t.Name == name {
				return dtype
			}
			return t.DType
		}
	}
	for _, tc := range []struct {
		name string
		opts checkpoint.RewriteOptions
		want string
	}{
		{"unknown source type", checkpoint.RewriteOptions{DType: to(checkpoint.F32, "x")}, `m.safetensors: tensor "x": cannot write "X9" as F32`},
		{"invalid type", checkpoint.RewriteOptions{DType: to(checkpoint.InvalidDType, "y")}, `tensor "y": cannot write "U8" as invalid`},
		{"type beyond the table", checkpoint.RewriteOptions{DType: to(200, "y")}, "as DType(200)"},
		{"not on a byte", checkpoint.RewriteOptions{DType: to(checkpoint.F4, "y")}, "12 bits do not end on a byte"},
		{"new type without new bytes", checkpoint.RewriteOptions{DType: to(checkpoint.F16, "y")}, "3 bytes to write, but its shape and type take 6"},
		{"wrong length", checkpoint.RewriteOptions{Tensor: func(_ *checkpoint.Tensor, src []byte) ([]byte, error) { return src[:2], nil }}, `tensor "x": 2 bytes to write`},
		{"error", checkpoint.RewriteOptions{Tensor: func(*checkpoint.Tensor, []byte) ([]byte, error) { return nil, failed }}, `tensor "x": no luck`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "new")
			_, err := mustOpen(t, path).Rewrite(context.Background(), out, tc.opts)
			checkRefused(t, err, err, tc.want)
			if _, err := os.Stat(out); err == nil {
				t.Errorf("the folder was left behind with %q", listDir(t, out))
			}
		})
	}
}

func TestRewriteChangedSource(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, path string)
		opts   checkpoint.RewriteOptions
		want   string
	}{
		{"header", func(t *testing.T, path string) {
			content := readFile(t, path)
			content[bytes.Index(content, []byte(`"a"`))+1] = 'b'
			writeFile(t, path, content)
		}, checkpoint.RewriteOptions{}, "m.safetensors: header changed after the file was opened"},
		{"cut in the header", func(t *testing.T, path string) {
			if err := os.Truncate(path, 20); err != nil {
				t.Fatal(err)
			}
		}, checkpoint.RewriteOptions{}, "m.safetensors: file became shorter while it was read"},
		{"cut to nothing", func(t *testing.T, path string) {
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
		}, checkpoint.RewriteOptions{}, "m.safetensors: file became shorter while it was read"},
		{"cut in the data", func(t *testing.T, path string) {
			if err := os.Truncate(path, int64(len(readFile(t, path))-1)); err != nil {
				t.Fatal(err)
			}
		}, checkpoint.RewriteOptions{}, `m.safetensors: tensor "a": file became shorter while it was read`},
		{"appended", func(t *testing.T, path string) { writeFile(t, path, append(readFile(t, path), 0)) },
			checkpoint.RewriteOptions{}, `m.safetensors: tensor "a": file changed while it was read`},
		{"cut, with a function", func(t *testing.T, path string) {
			if err := os.Truncate(path, int64(len(readFile(t, path))-1)); err != nil {
				t.Fatal(err)
			}
		}, checkpoint.RewriteOptions{Tensor: func(*checkpoint.Tensor, []byte) ([]byte, error) { return nil, nil }}, "file became shorter"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "m.safetensors")
			writeNamed(t, dir, map[string][]string{"m.safetensors": {"a"}})
			src := mustOpen(t, path)
			tc.change(t, path)
			out := filepath.Join(dir, "new")
			_, err := src.Rewrite(context.Background(), out, tc.opts)
			checkRefused(t, err, checkpoint.ErrCorrupt, tc.want)
			if _, err := os.Stat(out); err == nil {
				t.Errorf("the folder was left behind with %q", listDir(t, out))
			}
		})
	}
}

func TestRewriteCancelled(t *testing.T) {
	src := mustOpen(t, writeModel(t))
	stopped := errors.New("stopped by the user")
	for n := range 8 {
		ctx, cancel := context.WithCancelCause(context.Background())
		out := filepath.Join(t.TempDir(), "new")
		calls := 0
		_, err := src.Rewrite(ctx, out, checkpoint.RewriteOptions{Tensor: func(*checkpoint.Tensor, []byte) ([]byte, error) {
			if calls++; calls > n {
				cancel(stopped)
			}
			return nil, nil
		}})
		cancel(nil)
		if !errors.Is(err, stopped) {
			t.Fatalf("cancelled at tensor %d: error %v", n, err)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("the folder was left behind with %q", listDir(t, out))
		}
	}
}
