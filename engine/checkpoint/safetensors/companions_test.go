package safetensors

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// writeFolder writes a model folder with all kinds of files beside the weights.
func writeFolder(t *testing.T) string {
	t.Helper()
	dir := writeModel(t)
	outside := t.TempDir()
	writeFile(t, filepath.Join(outside, "blob"), []byte("linked"))
	for name, text := range map[string]string{
		"config.json": "{}", "tokenizer.json": "-> " + filepath.Join(outside, "blob"), "chat_template.jinja": "x", "spiece.model": "x", "LICENSE": "x",
		"pytorch_model.bin": "PK", "pytorch_model.bin.index.json": "{}", "model.safetensors.index.fp16.json": "{}", "old.safetensors": "x",
		"README.md": "-> gone", ".gitattributes": "x", "onnx/config.json": "{}", "onnx/model.onnx": "", "folder.json/x": "", "1_Pooling/config.json": "{}", "1_Pooling/a/b/x.json": "deep", "1_Pooling/a/b/c/x.json": "", ".cache/x.json": "", "again": "-> .", "x.gguf": "GGUF",
	} {
		writeText(t, filepath.Join(dir, name), text)
	}
	return dir
}

func TestCompanions(t *testing.T) {
	dir := writeFolder(t)
	if err := os.Truncate(filepath.Join(dir, "spiece.model"), checkpoint.MaxCompanionBytes+1); err != nil { // sparse
		t.Fatal(err)
	}
	src := mustOpen(t, dir)
	var notes []string
	opts := checkpoint.RewriteOptions{Companions: true, Note: func(text string) { notes = append(notes, text) }}
	out := filepath.Join(t.TempDir(), "new")
	if _, err := src.Rewrite(context.Background(), out, opts); err != nil {
		t.Fatal(err)
	}
	want := []string{"LICENSE", "chat_template.jinja", "config.json", shard1, shard2, src.index.name, "tokenizer.json"}
	for name, text := range map[string]string{"1_Pooling/config.json": "{}", "1_Pooling/a/b/x.json": "deep"} {
		if got := readFile(t, filepath.Join(out, filepath.FromSlash(name))); string(got) != text {
			t.Errorf("%s is %q, want %q", name, got, text)
		}
	}
	want = append(want, "1_Pooling")
	if got := listDir(t, out); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("wrote %q, want %q", got, want)
	}
	if info, err := os.Lstat(filepath.Join(out, "tokenizer.json")); err != nil || !info.Mode().IsRegular() || string(readFile(t, filepath.Join(out, "tokenizer.json"))) != "linked" {
		t.Errorf("tokenizer.json is %v, %v, want a copy of what the link leads to", info, err)
	}
	if !slices.Equal(notes, []string{
		"1_Pooling/a/b/c is not copied: it is more than 3 folders deep",
		"spiece.model is not copied: 67108865 bytes > limit 67108864",
		"subfolders that are not copied, since they hold weights of their own, or are links: again, onnx",
	}) {
		t.Errorf("notes %q", notes)
	}

	// What is there is not replaced unasked.
	if _, err := src.Rewrite(context.Background(), out, opts); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("error %v, want one of fs.ErrExist", err)
	}
	half := t.TempDir()
	writeFile(t, filepath.Join(half, "config.json"), []byte("mine"))
	if _, err := src.Rewrite(context.Background(), half, opts); !errors.Is(err, fs.ErrExist) || len(listDir(t, half)) != 1 {
		t.Errorf("error %v with %q", err, listDir(t, half))
	}
	opts.Overwrite = true
	if _, err := src.Rewrite(context.Background(), half, opts); err != nil || string(readFile(t, filepath.Join(half, "config.json"))) != "{}" {
		t.Errorf("error %v, or config.json was not replaced", err)
	}
	// A link to a file of the source in the place of an output is refused.
	linked := t.TempDir()
	writeText(t, filepath.Join(linked, "config.json"), "-> "+filepath.Join(dir, "config.json"))
	if _, err := src.Rewrite(context.Background(), linked, opts); !errors.Is(err, checkpoint.ErrOutput) {
		t.Errorf("error %v, want one of class ErrOutput", err)
	}
}

// TestCompanionsNotAsked checks that without a folder on both sides nothing is copied, and
// that this is said.
func TestCompanionsNotAsked(t *testing.T) {
	dir := t.TempDir()
	writeNamed(t, dir, map[string][]string{"model.safetensors": {"a"}})
	writeFile(t, filepath.Join(dir, "config.json"), []byte("{}"))
	for name, tc := range map[string]struct{ src, out, want string }{
		"file to folder": {filepath.Join(dir, "model.safetensors"), "new", "config.json and other files beside the source are not copied: name its folder to copy them"},
		"folder to file": {dir, "new.safetensors", "not copied, since the output is one file: config.json"},
	} {
		t.Run(name, func(t *testing.T) {
			work := t.TempDir()
			var notes []string
			paths, err := mustOpen(t, tc.src).Rewrite(context.Background(), filepath.Join(work, tc.out),
				checkpoint.RewriteOptions{Companions: true, Note: func(text string) { notes = append(notes, text) }})
			if err != nil || len(paths) != 1 || !slices.Equal(notes, []string{tc.want}) {
				t.Errorf("wrote %q with notes %q, error %v", paths, notes, err)
			}
		})
	}
}

