package open

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// listing is the files and folders in a folder, without hidden ones, in the order of
// their names. Links count as what they lead to; those that lead to nothing, as files.
type listing struct{ files, folders []string }

func list(path string) (listing, error) {
	var l listing
	dir, err := os.Open(path)
	if err != nil {
		return l, checkpoint.Cause(err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return l, checkpoint.Cause(err)
	}
	slices.Sort(names)
	for _, name := range names {
		if strings.HasPrefix(name, ".") {
			continue
		}
		if info, err := os.Stat(filepath.Join(path, name)); err == nil && info.IsDir() {
			l.folders = append(l.folders, name)
		} else {
			l.files = append(l.files, name)
		}
	}
	return l, nil
}

// findFolder returns the first format of the table of which the folder holds a file, if it
// has a reader. name is how the user names the folder.
func findFolder(path, name string) (*checkpoint.Format, error) {
	l, err := list(path)
	if err != nil {
		return nil, err
	}
	for _, f := range formats {
		for _, file := range l.files {
			if !f.HasSuffix(file) {
				continue
			}
			if f.Open != nil {
				return f, nil
			}
			if l.isAdapter() {
				return nil, checkpoint.Adapterf("", baseModel(path))
			}
			return nil, withParts(path, name, foreign(f, path, file))
		}
	}
	return nil, withParts(path, name, checkpoint.NotFoundf("no checkpoint in the folder, want *.safetensors"))
}

// foreign returns the error for a folder that holds no safetensors file, but one called
// file with the name of f.
func foreign(f *checkpoint.Format, path, file string) error {
	// The content may be of another format than the name says.
	head, err := readHead(filepath.Join(path, file))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return checkpoint.Incompletef("holds no safetensors file; %s is a link to a file that is not there: the download is not finished", checkpoint.Printable(file))
	case err == nil:
		if g := byContent(head); g != nil {
			f = g
		}
	}
	if f.Open != nil {
		return checkpoint.Unsupportedf("%s is %s whatever its name says: name the file itself", checkpoint.Printable(file), f.Name)
	}
	return checkpoint.Unsupportedf("holds no safetensors file; %s %w", checkpoint.Printable(file), refusal(f, head))
}

// maxFolders bounds the folders in which parts of a model are looked for.
const maxFolders = 1000

// parts returns the subfolders of the folder path, at most two levels down, that hold files
// of which the name is wanted, with slashes.
func parts(path string, wanted func(name string) bool) []string {
	var found []string
	visited := 0
	var visit func(rel string, depth int)
	visit = func(rel string, depth int) {
		if visited++; visited > maxFolders {
			return
		}
		l, err := list(filepath.Join(path, filepath.FromSlash(rel)))
		if err != nil {
			return // it cannot be opened either
		}
		if rel != "" && slices.ContainsFunc(l.files, wanted) {
			found = append(found, rel)
			return
		}
		if depth < 2 {
			for _, folder := range l.folders {
				visit(strings.TrimPrefix(rel+"/"+folder, "/"), depth+1)
			}
		}
	}
	visit("", 0)
	return found
}

// hasReader reports whether a file name is that of a format with a reader.
func hasReader(name string) bool {
	return slices.ContainsFunc(formats, func(f *checkpoint.Format) bool { return f.Open != nil && f.HasSuffix(name) })
}

// isWeights reports whether a file name is that of a format of the table.
func isWeights(name string) bool {
	return slices.ContainsFunc(formats, func(f *checkpoint.Format) bool { return f.HasSuffix(name) })
}

// withParts adds the subfolders of the folder path that can be opened to err, which says
// that the folder itself holds no model. name is how the user names the folder.
func withParts(path, name string, err error) error {
	if errors.Is(err, checkpoint.ErrCorrupt) {
		return err
	}
	subs := parts(path, hasReader)
	if len(subs) == 0 {
		subs = parts(path, isWeights)
		if len(subs) == 0 {
			return err
		}
		_, serr := findFolder(filepath.Join(path, filepath.FromSlash(subs[0])), name+"/"+subs[0])
		return checkpoint.Unsupportedf("%v; its subfolders %s hold weights of other formats; %s %w", err, checkpoint.Enumerate(subs, 0), checkpoint.Printable(subs[0]), serr)
	}
	example := strings.TrimSuffix(name, "/") + "/" + subs[0]
	if _, serr := os.Stat(filepath.Join(path, "model_index.json")); serr == nil {
		return checkpoint.Unsupportedf("is a pipeline of several models: %s: name one of them, such as %s", checkpoint.Enumerate(subs, 0), checkpoint.Printable(example))
	}
	return checkpoint.Unsupportedf("%v; these subfolders can be opened: %s: name one of them, such as %s", err, checkpoint.Enumerate(subs, 0), checkpoint.Printable(example))
}
