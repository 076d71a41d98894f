package open

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/testsource"
)

func model() []byte {
	return testsource.Safetensors(testsource.Model([]checkpoint.DType{checkpoint.F16}), nil)
}

// write creates files below dir, with their folders.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func setCache(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE", "HF_HOME", "XDG_CACHE_HOME"} {
		t.Setenv(name, "")
	}
	t.Setenv("HF_HUB_CACHE", dir)
}

func checkError(t *testing.T, src checkpoint.Source, err, class error, want string) {
	t.Helper()
	if src != nil {
		t.Error("a source beside the error")
	}
	if err == nil || class != nil && !errors.Is(err, class) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one of class %v with %q", err, class, want)
	} else if text := err.Error(); checkpoint.Printable(text) != text {
		t.Errorf("error %q cannot be printed", text)
	}
}

// TestSource runs the conformance suite on a file that Open can recognise by its content
// only.
func TestSource(t *testing.T) {
	testsource.Test(t, testsource.Format{
		Name:   "safetensors",
		DTypes: []checkpoint.DType{checkpoint.F32, checkpoint.BF16, checkpoint.U8},
		Write: func(tb testing.TB, dir string, tensors []testsource.Tensor) string {
			path := filepath.Join(dir, "weights.bin")
			if err := os.WriteFile(path, testsource.Safetensors(tensors, nil), 0o666); err != nil {
				tb.Fatal(err)
			}
			return path
		},
		Open: func(path string) (checkpoint.Source, error) {
			src, _, err := Open(path, Options{})
			return src, err
		},
	})
}