// TestCompanionChanges makes a companion another file while it is copied.
func TestCompanionChanges(t *testing.T) {
	dir := writeFolder(t)
	out := filepath.Join(t.TempDir(), "new")
	_, err := mustOpen(t, dir).Rewrite(context.Background(), out, checkpoint.RewriteOptions{
		Companions: true,
		Tensor: func(*checkpoint.Tensor, []byte) ([]byte, error) {
			writeFile(t, filepath.Join(dir, "x"), []byte("{}"))
			return nil, os.Rename(filepath.Join(dir, "x"), filepath.Join(dir, "config.json"))
		},
	})
	checkRefused(t, err, checkpoint.ErrCorrupt, "config.json: file changed while it was copied")
	if _, err := os.Stat(out); err == nil {
		t.Errorf("the folder was left behind with %q", listDir(t, out))
	}
}

// TestRewriteMetadata adds metadata to headers with and without, and leaves the rest.
func TestRewriteMetadata(t *testing.T) {
	const entry = `"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}`
	for _, tc := range []struct{ name, header, want string }{
		{"none", `{` + entry + `}`, `{"__metadata__":{"format":"pt","k":"<new>"},` + entry + `}`},
		{"some", `{ "__metadata__" : {"format":"pt", "k":"old"} ,` + entry + `}`, `{ "__metadata__" : {"format":"pt","k":"<new>"} ,` + entry + `}`},
		{"behind the tensors", `{` + entry + `,"__metadata__":{}}`, `{` + entry + `,"__metadata__":{"format":"pt","k":"<new>"}}`},
		{"with braces", `{"__metadata__":{"{":"}"},` + entry + `}`, `{"__metadata__":{"format":"pt","k":"<new>","{":"}"},` + entry + `}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			path, out := filepath.Join(dir, "m.safetensors"), filepath.Join(dir, "n.safetensors")
			writeFile(t, path, testsource.File(tc.header, []byte("xy")))
			src := mustOpen(t, path)
			_, err := src.Rewrite(context.Background(), out, checkpoint.RewriteOptions{Metadata: func(f *checkpoint.File) map[string]string {
				if !maps.Equal(f.Metadata, src.files[0].Metadata) || f.Name != "m.safetensors" {
					t.Errorf("asked for %+v", f)
				}
				return map[string]string{"k": "<new>"}
			}})
			if err != nil {
				t.Fatal(err)
			}
			if got := readFile(t, out); !bytes.Equal(got, testsource.File(tc.want, []byte("xy"))) {
				t.Errorf("wrote %q", got)
			}
		})
	}
	// A header without tensors has none to put the metadata before.
	dir := t.TempDir()
	path, out := filepath.Join(dir, "m.safetensors"), filepath.Join(dir, "n.safetensors")
	writeFile(t, path, testsource.File(`{}`, nil))
	_, err := mustOpen(t, path).Rewrite(context.Background(), out, checkpoint.RewriteOptions{
		Metadata: func(*checkpoint.File) map[string]string { return map[string]string{"k": "v"} },
	})
	if err != nil || mustOpen(t, out).Files()[0].Metadata["k"] != "v" {
		t.Errorf("error %v, or no metadata", err)
	}
}

// TestSourceHash: the hash in the metadata is that of the source file, whether tensors are
// copied or changed, and that of each shard for itself.
func TestSourceHash(t *testing.T) {
	src := mustOpen(t, writeModel(t))
	for name, change := range map[string]func(*checkpoint.Tensor, []byte) ([]byte, error){
		"copied":  nil,
		"changed": func(_ *checkpoint.Tensor, stored []byte) ([]byte, error) { clear(stored); return stored, nil },
	} {
		out := filepath.Join(t.TempDir(), "new")
		if _, err := src.Rewrite(context.Background(), out, checkpoint.RewriteOptions{SourceHash: "the.hash", Tensor: change}); err != nil {
			t.Fatal(err)
		}
		for _, f := range mustOpen(t, out).Files() {
			sum := sha256.Sum256(readFile(t, filepath.Join(src.dir, f.Name)))
			if want := hex.EncodeToString(sum[:]); f.Metadata["the.hash"] != want {
				t.Errorf("%s: %s has %q, want %s", name, f.Name, f.Metadata["the.hash"], want)
			}
		}
	}
}

// TestRewriteLeftOut copies the tensors that the index leaves out as they are.
func TestRewriteLeftOut(t *testing.T) {
	dir := t.TempDir()
	writeNamed(t, dir, map[string][]string{shard1: {"a", "x"}, shard2: {"b", "a"}})
	writeIndex(t, dir, map[string]string{"a": shard1, "b": shard2})
	src := mustOpen(t, dir)
	if len(src.Tensors()) != 2 {
		t.Fatalf("tensors %v", src.Tensors())
	}
	out := filepath.Join(t.TempDir(), "new")
	_, err := src.Rewrite(context.Background(), out, checkpoint.RewriteOptions{
		DType:  func(*checkpoint.Tensor) checkpoint.DType { return checkpoint.U16 },
		Tensor: func(*checkpoint.Tensor, []byte) ([]byte, error) { return []byte{9, 9, 9, 9}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	dst := mustOpen(t, out)
	if !slices.Equal(src.Notes(), dst.Notes()) {
		t.Errorf("notes %q became %q", src.Notes(), dst.Notes())
	}
	for _, s := range dst.shards {
		for i := range s.tensors {
			if left := s.isLeft(i); left != (s.tensors[i].DType == checkpoint.U8) {
				t.Errorf("%s: %q is %s", s.name, s.tensors[i].Name, s.tensors[i].DType)
			}
		}
	}
}
