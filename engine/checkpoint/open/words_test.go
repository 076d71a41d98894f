package open

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/testsource"
)

// utf16Of returns text in UTF-16, little-endian or big-endian.
func utf16Of(text string, big bool) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(text)) {
		low, high := byte(u), byte(u>>8)
		if big {
			low, high = high, low
		}
		b.WriteByte(low)
		b.WriteByte(high)
	}
	return b.String()
}

// downloads are what failed downloads leave under the name of weights, and words of the
// error that says so.
var downloads = []struct{ name, content, want string }{
	{"missing", "Entry not found", `is a text file, which cannot be read: if it is the message of a server, log in (hf auth login) if it asks for that, and download the file again; it begins "Entry not found"`},
	{"login", "Invalid username or password.", `"Invalid username or password."`},
	{"gated", "Access to model org/name is restricted. You must be authenticated to access it.", `is a text file, which cannot be read`},
	{"one letter", "x", `is a text file`},
	{"other language", "Zugriff verweigert: Schlüssel ungültig für 模型", `begins "Zugriff verweigert: Schlüssel ungültig für 模型"`},
	{"long text", strings.Repeat("Schlüssel ", 1000), `begins "Schlüssel Schlüssel`},
	{"text with escapes", "\t\r\n  red \u200b\n", `begins "red \u200b"`},
	{"Latin-1", "Acc\xe8s refus\xe9 au mod\xe8le", `begins "Accès refusé au modèle"`},
	{"colours", "\x1b[31mEntry not found\x1b[0m", `begins "\x1b[31mEntry not found\x1b[0m"`},
	{"zeros behind it", "Entry not found" + strings.Repeat("\x00", 4096), `is a text file`},
	{"zeros", strings.Repeat("\x00", 4096), `is a file of zeros, which cannot be read: its download was begun only`},
	{"a mark before it", "\ufeffEntry not found", `begins "Entry not found"`},
	{"little-endian UTF-16 with a mark", "\xff\xfe" + utf16Of("Entry not found 模型", false), `begins "Entry not found 模型"`},
	{"big-endian UTF-16 with a mark", "\xfe\xff" + utf16Of("Entry not found", true), `begins "Entry not found"`},
	{"UTF-16", utf16Of("Entry not found", false), `begins "Entry not found"`},
	{"long UTF-16", utf16Of(strings.Repeat("Entry not found ", 100), true), `is a text file`},
	{"white space", " \r\n\t\n", "is a file of white space"},
	{"nothing", "", "is an empty file, which cannot be read: download it again"},
	{"JSON", `{"error":"Repository not found"}`, `is a JSON file`},
	{"JSON array", "\n[\"error\"]", `is a JSON file`},
	{"HTML", "<!DOCTYPE html>\n<html><body>401</body></html>", `is an HTML page, which cannot be read: the download returned a web page; download the file itself; it begins "<!DOCTYPE html> <html>`},
	{"HTML behind space", "\n\n  <HTML lang=en>", "is an HTML page"},
	{"HTML with a mark", "\ufeff<!doctype HTML>", "is an HTML page"},
	{"HTML in UTF-16", "\xff\xfe" + utf16Of("<html>", false), "is an HTML page"},
	{"XML", `<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>`, "is an XML file"},
	{"XML without a head", "<Error><Code>NoSuchKey</Code></Error>", "is an XML file"},
	{"LFS", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "is a Git LFS pointer, which cannot be read: fetch the weights with git lfs pull"},
	{"zip", "PK\x03\x04" + strings.Repeat("\x00", 600), "is a zip file"},
	{"GGUF", "GGUF\x03\x00\x00\x00" + strings.Repeat("\x00", 600), "is a GGUF file"},
}

