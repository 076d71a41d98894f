package hub

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// TestParseName has the forms in which users name a model.
func TestParseName(t *testing.T) {
	t.Setenv("HF_ENDPOINT", "https://mirror.example:8080/")
	const sha = commit1
	for arg, want := range map[string]Name{
		"gpt2":                         {ID: "gpt2"},
		"org/name":                     {ID: "org/name"},
		"org/name/":                    {ID: "org/name"},
		"org/name@v1":                  {ID: "org/name", Revision: "v1"},
		"gpt2@" + sha:                  {ID: "gpt2", Revision: sha},
		"org/name/unet@v1":             {ID: "org/name", Revision: "v1", Sub: "unet"},
		"org/name/a/b@refs/pr/1":       {ID: "org/name", Revision: "refs/pr/1", Sub: "a/b"},
		"org/name@v1/unet":             {ID: "org/name", Revision: "v1", Sub: "unet"},
		"org/name@feature%2Fx":         {ID: "org/name", Revision: "feature/x"},
		"org/name@refs/pr/3":           {ID: "org/name", Revision: "refs/pr/3"},
		"org/name/unet":                {ID: "org/name", Sub: "unet"},
		"org/name/a/b.safetensors":     {ID: "org/name", Sub: "a/b.safetensors"},
		"hf://org/name":                {ID: "org/name"},
		"hf://models/org/name":         {ID: "org/name"},
		"hf://org/name@main/unet":      {ID: "org/name", Revision: "main", Sub: "unet"},
		"hf://org/name@refs/pr/3/unet": {ID: "org/name", Revision: "refs/pr/3", Sub: "unet"},

		"https://huggingface.co/org/name":                                              {ID: "org/name"},
		"https://huggingface.co/org/name/":                                             {ID: "org/name"},
		"https://huggingface.co/gpt2":                                                  {ID: "gpt2"},
		"https://huggingface.co/gpt2/tree/main":                                        {ID: "gpt2", Revision: "main"},
		"HTTPS://HuggingFace.co/org/Name":                                              {ID: "org/Name"},
		"http://hf.co/org/name":                                                        {ID: "org/name"},
		"hf.co/org/name":                                                               {ID: "org/name"},
		"huggingface.co/org/name":                                                      {ID: "org/name"},
		"https://www.huggingface.co/org/name?library=transformers#usage":               {ID: "org/name"},
		"https://huggingface.co/org/name/tree/main":                                    {ID: "org/name", Revision: "main"},
		"https://huggingface.co/org/name/tree/main/":                                   {ID: "org/name", Revision: "main"},
		"https://huggingface.co/org/name/tree/refs%2Fpr%2F3":                           {ID: "org/name", Revision: "refs/pr/3"},
		"https://huggingface.co/org/name/tree/refs/pr/3/unet":                          {ID: "org/name", Revision: "refs/pr/3", Sub: "unet"},
		"https://huggingface.co/org/name/tree/main/unet":                               {ID: "org/name", Revision: "main", Sub: "unet"},
		"https://huggingface.co/org/name/blob/v2/model.safetensors":                    {ID: "org/name", Revision: "v2", Sub: "model.safetensors"},
		"https://huggingface.co/org/name/resolve/main/a%20b.safetensors?download=true": {ID: "org/name", Revision: "main", Sub: "a b.safetensors"},
		"https://huggingface.co/org/name/commit/" + sha:                                {ID: "org/name", Revision: sha},
		"https://huggingface.co/org/name/discussions/5":                                {ID: "org/name"},
		"https://huggingface.co/org/name.git":                                          {ID: "org/name"},
		"https://huggingface.co/api/models/org/name":                                   {ID: "org/name"},
		"https://mirror.example:8080/org/name":                                         {ID: "org/name"},
	} {
		got, ok, err := ParseName(arg)
		if !ok || err != nil || got != want {
			t.Errorf("ParseName(%q) = %+v, %t, %v, want %+v", arg, got, ok, err, want)
		}
		if again, ok, err := ParseName(got.String()); got.Sub != "" && (!ok || err != nil || again != got) {
			t.Errorf("ParseName(%q) = %+v, want the same again", got.String(), again)
		}
	}
	for _, arg := range []string{
		"", "/", ".", "..", "/etc/passwd", "./model", "../model", "~/model", "org//name", "a b", "org/name/../x", "org/name/..",
		"org/name@main/../../x", "hf://", "hf://../x", "https://huggingface.co/", "https://huggingface.co/../x", "a\nb", "org/name/\x00",
		"https://huggingface.co/org/name/tree/main/%2e%2e/%2e%2e/x", "https://huggingface.co/org/name/tree/main/..%2f..%2f..%2fx",
	} {
		if n, ok, err := ParseName(arg); ok || err != nil {
			t.Errorf("ParseName(%q) = %+v, %t, %v, want none", arg, n, ok, err)
		}
	}
	for arg, want := range map[string]string{
		"https://huggingface.co/datasets/org/name": "is the address of a data set",
		"https://huggingface.co/spaces/org/name":   "is the address of a space",
		"hf://datasets/org/name":                   "is a data set of the hub",
		"https://example.com/model.safetensors":    "nothing is downloaded",
		"s3://bucket/model":                        "nothing is downloaded",
	} {
		if _, _, err := ParseName(arg); !errors.Is(err, checkpoint.ErrUnsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseName(%q): error %v, want %q", arg, err, want)
		}
	}
}

