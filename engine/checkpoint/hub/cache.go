package hub

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// CacheDir returns the first folder in which the Hugging Face cache is looked for,
// according to the environment (see the package documentation). The folder need not
// exist.
func CacheDir() (string, error) {
	dirs, err := cacheDirs()
	if err != nil {
		return "", err
	}
	return dirs[0], nil
}

// cacheDirs returns the folders in which models are looked for, one after the other: the
// cache that the environment names and that of older versions of transformers.
func cacheDirs() ([]string, error) {
	old := os.Getenv("TRANSFORMERS_CACHE")
	for _, place := range []struct{ env, below string }{
		{"HF_HUB_CACHE", ""},
		{"HUGGINGFACE_HUB_CACHE", ""},
		{"HF_HOME", "hub"},
		{"XDG_CACHE_HOME", "huggingface/hub"},
	} {
		value := os.Getenv(place.env)
		if value == "" {
			continue
		}
		dirs := []string{filepath.Join(expand(value), filepath.FromSlash(place.below))}
		switch {
		case old == "":
			return dirs, nil
		case place.below == "":
			return append(dirs, expand(old)), nil
		}
		return append([]string{expand(old)}, dirs...), nil
	}
	var dirs []string
	if old != "" {
		dirs = append(dirs, expand(old))
	}
	home, err := os.UserHomeDir()
	switch {
	case err == nil:
		dirs = append(dirs, filepath.Join(home, ".cache", "huggingface", "hub"))
	case len(dirs) == 0:
		return nil, checkpoint.NotFoundf("no cache of models: neither HF_HUB_CACHE nor a home folder is set")
	}
	return dirs, nil
}

// expand replaces a leading "~" and environment variables in path, as expanduser and
// expandvars of Python do: the name of a variable that is not set stays in place.
func expand(path string) string {
	if path == "~" || strings.HasPrefix(path, "~/") || strings.HasPrefix(path, "~"+string(filepath.Separator)) {
		if home, err := os.UserHomeDir(); err == nil {
			path = home + path[1:]
		}
	}
	return os.Expand(path, func(name string) string {
		if value, ok := os.LookupEnv(name); ok {
			return value
		}
		return "$" + name
	})
}

// Cached returns the ids of the models in the cache folder dir, sorted; nil if it cannot
// be read.
func Cached(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var ids []string
	for _, e := range entries {
		if id, ok := idOf(e.Name()); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// idOf returns the id of the model whose folder in the cache is called name. No part of an
// id contains "--", so this is the inverse of folderOf.
func idOf(name string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(name, "models--")
	id = strings.Replace(rest, "--", "/", 1)
	return id, ok && IsID(id)
}

// notCached is the error for a name, which the user wrote as arg, that none of the caches
// has. If it may be meant for the hub, its hint is the command that fetches the model.
func notCached(caches []string, arg string, n Name) error {
	var ids []string
	for _, cache := range caches {
		ids = append(ids, Cached(cache)...)
	}
	slices.Sort(ids)
	var err error = &checkpoint.FileError{File: arg, Err: checkpoint.NotFoundf("no such file or folder, nor in the cache, which holds %s", checkpoint.Enumerate(slices.Compact(ids), 0))}
	if len(ids) == 0 {
		err = &checkpoint.FileError{File: arg, Err: checkpoint.NotFoundf("no such file or folder, and no model in the cache %s", checkpoint.Printable(caches[0]))}
	}
	if looksLikePath(arg, n) {
		return err
	}
	return &checkpoint.HintError{Err: err, Hint: fetchHint(n)}
}

// looksLikePath reports whether arg, which is not there, rather names a file than a model:
// it has the ending of one, or the folder that it would be in is there.
func looksLikePath(arg string, n Name) bool {
	switch strings.ToLower(filepath.Ext(n.ID)) {
	case ".safetensors", ".json", ".gguf", ".bin", ".pt", ".pth":
		return true
	}
	parent := filepath.Dir(filepath.Clean(arg))
	_, err := os.Stat(parent)
	return parent != "." && err == nil
}