// TestWords puts what failed downloads leave on every way on which weights are read.
func TestWords(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	const first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
	cache := t.TempDir()
	setCache(t, cache)
	t.Chdir(t.TempDir())
	shards := map[string]string{}
	for _, tensor := range testsource.Model([]checkpoint.DType{checkpoint.F16}) {
		shards[tensor.Name] = first
	}
	index, err := json.Marshal(map[string]any{"weight_map": shards})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range downloads {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{
				"folder/model.safetensors":             tc.content,
				"bin/pytorch_model.bin":                tc.content,
				"shards/" + first:                      string(model()),
				"shards/" + second:                     tc.content,
				"indexed/" + first:                     tc.content,
				"beside/model.safetensors":             tc.content,
				"beside/" + first:                      string(model()),
				"beside/model.safetensors.index.json":  string(index),
				"indexed/model.safetensors.index.json": `{"weight_map":{"a":"` + first + `"}}`,
			})
			snapshot := filepath.Join(cache, "models--org--name", "snapshots", commit)
			write(t, snapshot, map[string]string{"model.safetensors": tc.content})
			for arg, file := range map[string]string{
				filepath.Join(dir, "folder", "model.safetensors"):             "model.safetensors: ",
				filepath.Join(dir, "folder"):                                  "model.safetensors: ",
				filepath.Join(dir, "bin"):                                     "pytorch_model.bin ",
				filepath.Join(dir, "shards"):                                  second + ": ",
				filepath.Join(dir, "indexed"):                                 first + ": ",
				filepath.Join(dir, "indexed", "model.safetensors.index.json"): first + ": ",
				"org/name":                   "org/name: model.safetensors: ",
				"org/name/model.safetensors": "org/name/model.safetensors: ",
			} {
				src, _, err := Open(arg, Options{})
				checkError(t, src, err, checkpoint.ErrUnsupported, file)
				checkError(t, src, err, checkpoint.ErrUnsupported, tc.want)
			}
			// Beside files that are whole, it is said in a note.
			src, _, err := Open(filepath.Join(dir, "beside"), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			if notes := src.(checkpoint.Noted).Notes(); len(notes) == 0 || !strings.Contains(notes[0], "model.safetensors: ") || !strings.Contains(notes[0], tc.want) {
				t.Errorf("notes %q, want %q", notes, tc.want)
			}
		})
	}
}

// TestNoWords has files that are not taken for text: broken ones of the format, and an
// index.
func TestNoWords(t *testing.T) {
	setCache(t, t.TempDir())
	for _, tc := range []struct{ name, content, want string }{
		{"model.safetensors", string(model()[:len(model())-1]), "model.safetensors: "},
		{"model.safetensors", string(model()[:12]), "bytes left in the file"},
		{"model.safetensors", "\xff\xd8\xff\xe0\x00\x10JFIF text text", "header length"},
		{"model.safetensors", "\xe9\xe8\xfb\xe9 noise \xe9\xe8\xfb", "header length"},
		{"model.safetensors", "text\x07 with a bell", "header length"},
		{"model.safetensors.index.json", `{"weight_map":`, "index is not valid JSON"},
		{"model.safetensors.index.json", "Entry not found", "model.safetensors.index.json: is a text file"},
		{"model.safetensors.index.json", "<html>", "model.safetensors.index.json: is an HTML page"},
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{tc.name: tc.content})
		for _, path := range []string{dir, filepath.Join(dir, tc.name)} {
			src, _, err := Open(path, Options{})
			checkError(t, src, err, nil, tc.want)
		}
	}
}

// TestFloatsAreNoText checks that weights that happen to be printable are weights.
func TestFloatsAreNoText(t *testing.T) {
	setCache(t, t.TempDir())
	path := filepath.Join(t.TempDir(), "m.safetensors")
	header := `{"a.weight":{"dtype":"U8","shape":[7],"data_offsets":[0,7]}}`
	content := string([]byte{byte(len(header)), 0, 0, 0, 0, 0, 0, 0}) + header + "letters"
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	src, _, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	src.Close()
}

// FuzzWords looks at arbitrary files: what is shown of them fits a message.
func FuzzWords(f *testing.F) {
	for _, d := range downloads {
		f.Add([]byte(d.content[:min(len(d.content), sniffBytes)]))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		head = head[:min(len(head), sniffBytes)]
		if b := beginning(head); checkpoint.Printable(b) != b || len(b) > 1024 {
			t.Errorf("%q begins %s", head, b)
		}
		byContent(head)
	})
}
