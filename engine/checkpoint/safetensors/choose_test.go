package safetensors

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// TestFolder checks which files of a folder make the checkpoint.
func TestFolder(t *testing.T) {
	type files = map[string][]string
	const (
		index     = `{"weight_map":{"a":"model-00001-of-00002.safetensors"}}`
		whole     = `{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}`
		old       = `{"weight_map":{"a":"model-00001-of-00004.safetensors","b":"model-00003-of-00004.safetensors"}}`
		main      = "model.safetensors.index.json"
		mainFile  = "model.safetensors"
		zero, one = "model-00000-of-00002.safetensors", "model-00001-of-00002.safetensors"
	)
	both := files{shard1: {"a"}, shard2: {"b"}}
	for _, tc := range []struct {
		name    string
		files   files
		text    map[string]string // "-> x" is a link
		want    []string          // files
		note    string
		refused string
		class   error
	}{
		{name: "one file", files: files{mainFile: {"a"}, "._model.safetensors": {"x"}}, want: []string{mainFile}},
		{name: "any name", files: files{"weights.safetensors": {"a"}}, want: []string{"weights.safetensors"}},
		{name: "any names", files: files{"v.safetensors": {"a"}, "w.safetensors": {"b"}}, want: []string{"v.safetensors", "w.safetensors"}},
		{name: "letters of any case", files: files{"Weights.SafeTensors": {"a"}}, want: []string{"Weights.SafeTensors"}},
		{name: "a folder with such a name", files: files{"v.safetensors": {"a"}}, text: map[string]string{"model.safetensors/x": ""}, want: []string{"v.safetensors"}},
		{name: "model before others", files: files{mainFile: {"a"}, "consolidated.safetensors": {"b"}, "x.safetensors": {"c"}, "adapter_model.safetensors": {"d"}}, want: []string{mainFile}, note: "not opened: adapter_model.safetensors, consolidated.safetensors, x.safetensors"},
		{name: "stale copies", files: files{mainFile: {"a"}, "model (1).safetensors": {"a"}, "model.safetensors.bak.safetensors": {"a"}}, want: []string{mainFile}, note: "model (1).safetensors"},
		{name: "pipeline's model before others", files: files{"diffusion_pytorch_model.safetensors": {"a"}, "x.safetensors": {"c"}}, want: []string{"diffusion_pytorch_model.safetensors"}},
		{name: "consolidated alone", files: files{"consolidated.safetensors": {"a"}}, want: []string{"consolidated.safetensors"}},
		{name: "consolidated in parts", files: files{"consolidated.00.safetensors": {"a"}, "consolidated.01.safetensors": {"b"}}, want: []string{"consolidated.00.safetensors", "consolidated.01.safetensors"}},

		{name: "shards", files: both, want: []string{shard1, shard2}},
		{name: "shards from zero", files: files{zero: {"a"}, one: {"b"}}, want: []string{zero, one}},
		{name: "shards from zero, index", files: files{zero: {"a"}, one: {"b"}}, text: map[string]string{main: strings.Replace(whole, "00002-of", "00000-of", 1)}, want: []string{zero, one}},
		{name: "six digits", files: files{"model-00001-of-000002.safetensors": {"a"}, "model-00002-of-000002.safetensors": {"b"}}, want: []string{"model-00001-of-000002.safetensors", "model-00002-of-000002.safetensors"}},
		{name: "no padding", files: files{"model-1-of-2.safetensors": {"a"}, "model-2-of-2.safetensors": {"b"}}, want: []string{"model-1-of-2.safetensors", "model-2-of-2.safetensors"}},
		{name: "underscores", files: files{"model_00001-of-00002.safetensors": {"a"}, "model_00002-of-00002.safetensors": {"b"}}, want: []string{"model_00001-of-00002.safetensors", "model_00002-of-00002.safetensors"}},
		{name: "missing shard", files: files{"model-00002-of-00003.safetensors": {"a"}}, refused: "holds 1 of the 3 files of model-*-of-00003.safetensors, missing: model-00001-of-00003.safetensors, model-00003-of-00003.safetensors (or, if they are counted from 0, model-00000-of-00003.safetensors in the place of the last): the download is not finished", class: checkpoint.ErrIncomplete},
		{name: "missing shard beside other files", files: files{shard1: {"a"}, "optimizer.safetensors": {"x"}}, refused: "missing: " + shard2, class: checkpoint.ErrIncomplete},
		{name: "missing shard, counted from zero", files: files{"model-00000-of-00003.safetensors": {"a"}, "model-00002-of-00003.safetensors": {"b"}}, refused: "missing: model-00001-of-00003.safetensors", class: checkpoint.ErrIncomplete},
		{name: "missing shard, whole copy", files: files{shard1: {"a"}, "consolidated.safetensors": {"a"}}, want: []string{"consolidated.safetensors"}, note: "missing: " + shard2},
		{name: "half of an older set", files: files{shard1: {"a"}, shard2: {"b"}, "model-00001-of-00004.safetensors": {"a"}}, want: []string{shard1, shard2}, note: "not opened: model-00001-of-00004.safetensors"},
		{name: "two whole sets", files: files{shard1: {"a"}, shard2: {"b"}, "model-1-of-1.safetensors": {"a"}}, refused: "holds 2 complete sets of files, model-*-of-00002.safetensors and model-*-of-1.safetensors", class: checkpoint.ErrUnsupported},
		{name: "tensor in two shards", files: files{shard1: {"a"}, shard2: {"a"}}, refused: shard2 + `: tensor "a": is also in ` + shard1, class: checkpoint.ErrCorrupt},
		{name: "half of another layout", files: files{mainFile: {"a"}, "consolidated-00001-of-00002.safetensors": {"b"}}, want: []string{mainFile}},

		{name: "index before other files", files: files{shard1: {"a"}, mainFile: {"b"}}, text: map[string]string{main: index, "model.fp16.safetensors.index.json": index}, want: []string{shard1}, note: "model.safetensors lacks 1 of the 1 tensors that model.safetensors.index.json lists"},
		{name: "whole file before its index", files: files{shard1: {"a"}, shard2: {"b"}, mainFile: {"a", "b"}}, text: map[string]string{main: whole}, want: []string{mainFile}, note: "not opened: " + shard1},
		{name: "broken file, whole index", files: both, text: map[string]string{main: whole, mainFile: "Entry not found"}, want: []string{shard1, shard2}, note: "the files that model.safetensors.index.json names are opened instead"},
		{name: "broken file, broken shards", files: files{shard1: {"a"}}, text: map[string]string{main: whole, mainFile: "Entry not found", shard2: "Entry not found"}, refused: "model.safetensors: header length", class: checkpoint.ErrCorrupt},
		{name: "stale index, one file", files: files{mainFile: {"a", "b"}}, text: map[string]string{main: old}, want: []string{mainFile}, note: "model.safetensors.index.json names 2 of 2 files that are not in the folder, such as model-00001-of-00004.safetensors; model.safetensors is opened, which needs no index"},
		{name: "stale index, another model in one file", files: files{mainFile: {"x"}, "model-00001-of-00004.safetensors": {"a"}}, text: map[string]string{main: old}, want: []string{mainFile}},
		{name: "stale index, other shards", files: both, text: map[string]string{main: old}, want: []string{shard1, shard2}, note: "model-*-of-00002.safetensors is opened, which is complete"},
		{name: "stale index, half of other shards", files: files{shard1: {"a"}}, text: map[string]string{main: old}, refused: main + ": weight_map names model-00001-of-00004.safetensors, model-00003-of-00004.safetensors, which is not in the folder: the download is not finished", class: checkpoint.ErrIncomplete},
		{name: "broken index, one file", files: files{mainFile: {"a"}}, text: map[string]string{main: "<html>"}, want: []string{mainFile}, note: "index starts with byte 0x3c"},
		{name: "broken index, shards", files: both, text: map[string]string{main: "<html>"}, refused: main + ": index starts with", class: checkpoint.ErrCorrupt},
		{name: "link of an index, one file", files: files{mainFile: {"a"}}, text: map[string]string{main: "-> gone"}, want: []string{mainFile}},
		{name: "link of a file, index", files: both, text: map[string]string{main: whole, mainFile: "-> gone"}, want: []string{shard1, shard2}},
		{name: "link of a shard", files: files{shard1: {"a"}}, text: map[string]string{main: whole, shard2: "-> gone"}, refused: "weight_map names " + shard2, class: checkpoint.ErrIncomplete},
		{name: "link of a shard, no index", files: files{shard1: {"a"}}, text: map[string]string{shard2: "-> gone"}, refused: "missing: " + shard2, class: checkpoint.ErrIncomplete},
		{name: "link of the only file", text: map[string]string{mainFile: "-> gone"}, refused: "symbolic link to a file that is not there: model.safetensors", class: checkpoint.ErrIncomplete},
		{name: "loops of links", files: files{"x.safetensors": {"a"}}, text: map[string]string{mainFile: "-> y.safetensors", "y.safetensors": "-> model.safetensors"}, refused: "model.safetensors", class: checkpoint.ErrIncomplete},
		{name: "loops of links beside the model", files: files{mainFile: {"a"}}, text: map[string]string{"x.safetensors": "-> y.safetensors", "y.safetensors": "-> x.safetensors"}, want: []string{mainFile}},

		{name: "other index", files: files{shard1: {"a"}}, text: map[string]string{"diffusion.safetensors.index.json": index}, want: []string{shard1}},
		{name: "index of a variant", files: files{shard1: {"a"}}, text: map[string]string{"model.safetensors.index.fp16.json": index}, want: []string{shard1}},
		{name: "index of a variant of diffusers", files: files{"diffusion_pytorch_model.fp16-00001-of-00001.safetensors": {"a"}}, text: map[string]string{"diffusion_pytorch_model.safetensors.index.fp16.json": `{"weight_map":{"a":"diffusion_pytorch_model.fp16-00001-of-00001.safetensors"}}`}, want: []string{"diffusion_pytorch_model.fp16-00001-of-00001.safetensors"}},
		{name: "index of a variant, new", files: files{"m.safetensors": {"a"}}, text: map[string]string{"diffusion_pytorch_model.safetensors.fp16.index.json": `{"weight_map":{"a":"m.safetensors"}}`}, want: []string{"m.safetensors"}},
		{name: "index of the copy", files: files{mainFile: {"a"}}, text: map[string]string{"consolidated.safetensors.index.json": index}, want: []string{mainFile}},
		{name: "two indexes", files: files{shard1: {"a"}}, text: map[string]string{"a.safetensors.index.json": index, "b.safetensors.index.json": index}, refused: "2 index files", class: checkpoint.ErrUnsupported},
		{name: "two variants", files: files{mainFile: {"a"}, "model.fp16.safetensors": {"a"}}, want: []string{mainFile}, note: "not opened: model.fp16.safetensors"},
		{name: "two variants of another name", files: files{"unet.safetensors": {"a"}, "unet.fp16.safetensors": {"a"}}, want: []string{"unet.safetensors"}, note: "not opened: unet.fp16.safetensors"},
		{name: "variant in shards", files: files{mainFile: {"a"}, "model.fp16-00001-of-00002.safetensors": {"a"}}, want: []string{mainFile}},
		{name: "only a variant", files: files{"model.fp16.safetensors": {"a"}}, want: []string{"model.fp16.safetensors"}},
		{name: "only variants", files: files{"model.fp16.safetensors": {"a"}, "model.bf16.safetensors": {"a"}}, refused: "holds 2 variants of a model, among them model.bf16.safetensors and model.fp16.safetensors", class: checkpoint.ErrUnsupported},
		{name: "copies of any names", files: files{"v1.safetensors": {"a"}, "v1-ema.safetensors": {"a"}}, refused: "to use one of the files alone, name it", class: checkpoint.ErrUnsupported},
		{name: "adapter", files: files{"adapter_model.safetensors": {"a"}}, want: []string{"adapter_model.safetensors"}},
		{name: "nothing", refused: "no .safetensors file in the folder", class: checkpoint.ErrNotFound},
		{name: "control character", files: files{"a\n.safetensors": {"a"}}, refused: `file name "a\n.safetensors" holds a character that cannot be printed`, class: checkpoint.ErrUnsupported},
		{name: "control character in another", files: files{mainFile: {"a"}, "a\n.safetensors": {"a"}}, want: []string{mainFile}, note: `not opened: "a\n.safetensors"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			writeNamed(t, dir, tc.files)
			for name, text := range tc.text {
				writeText(t, filepath.Join(dir, name), text)
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
			if notes := strings.Join(c.Notes(), "; "); !strings.Contains(notes, tc.note) {
				t.Errorf("notes %q, want %q", notes, tc.note)
			}
		})
	}
}

// writeText writes a file with its folders. The text "-> x" makes a symbolic link to x.
func writeText(t *testing.T, path, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o777)
	if to, ok := strings.CutPrefix(text, "-> "); ok && err == nil {
		if err := os.Symlink(to, path); err != nil {
			t.Skip("no symbolic links: ", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, []byte(text))
}

// TestPartAlone opens one file of a set by its name.
func TestPartAlone(t *testing.T) {
	dir := t.TempDir()
	writeNamed(t, dir, map[string][]string{shard1: {"a"}, shard2: {"b"}, "model-0-of-2.safetensors": {"c"}, "model.safetensors": {"d"}})
	for name, want := range map[string]string{
		shard1:                     shard1 + " is part 1 of 2: the other parts are not looked at; name the folder to open them all",
		"model-0-of-2.safetensors": "is part 0 (counted from 0) of 2: the other parts",
		"model.safetensors":        "",
	} {
		c, err := Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if notes := strings.Join(c.Notes(), "; "); !strings.Contains(notes, want) || want == "" && notes != "" {
			t.Errorf("%s: notes %q, want %q", name, notes, want)
		}
		c.Close()
	}
}

// TestIndexByName opens an index by its name: its files must be there, whatever else is.
func TestIndexByName(t *testing.T) {
	dir := t.TempDir()
	writeNamed(t, dir, map[string][]string{shard1: {"a"}, "model.safetensors": {"a"}})
	writeText(t, filepath.Join(dir, "model.safetensors.index.fp16.json"), `{"weight_map":{"a":"`+shard1+`"}}`)
	writeText(t, filepath.Join(dir, "x.safetensors.index.json"), `{"weight_map":{"a":"`+shard2+`"}}`)
	c, err := Open(filepath.Join(dir, "model.safetensors.index.fp16.json"))
	if err != nil || len(c.Files()) != 1 || c.Files()[0].Name != shard1 {
		t.Fatalf("Open: %v", err)
	}
	c.Close()
	_, err = Open(filepath.Join(dir, "x.safetensors.index.json"))
	checkRefused(t, err, checkpoint.ErrIncomplete, "x.safetensors.index.json: weight_map names "+shard2)
}
