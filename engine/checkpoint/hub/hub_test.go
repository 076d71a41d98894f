package hub

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

const (
	commit1 = "0123456789abcdef0123456789abcdef01234567"
	commit2 = "fedcba9876543210fedcba9876543210fedcba98"
)

// setCache makes dir the only cache that the environment names.
func setCache(t *testing.T, dir string) {
	t.Helper()
	for _, name := range []string{"HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HF_ENDPOINT"} {
		t.Setenv(name, "")
	}
	t.Setenv("HF_HUB_CACHE", dir)
}

// write creates files below dir, with their folders. The content "-> x" makes a
// symbolic link to x, and a name that ends in "/" a folder.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o777)
		if err == nil {
			if to, ok := strings.CutPrefix(content, "-> "); ok {
				err = os.Symlink(to, path)
			} else if strings.HasSuffix(name, "/") {
				err = os.MkdirAll(path, 0o777)
			} else {
				err = os.WriteFile(path, []byte(content), 0o666)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestIsID(t *testing.T) {
	for id, want := range map[string]bool{
		"gpt2":                          true,
		"meta-llama/Llama-3.1-8B":       true,
		"a/b":                           true,
		"A_b.c-d/0":                     true,
		strings.Repeat("x", 96):         true,
		strings.Repeat("x", 97):         false,
		"":                              false,
		"/":                             false,
		"a/":                            false,
		"/a":                            false,
		"a//b":                          false,
		"a/b/c":                         false,
		"..":                            false,
		"../a":                          false,
		"a/..":                          false,
		"a..b":                          false,
		".a":                            false,
		"a.":                            false,
		"-a":                            false,
		"a--b":                          false,
		"a/b.git":                       false,
		"a b":                           false,
		"a\n":                           false,
		"a\x00":                         false,
		`a\b`:                           false,
		"c:a":                           false,
		"é":                             false,
		"~/a":                           false,
		"https://huggingface.co/a/b":    false,
		"models--a--b":                  false,
		"snapshots/" + commit1 + "/../": false,
	} {
		if got := IsID(id); got != want {
			t.Errorf("IsID(%q) = %t, want %t", id, got, want)
		}
	}
}

func TestCacheDir(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	t.Setenv("CACHE_TEST", "value")
	names := []string{"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE", "HF_HOME", "XDG_CACHE_HOME"}
	for _, tc := range []struct {
		name string
		env  [5]string // of names
		want []string
	}{
		{"all", [5]string{"/a", "/b", "/t", "/c", "/d"}, []string{"/a", "/t"}},
		{"legacy", [5]string{"", "/b", "", "/c", "/d"}, []string{"/b"}},
		{"HF_HOME", [5]string{"", "", "", "/c", "/d"}, []string{"/c/hub"}},
		{"XDG", [5]string{"", "", "", "", "/d"}, []string{"/d/huggingface/hub"}},
		{"none", [5]string{}, []string{home + "/.cache/huggingface/hub"}},
		{"transformers", [5]string{"", "", "~/$CACHE_TEST", "", ""}, []string{home + "/value", home + "/.cache/huggingface/hub"}},
		{"transformers and HF_HOME", [5]string{"", "", "/t", "/c", ""}, []string{"/t", "/c/hub"}},
		{"home", [5]string{"~/x"}, []string{home + "/x"}},
		{"home itself", [5]string{"", "", "", "~", ""}, []string{home + "/hub"}},
		{"another's home", [5]string{"/~x"}, []string{"/~x"}},
		{"variable", [5]string{"/$CACHE_TEST/${CACHE_TEST}x"}, []string{"/value/valuex"}},
		{"unset variable", [5]string{"/$CACHE_TEST_UNSET/x"}, []string{"/$CACHE_TEST_UNSET/x"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for i, name := range names {
				t.Setenv(name, tc.env[i])
			}
			got, err := cacheDirs()
			for i := range got {
				got[i] = filepath.ToSlash(got[i])
			}
			if err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("cacheDirs() = %q, %v, want %q", got, err, tc.want)
			}
			if first, err := CacheDir(); err != nil || filepath.ToSlash(first) != tc.want[0] {
				t.Errorf("CacheDir() = %q, %v, want %q", first, err, tc.want[0])
			}
		})
	}
}

func TestNoHome(t *testing.T) {
	setCache(t, "")
	t.Setenv("HOME", "")
	t.Setenv("USERPROFILE", "")
	if _, err := Resolve("org/name", ""); !errors.Is(err, checkpoint.ErrNotFound) {
		t.Errorf("error %v, want one of class ErrNotFound", err)
	}
}

func TestResolvePath(t *testing.T) {
	setCache(t, t.TempDir())
	t.Chdir(t.TempDir())
	write(t, ".", map[string]string{"gpt2": "x", "dir/": "", "dangling": "-> gone"})
	for _, path := range []string{"gpt2", "dir", "./dir/"} {
		r, err := Resolve(path, "")
		if err != nil || r != (Resolved{Path: path}) {
			t.Errorf("Resolve(%q) = %+v, %v", path, r, err)
		}
	}
	for _, tc := range []struct {
		arg, revision, want string
		class               error
	}{
		{"gpt2", "main", "gpt2: is an existing path; a revision can be chosen for a model id only", checkpoint.ErrUnsupported},
		{"dangling", "", "dangling: symbolic link to a file that is not there", checkpoint.ErrNotFound},
		{"./gone", "", "./gone: no such file or folder", checkpoint.ErrNotFound},
		{"a\nb", "", `"a\nb": no such file or folder`, checkpoint.ErrNotFound},
		{"", "", `"": no such file or folder`, checkpoint.ErrNotFound},
		{"gpt2/../x/y", "", "gpt2/../x/y: not a directory", nil},
		{"gpt2\x00", "", `"gpt2\x00": invalid argument`, nil},
		{"org/name", "", "org/name: no such file or folder, and no model in the cache", checkpoint.ErrNotFound},
		{"org/name", "../x", `org/name: "../x" is not the name of a revision`, checkpoint.ErrNotFound},
		{"org/name", "x\n", `"x\n" is not the name of a revision`, checkpoint.ErrNotFound},
		{"org/name", strings.Repeat("x", 256), "is not the name of a revision", checkpoint.ErrNotFound},
	} {
		_, err := Resolve(tc.arg, tc.revision)
		checkError(t, err, tc.class, tc.want)
	}
}

func checkError(t *testing.T, err, class error, want string) {
	t.Helper()
	if err == nil || class != nil && !errors.Is(err, class) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one of class %v with %q", err, class, want)
	} else if text := err.Error(); checkpoint.Printable(text) != text {
		t.Errorf("error %q cannot be printed", text)
	}
}

