package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// CacheDir returns the folder of the Hugging Face cache according to the environment
// (see the package documentation). The folder need not exist.
func CacheDir() (string, error) {
	for _, place := range []struct{ env, below string }{
		{"HF_HUB_CACHE", ""},
		{"HUGGINGFACE_HUB_CACHE", ""},
		{"HF_HOME", "hub"},
		{"XDG_CACHE_HOME", "huggingface/hub"},
	} {
		if value := os.Getenv(place.env); value != "" {
			return filepath.Join(expand(value), filepath.FromSlash(place.below)), nil
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", checkpoint.NotFoundf("no cache of models: neither HF_HUB_CACHE nor a home folder is set")
	}
	return filepath.Join(home, ".cache", "huggingface", "hub"), nil
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
		rest, ok := strings.CutPrefix(e.Name(), "models--")
		// No part of an id contains "--", so this is the inverse of folderOf.
		id := strings.Replace(rest, "--", "/", 1)
		if ok && IsID(id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// notCached is the error for an id whose folder in the cache could not be
// opened.
func notCached(cache, id string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return &checkpoint.FileError{File: id, Err: fmt.Errorf("cache: %w", checkpoint.Cause(err))}
	}
	ids := Cached(cache)
	if len(ids) == 0 {
		return &checkpoint.FileError{File: id, Err: checkpoint.NotFoundf("no such file or folder, and no model in the cache %s", checkpoint.Printable(cache))}
	}
	return &checkpoint.FileError{File: id, Err: checkpoint.NotFoundf("no such file or folder, nor in the cache, which holds %s", enumerate(ids))}
}

// maxListed is the largest number of names that an error lists.
const maxListed = 20

func enumerate(names []string) string { return enumerateMore(names, 0) }

// enumerateMore joins names for an error and adds that there are more others, if more
// is not 0.
func enumerateMore(names []string, more int) string {
	if len(names) > maxListed {
		more += len(names) - maxListed
		names = names[:maxListed]
	}
	if len(names) == 0 {
		return "none"
	}
	shown := make([]string, len(names))
	for i, name := range names {
		shown[i] = checkpoint.Printable(name)
	}
	list := strings.Join(shown, ", ")
	if more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}
