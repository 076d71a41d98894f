package hub

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// DefaultRevision is the revision of a model id that is given without one.
const DefaultRevision = "main"

// Resolved describes the file or folder that a model argument stands for.
type Resolved struct {
	Path     string // file or folder to open
	Root     string // folder of the repository in the cache; empty for a path
	ID       string // model id; empty for a path
	Revision string // commit of the snapshot; empty for a path
	Notice   string // a remark for the user, such as on an unfinished download; usually empty
}

var (
	// partPattern matches an organisation or a name that huggingface_hub allows
	// (validate_repo_id).
	partPattern     = regexp.MustCompile(`^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$`)
	commitPattern   = regexp.MustCompile(`^[0-9a-f]{40}$`)
	revisionPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*$`)
)

// maxID and maxRevision limit lengths in bytes. maxID is the limit of huggingface_hub.
const (
	maxID       = 96
	maxRevision = 255
)

// IsID reports whether s has the form of a model id, "name" or "org/name".
func IsID(s string) bool {
	if len(s) > maxID || strings.Contains(s, "--") || strings.Contains(s, "..") || strings.HasSuffix(s, ".git") {
		return false
	}
	parts := strings.Split(s, "/")
	if len(parts) > 2 {
		return false
	}
	for _, p := range parts {
		if !partPattern.MatchString(p) {
			return false
		}
	}
	return true
}

// Resolve finds the model that arg names. If arg is the path of an existing file or
// folder, that is the result. Otherwise arg is looked up as a model id in the cache, at
// the given revision: a branch, a tag or a full commit, or [DefaultRevision] if empty.
//
// Errors are of class checkpoint.ErrNotFound if there is no such path, model or
// revision, and list what the cache holds; they are of class checkpoint.ErrCorrupt if
// the download of the model was not finished, and name what is missing.
func Resolve(arg, revision string) (Resolved, error) {
	_, err := os.Stat(arg)
	switch {
	case err == nil && revision != "":
		return Resolved{}, &checkpoint.FileError{File: arg, Err: checkpoint.Unsupportedf("is an existing path; a revision can be chosen for a model id only")}
	case err == nil:
		return Resolved{Path: arg}, nil
	case !errors.Is(err, fs.ErrNotExist) && !IsID(arg):
		return Resolved{}, &checkpoint.FileError{File: arg, Err: checkpoint.Cause(err)}
	}
	if _, err := os.Lstat(arg); err == nil {
		return Resolved{}, &checkpoint.FileError{File: arg, Err: checkpoint.NotFoundf("symbolic link to a file that is not there")}
	}
	if !IsID(arg) {
		return Resolved{}, &checkpoint.FileError{File: arg, Err: checkpoint.NotFoundf("no such file or folder")}
	}
	if revision != "" && (len(revision) > maxRevision || !revisionPattern.MatchString(revision)) {
		return Resolved{}, &checkpoint.FileError{File: arg, Err: checkpoint.NotFoundf("%s is not the name of a revision", checkpoint.Quote(revision))}
	}
	cache, err := CacheDir()
	if err != nil {
		return Resolved{}, err
	}
	r := Resolved{ID: arg, Root: filepath.Join(cache, folderOf(arg))}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return Resolved{}, notCached(cache, arg, err)
	}
	defer root.Close()
	if err := r.find(root, revision); err != nil {
		return Resolved{}, &checkpoint.FileError{File: arg, Err: err}
	}
	return r, nil
}

func folderOf(id string) string { return "models--" + strings.ReplaceAll(id, "/", "--") }

// find sets the revision and the path of r, whose repository is root.
func (r *Resolved) find(root *os.Root, revision string) error {
	commit, err := readRef(root, revision)
	if errors.Is(err, fs.ErrNotExist) {
		snapshots := list(root, "snapshots")
		switch {
		case revision == "" && len(snapshots) == 1:
			commit, err = snapshots[0], nil
			r.Notice = fmt.Sprintf("the cache of %s does not say which revision is %s; the only snapshot, %s, is used",
				r.ID, DefaultRevision, checkpoint.Printable(commit))
		case len(snapshots) == 0:
			return checkpoint.NotFoundf("the cache holds no snapshot of it: the download is not finished")
		default:
			known := append(listRefs(root), snapshots...)
			return checkpoint.NotFoundf("the cache has no revision %s of it, but %s", checkpoint.Quote(defaulted(revision)), enumerate(known))
		}
	}
	if err != nil {
		return err
	}
	r.Revision = commit
	snapshot := filepath.Join("snapshots", commit)
	if info, err := root.Stat(snapshot); err != nil || !info.IsDir() {
		return checkpoint.NotFoundf("the cache has no snapshot %s of it, but %s", commit, enumerate(list(root, "snapshots")))
	}
	r.Path = filepath.Join(r.Root, snapshot)
	notice, err := finished(root, snapshot)
	if notice != "" {
		if r.Notice != "" {
			r.Notice += "; "
		}
		r.Notice += notice
	}
	return err
}

func defaulted(revision string) string {
	if revision == "" {
		return DefaultRevision
	}
	return revision
}

// readRef returns the commit that revision stands for. If revision is a full commit
// hash, that is the result.
func readRef(root *os.Root, revision string) (string, error) {
	if commitPattern.MatchString(revision) {
		return revision, nil
	}
	ref := filepath.Join("refs", filepath.FromSlash(defaulted(revision)))
	if info, err := root.Stat(ref); err != nil || !info.Mode().IsRegular() {
		return "", fs.ErrNotExist
	}
	f, err := root.Open(ref)
	if err != nil {
		return "", fmt.Errorf("%s: %w", filepath.ToSlash(ref), checkpoint.Cause(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 128))
	if err != nil {
		return "", fmt.Errorf("%s: %w", filepath.ToSlash(ref), checkpoint.Cause(err))
	}
	commit := strings.TrimSpace(string(text))
	if !commitPattern.MatchString(commit) {
		return "", checkpoint.Corruptf("%s holds %s, want a commit of 40 hexadecimal digits", filepath.ToSlash(ref), checkpoint.Quote(commit))
	}
	return commit, nil
}

// finished returns an error if weights are known to be missing from the snapshot: a
// link has no target, a numbered shard is absent, or there are only unfinished blobs.
// Missing shards that only an index names are found when the index is read. If nothing
// is known to be missing but the cache has unfinished blobs, finished returns a notice.
func finished(root *os.Root, snapshot string) (notice string, err error) {
	names := list(root, snapshot)
	var dangling []string
	weights := false
	for _, name := range names {
		if _, err := root.Stat(filepath.Join(snapshot, name)); errors.Is(err, fs.ErrNotExist) {
			dangling = append(dangling, name)
		}
		weights = weights || isWeights(name)
	}
	if len(dangling) > 0 {
		return "", checkpoint.Corruptf("the download is not finished, missing: %s", enumerate(dangling))
	}
	// If there are safetensors files, they are opened, and missing files of other
	// formats do not matter.
	sets := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return filepath.Ext(name) != ".safetensors" })
	if len(sets) == 0 {
		sets = names
	}
	if missing, more := checkpoint.MissingShards(sets); len(missing) > 0 {
		return "", checkpoint.Corruptf("the download is not finished, missing: %s", enumerateMore(missing, more))
	}
	partial := 0
	for _, name := range list(root, "blobs") {
		if strings.HasSuffix(name, ".incomplete") {
			partial++
		}
	}
	switch {
	case partial > 0 && !weights:
		return "", checkpoint.Corruptf("the download is not finished, missing: the weights (%d unfinished files)", partial)
	case partial > 0:
		notice = fmt.Sprintf("the download may not be finished: %d unfinished files in the cache", partial)
	}
	return notice, nil
}

func isWeights(name string) bool {
	switch filepath.Ext(name) {
	case ".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".onnx", ".msgpack":
		return true
	}
	return false
}

// list returns the sorted names in a folder, and nil if it cannot be read.
func list(root *os.Root, dir string) []string {
	f, err := root.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	slices.Sort(names)
	return names
}

// listRefs returns the names of all revisions, including those in subfolders, such as
// "pr/3".
func listRefs(root *os.Root) []string {
	var refs []string
	// The list is only a help for the user: refs that cannot be read are left out.
	_ = fs.WalkDir(root.FS(), "refs", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			refs = append(refs, strings.TrimPrefix(path, "refs/"))
		}
		return nil
	})
	return refs
}