func TestResolveID(t *testing.T) {
	file1, file2 := "snapshots/"+commit1+"/model.safetensors", "snapshots/"+commit2+"/model.safetensors"
	for _, tc := range []struct {
		name     string
		files    map[string]string // in the folder of the repository
		revision string
		want     string // commit; "" if Resolve refuses
		refused  string
		class    error
		notice   string
	}{
		{name: "main", files: map[string]string{"refs/main": commit1 + "\n", file1: "", file2: ""}, want: commit1},
		{name: "branch", files: map[string]string{"refs/main": commit1, "refs/pr/3": commit2, file1: "", file2: ""}, revision: "pr/3", want: commit2},
		{name: "commit", files: map[string]string{"refs/main": commit1, file1: "", file2: ""}, revision: commit2, want: commit2},
		{name: "links", files: map[string]string{"refs/main": commit1, file1: "-> ../../blobs/x", "blobs/x": "", "blobs/y.incomplete": ""}, want: commit1, notice: "1 unfinished files in the cache"},
		{name: "no ref, one snapshot", files: map[string]string{file1: ""}, want: commit1, notice: "the only snapshot, " + commit1 + ", is used"},
		{name: "no ref, one snapshot, unfinished", files: map[string]string{file1: "", "blobs/y.incomplete": ""}, want: commit1, notice: "is used; the download may not"},
		{name: "no ref, two snapshots", files: map[string]string{file1: "", file2: ""}, refused: `no revision "main" of it, but ` + commit1 + ", " + commit2, class: checkpoint.ErrNotFound},
		{name: "no such branch", files: map[string]string{"refs/main": commit1, "refs/pr/3": commit1, file1: ""}, revision: "v2", refused: `no revision "v2" of it, but main, pr/3, ` + commit1, class: checkpoint.ErrNotFound},
		{name: "no such commit", files: map[string]string{file1: ""}, revision: commit2, refused: "no snapshot " + commit2 + " of it, but " + commit1, class: checkpoint.ErrNotFound},
		{name: "ref without snapshot", files: map[string]string{"refs/main": commit1}, refused: "no snapshot " + commit1 + " of it, but none", class: checkpoint.ErrNotFound},
		{name: "empty repository", files: map[string]string{"blobs/": ""}, refused: "no snapshot of it: the download is not finished", class: checkpoint.ErrNotFound},
		{name: "ref with a path", files: map[string]string{"refs/main": "../../x", file1: ""}, refused: `refs/main holds "../../x", want a commit`, class: checkpoint.ErrCorrupt},
		{name: "ref with two lines", files: map[string]string{"refs/main": commit1 + "\n" + commit2, file1: ""}, refused: "want a commit", class: checkpoint.ErrCorrupt},
		{name: "endless ref", files: map[string]string{"refs/main": strings.Repeat("0", 1e6), file1: ""}, refused: "want a commit", class: checkpoint.ErrCorrupt},
		{name: "ref a folder", files: map[string]string{"refs/main/": "", file1: ""}, want: commit1, notice: "the only snapshot"},
		{name: "linked ref", files: map[string]string{"refs/main": "-> ../../secret", file1: "", file2: ""}, want: commit1},
		{name: "ref linked to itself", files: map[string]string{"refs/main": "-> main", file1: "", file2: ""}, refused: "refs/main: too many", class: nil},
		{name: "snapshot a file", files: map[string]string{"refs/main": commit1, "snapshots/" + commit1: ""}, refused: "no snapshot", class: checkpoint.ErrNotFound},
		{name: "linked snapshot", files: map[string]string{"refs/main": commit1, "snapshots/" + commit1: "-> ../../other"}, want: commit1},
		{name: "linked blobs", files: map[string]string{"refs/main": commit1, file1: "-> ../../blobs/x", "blobs": "-> ../other"}, want: commit1},
		{name: "short commit", files: map[string]string{"refs/main": commit1, file1: "", file2: ""}, revision: "fedc", want: commit2},
		{name: "short commit of seven digits", files: map[string]string{file1: "", file2: ""}, revision: "0123456", want: commit1},
		{name: "a branch that looks like a commit", files: map[string]string{"refs/fedc": commit1, file1: "", file2: ""}, revision: "fedc", want: commit1},
		{name: "short commit of none", files: map[string]string{file1: "", file2: ""}, revision: "abcdef", refused: `no revision "abcdef" of it, but`, class: checkpoint.ErrNotFound},
		{name: "short commit of two", files: map[string]string{file1: "", "snapshots/0123" + commit2[4:] + "/x": ""}, revision: "0123", refused: "revision 0123 is not unique", class: checkpoint.ErrNotFound},
		{name: "three digits", files: map[string]string{file1: ""}, revision: "012", refused: `no revision "012"`, class: checkpoint.ErrNotFound},
		{name: "ref of a snapshot that is gone", files: map[string]string{"refs/main": commit1, file2: ""}, want: commit2, notice: "no snapshot " + commit1 + ", which is its revision main; snapshot " + commit2 + " is used"},
		// What is missing of a snapshot shows when it is opened.
		{name: "dangling", files: map[string]string{"refs/main": commit1, file1: "-> ../../blobs/x"}, want: commit1},
		{name: "only unfinished", files: map[string]string{"refs/main": commit1, "snapshots/" + commit1 + "/config.json": "", "blobs/a.incomplete": "", "blobs/b.incomplete": ""}, want: commit1, notice: "2 unfinished files in the cache"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cache := t.TempDir()
			setCache(t, cache)
			t.Chdir(t.TempDir())
			repo := filepath.Join(cache, "models--org--name")
			write(t, repo, tc.files)
			write(t, cache, map[string]string{"secret": commit1, "other/x.safetensors": ""})
			r, err := Resolve("org/name", tc.revision)
			if tc.refused != "" {
				checkError(t, err, tc.class, tc.refused)
				checkError(t, err, tc.class, "org/name: ")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := Resolved{Path: filepath.Join(repo, "snapshots", tc.want), Root: repo, ID: "org/name", Revision: tc.want, Notice: r.Notice, Asked: Name{ID: "org/name", Revision: tc.revision}}
			if r != want {
				t.Errorf("Resolve = %+v, want %+v", r, want)
			}
			if !strings.Contains(r.Notice, tc.notice) || tc.notice == "" && r.Notice != "" {
				t.Errorf("notice %q, want %q", r.Notice, tc.notice)
			}
		})
	}
}

func TestNotCached(t *testing.T) {
	cache := t.TempDir()
	setCache(t, cache)
	t.Chdir(t.TempDir())
	for i := range 23 {
		write(t, cache, map[string]string{fmt.Sprintf("models--org--m%02d/", 22-i): ""})
	}
	write(t, cache, map[string]string{"models--gpt2/": "", "datasets--x--y/": "", "models--a--b--c/": "", "models--\n/": "", "x": ""})
	ids := Cached(cache)
	if len(ids) != 24 || ids[0] != "gpt2" || !slices.IsSorted(ids) {
		t.Errorf("Cached = %q", ids)
	}
	_, err := Resolve("org/none", "")
	checkError(t, err, checkpoint.ErrNotFound, "org/none: no such file or folder, nor in the cache, which holds gpt2, org/m00, org/m01")
	checkError(t, err, checkpoint.ErrNotFound, "org/m18 and 4 more")

	write(t, cache, map[string]string{"models--file": "x"})
	if _, err := Resolve("file", ""); err == nil {
		t.Error("no error for a repository that is a file")
	}
}