// TestResolveName resolves names of all forms in caches.
func TestResolveName(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	setCache(t, first)
	t.Setenv("TRANSFORMERS_CACHE", second)
	t.Chdir(t.TempDir())
	at := func(cache, repo, commit, sub string) string {
		return filepath.Join(cache, repo, "snapshots", commit, filepath.FromSlash(sub))
	}
	write(t, first, map[string]string{
		"models--org--name/refs/main":                        "" + commit1,
		"models--org--name/refs/feature/x":                   commit2,
		"models--org--name/refs/refs/pr/3":                   commit2,
		"models--org--name/snapshots/" + commit1 + "/unet/x": "",
		"models--org--name/snapshots/" + commit2 + "/x":      "",
		"models--org--both/blobs/":                           "",
	})
	write(t, second, map[string]string{
		"models--org--old/snapshots/" + commit1 + "/x":  "",
		"models--org--both/snapshots/" + commit1 + "/x": "",
	})
	for _, tc := range []struct{ arg, revision, want string }{
		{"hf://org/name", "", at(first, "models--org--name", commit1, "")},
		{"https://huggingface.co/org/name/tree/main", "", at(first, "models--org--name", commit1, "")},
		{"org/name@refs/pr/3", "", at(first, "models--org--name", commit2, "")},
		{"org/name", "refs/pr/3", at(first, "models--org--name", commit2, "")},
		{"org/name@fedcba9", "fedcba9", at(first, "models--org--name", commit2, "")},
		{"org/name@feature/x", "", at(first, "models--org--name", commit2, "")},
		{"https://huggingface.co/org/name/tree/feature/x/y", "", at(first, "models--org--name", commit2, "y")},
		{"org/name/unet", "", at(first, "models--org--name", commit1, "unet")},
		{filepath.Join(first, "models--org--name"), "", at(first, "models--org--name", commit1, "")},
		{filepath.Join(first, "models--org--name") + "/", "fedc", at(first, "models--org--name", commit2, "")},
		{"org/old", "", at(second, "models--org--old", commit1, "")},
		{"org/both", "", at(second, "models--org--both", commit1, "")},
	} {
		r, err := Resolve(tc.arg, tc.revision)
		if err != nil || filepath.Clean(r.Path) != filepath.Clean(tc.want) {
			t.Errorf("Resolve(%q, %q) = %q, %v, want %q", tc.arg, tc.revision, r.Path, err, tc.want)
		}
	}
	_, err := Resolve("org/name@v1", "v2")
	checkError(t, err, checkpoint.ErrUnsupported, `names revision "v1", but "v2" is asked for`)
	_, err = Resolve("https://example.com/x", "")
	checkError(t, err, checkpoint.ErrUnsupported, "https://example.com/x: is an address on the network")

	// A path comes first, whatever a model is called.
	if err := os.MkdirAll("org/name", 0o777); err != nil {
		t.Fatal(err)
	}
	if r, err := Resolve("org/name", ""); err != nil || r.ID != "" {
		t.Errorf("Resolve = %+v, %v, want the folder", r, err)
	}
}

// TestHints checks that the command which fetches a model is told for what can be one.
func TestHints(t *testing.T) {
	setCache(t, t.TempDir())
	t.Chdir(t.TempDir())
	if err := os.Mkdir("here", 0o777); err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]string{
		"org/name":                        "hf download org/name fetches it",
		"https://huggingface.co/org/name": "hf download org/name fetches it",
		"hf://org/name@v2/unet":           "hf download org/name --revision v2 fetches it",
		"gpt2":                            "hf download gpt2 fetches it",
		"here/model":                      "",
		"org/model.safetensors":           "",
		"./gone":                          "",
		"/gone/at/all":                    "",
		"gone; rm -rf x":                  "",
	} {
		_, err := Resolve(arg, "")
		var h *checkpoint.HintError
		if got := ""; errors.As(err, &h) {
			got = h.Hint
			if got != want {
				t.Errorf("%q: hint %q, want %q", arg, got, want)
			}
		} else if want != "" || !errors.Is(err, checkpoint.ErrNotFound) {
			t.Errorf("%q: error %v without a hint, want %q", arg, err, want)
		}
	}
}