func TestFile(t *testing.T) {
	setCache(t, t.TempDir())
	for _, tc := range []struct {
		name, content string
		class         error
		want          string
	}{
		{"a.gguf", "GGUF\x03\x00\x00\x00\x00\x00\x00\x00", checkpoint.ErrCorrupt, "a.gguf: file of 12 bytes ends inside the description of its tensors"},
		{"lies.safetensors", "GGUF\x01\x00\x00\x00\x00\x00\x00\x00", checkpoint.ErrUnsupported, "lies.safetensors: GGUF file of version 1"},
		{"a.ggml", "tjgg\x01\x00\x00\x00", checkpoint.ErrUnsupported, "is a ggml file from before GGUF"},
		{"b.ggml", "ggml\x01\x00\x00\x00", checkpoint.ErrUnsupported, "is a ggml file from before GGUF"},
		{"a.bin", "PK\x03\x04....", checkpoint.ErrUnsupported, "is a zip file (PyTorch, Keras, NumPy or NeMo), which cannot be read: if it is a PyTorch checkpoint, load it in PyTorch"},
		{"a.pt", "\x80\x02\x8a\x0al", checkpoint.ErrUnsupported, "is a pickle file (PyTorch)"},
		{"a.h5", "\x89HDF\r\n\x1a\n", checkpoint.ErrUnsupported, "is an HDF5 file"},
		{"a.npy", "\x93NUMPY\x01\x00", checkpoint.ErrUnsupported, "is a NumPy file"},
		{"a.onnx", "\x08\x07\x12\x07pytorch", checkpoint.ErrUnsupported, "is an ONNX file"},
		{"config.json", "{}", checkpoint.ErrUnsupported, "is a JSON file, which cannot be read: name the folder"},
		{"a.tar.gz", "\x1f\x8b\x08\x00", checkpoint.ErrUnsupported, "is an archive, which cannot be read: unpack it"},
		{"a.tar", strings.Repeat("m\x00", 128) + "\x00ustar\x00", checkpoint.ErrUnsupported, "is an archive"},
		{"noise", "\x01\x02\x03\x04\x05\x06\x07\x08\x09", checkpoint.ErrUnsupported, "noise: unknown format (starts with bytes 01 02 03 04 05 06 07 08), want safetensors"},
		{"noise.safetensors", "\x01\x02\x03\x04\x05\x06\x07\x08\x09", checkpoint.ErrCorrupt, "noise.safetensors: header length 578437695752307201 > limit"},
		{"a.msgpack", "\x81\xa6params", checkpoint.ErrUnsupported, "is a Flax file, which cannot be read"},
		{"no-onnx", "\x08\x07\xff", checkpoint.ErrUnsupported, "unknown format"},
		{"short", "\x80", checkpoint.ErrUnsupported, "unknown format (starts with bytes 80)"},
		{"x.safetensors.index.json", "{}", checkpoint.ErrCorrupt, `index has no field "weight_map"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{tc.name: tc.content})
			path := filepath.Join(dir, tc.name)
			src, r, err := Open(path, Options{})
			checkError(t, src, err, tc.class, tc.want)
			if r.Path != path {
				t.Errorf("resolved to %+v", r)
			}
		})
	}
}

func TestFolder(t *testing.T) {
	setCache(t, t.TempDir())
	for _, tc := range []struct {
		name  string
		files map[string]string
		class error // nil if it opens
		want  string
	}{
		{"safetensors", map[string]string{"model.safetensors": string(model()), "pytorch_model.bin": "PK\x03\x04", "x.gguf": "GGUF"}, nil, ""},
		{"index without shards", map[string]string{"model.safetensors.index.json": `{"weight_map":{"a":"m.safetensors"}}`}, checkpoint.ErrCorrupt, "weight_map names m.safetensors, which is not in the folder"},
		{"adapter", map[string]string{"adapter_model.safetensors": string(model())}, checkpoint.ErrUnsupported, "holds an adapter, not a model"},
		{"torch", map[string]string{"config.json": "{}", "pytorch_model-1.bin": "PK\x03\x04"}, checkpoint.ErrUnsupported, "holds no safetensors file; pytorch_model-1.bin is a zip file (PyTorch, Keras, NumPy or NeMo)"},
		{"old torch", map[string]string{"pytorch_model.bin": "\x80\x02"}, checkpoint.ErrUnsupported, "pytorch_model.bin is a pickle file (PyTorch)"},
		{"GGUF before torch", map[string]string{"x.gguf": "GGUF", "pytorch_model.bin": "\x80\x02"}, checkpoint.ErrCorrupt, "x.gguf: file of 4 bytes ends"},
		{"unreadable content", map[string]string{"x\n.msgpack": "\xff"}, checkpoint.ErrUnsupported, `"x\n.msgpack" is a Flax file`},
		{"safetensors by content", map[string]string{"weights.bin": string(model())}, checkpoint.ErrUnsupported, "weights.bin is a safetensors file whatever its name says: name the file itself"},
		{"nothing", map[string]string{"config.json": "{}", ".hidden.safetensors": ""}, checkpoint.ErrNotFound, "no checkpoint in the folder, want *.safetensors"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, tc.files)
			src, _, err := Open(dir, Options{})
			if tc.class != nil {
				checkError(t, src, err, tc.class, tc.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			src.Close()
		})
	}
}

func TestID(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	cache := t.TempDir()
	setCache(t, cache)
	t.Chdir(t.TempDir())
	repo := filepath.Join(cache, "models--org--name")
	write(t, repo, map[string]string{"refs/main": commit, "blobs/b": string(model()), "snapshots/" + commit + "/config.json": "{}"})
	link := filepath.Join(repo, "snapshots", commit, "model.safetensors")
	if err := os.Symlink("../../blobs/b", link); err != nil {
		t.Skip("no symbolic links: ", err)
	}
	src, r, err := Open("org/name", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.ID != "org/name" || r.Revision != commit || src.Path() != r.Path {
		t.Errorf("resolved to %+v, opened %q", r, src.Path())
	}
	src.Close()

	src, _, err = Open("org/name", Options{Revision: "v2"})
	checkError(t, src, err, checkpoint.ErrNotFound, `no revision "v2"`)

	write(t, repo, map[string]string{"blobs/b": "\x05\x00\x00", "blobs/c.incomplete": ""})
	src, r, err = Open("org/name", Options{})
	checkError(t, src, err, checkpoint.ErrCorrupt, "org/name: model.safetensors: file of 3 bytes is shorter than the 8 bytes of the header length (the download may not be finished: 1 unfinished files in the cache)")
	if r.ID != "org/name" {
		t.Errorf("resolved to %+v", r)
	}
	src, _, err = Open("org/other", Options{})
	checkError(t, src, err, checkpoint.ErrNotFound, "org/other: no such file or folder, nor in the cache, which holds org/name")
}

func TestDevice(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no device files")
	}
	src, _, err := Open(os.DevNull, Options{})
	checkError(t, src, err, checkpoint.ErrUnsupported, "is a device")
}

func TestPermission(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.safetensors")
	write(t, dir, map[string]string{"m.safetensors": string(model())})
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(path); err == nil {
		t.Skip("permissions do not bind this user")
	}
	src, _, err := Open(path, Options{})
	checkError(t, src, err, fs.ErrPermission, "permission denied")
}

// TestFormats checks the table: every format without a reader must have a hint.
func TestFormats(t *testing.T) {
	for _, f := range formats {
		if (f.Open == nil) == (f.Hint == "") {
			t.Errorf("%s: want either a reader or a hint", f.Name)
		}
		if f.Match == nil && len(f.Suffixes) == 0 {
			t.Errorf("%s: can never be recognised", f.Name)
		}
	}
}
