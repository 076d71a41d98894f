package hub

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/internal/fileio"
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
	Asked    Name   // what the user wrote, for a model id
}

// Resolve finds the model that arg names. If arg is the path of an existing file or
// folder, that is the result, unless it is the folder of a model in a cache. Otherwise arg is taken as a name of the hub (see
// [ParseName]) and looked up in the caches, at the given revision: a branch, a tag, a
// commit or the beginning of one, or [DefaultRevision] if both are empty. Whether all
// files of the snapshot are there shows when it is opened.
//
// Errors are of class checkpoint.ErrNotFound if there is no such path, model or
// revision, and list what the cache holds. One that a command can mend is a
// *checkpoint.HintError.
func Resolve(arg, revision string) (Resolved, error) {
	_, err := os.Stat(arg)
	if err == nil {
		if id, ok := repositoryID(arg); ok {
			return resolveIn(arg, Name{ID: id, Revision: revision})
		}
		if revision != "" {
			return Resolved{}, &checkpoint.FileError{File: arg, Err: checkpoint.Unsupportedf("is an existing path; a revision can be chosen for a model id only")}
		}
		return Resolved{Path: arg}, nil
	}
	n, isName, nameErr := ParseName(arg)
	switch {
	case nameErr != nil:
		return Resolved{}, &checkpoint.FileError{File: arg, Err: nameErr}
	case !errors.Is(err, fs.ErrNotExist) && !isName:
		return Resolved{}, &checkpoint.FileError{File: arg, Err: checkpoint.Cause(err)}
	}
	if _, err := os.Lstat(arg); err == nil {
		return Resolved{}, &checkpoint.FileError{File: arg, Err: checkpoint.NotFoundf("symbolic link to a file that is not there")}
	}
	if !isName {
		return Resolved{}, &checkpoint.FileError{File: arg, Err: checkpoint.NotFoundf("no such file or folder")}
	}
	switch {
	case revision == "":
	case n.Revision != "" && n.Revision != revision:
		return Resolved{}, &checkpoint.FileError{File: arg, Err: checkpoint.Unsupportedf("names revision %s, but %s is asked for", checkpoint.Quote(n.Revision), checkpoint.Quote(revision))}
	default:
		n.Revision = revision
	}
	if n.Revision != "" && !isRevision(n.Revision) {
		return Resolved{}, &checkpoint.FileError{File: arg, Err: checkpoint.NotFoundf("%s is not the name of a revision", checkpoint.Quote(n.Revision))}
	}
	return resolveName(arg, n)
}

// resolveName looks n, which the user wrote as arg, up in the caches.
func resolveName(arg string, n Name) (Resolved, error) {
	caches, err := cacheDirs()
	if err != nil {
		return Resolved{}, err
	}
	var first error
	for _, cache := range caches {
		root := filepath.Join(cache, folderOf(n.ID))
		if _, err := os.Stat(root); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		r, err := resolveIn(root, n)
		if err == nil || !errors.Is(err, checkpoint.ErrNotFound) {
			return r, err
		}
		if first == nil {
			first = err
		}
	}
	if first != nil {
		return Resolved{}, first
	}
	return Resolved{}, notCached(caches, arg, n)
}

// resolveIn looks n up in root, the folder of its repository.
func resolveIn(root string, n Name) (Resolved, error) {
	r := Resolved{ID: n.ID, Asked: n, Root: root}
	_, err := os.ReadDir(root)
	if err == nil {
		err = r.find()
	}
	if err != nil {
		return Resolved{}, &checkpoint.FileError{File: n.ID, Err: checkpoint.Cause(err)}
	}
	return r, nil
}

func folderOf(id string) string { return "models--" + strings.ReplaceAll(id, "/", "--") }

// repositoryID returns the id of the model of which path is the folder in a cache.
func repositoryID(path string) (id string, ok bool) {
	id, ok = idOf(filepath.Base(filepath.Clean(path)))
	if !ok {
		return "", false
	}
	info, err := os.Stat(filepath.Join(path, "snapshots"))
	return id, err == nil && info.IsDir()
}

// find sets the revision and the path of r.
func (r *Resolved) find() error {
	commit, err := r.commitOf(r.Asked.Revision)
	if errors.Is(err, fs.ErrNotExist) {
		if n, longer, ok := r.longerRevision(); ok {
			r.Asked, commit, err = n, longer, nil
		}
	}
	revision := r.Asked.Revision
	switch snapshots := r.snapshots(); {
	case errors.Is(err, fs.ErrNotExist) && len(snapshots) == 0:
		return r.fetch(checkpoint.NotFoundf("the cache holds no snapshot of it: the download is not finished"))
	case errors.Is(err, fs.ErrNotExist) && revision == "" && len(snapshots) == 1:
		commit = snapshots[0]
		r.note(fmt.Sprintf("the cache of %s does not say which revision is %s; the only snapshot, %s, is used",
			r.ID, DefaultRevision, checkpoint.Printable(commit)))
	case errors.Is(err, fs.ErrNotExist):
		known := append(r.refs(), slices.Sorted(slices.Values(snapshots))...)
		return r.fetch(checkpoint.NotFoundf("the cache has no revision %s of it, but %s", checkpoint.Quote(defaulted(revision)), checkpoint.Enumerate(known, 0)))
	case err != nil:
		return err
	case slices.Contains(snapshots, commit):
	case revision == "" && len(snapshots) > 0:
		r.note(fmt.Sprintf("the cache of %s has no snapshot %s, which is its revision %s; snapshot %s is used", r.ID, commit, DefaultRevision, checkpoint.Printable(snapshots[0])))
		commit = snapshots[0]
	default:
		return r.fetch(checkpoint.NotFoundf("the cache has no snapshot %s of it, but %s", commit, checkpoint.Enumerate(snapshots, 0)))
	}
	r.use(commit)
	if n := r.unfinished(); n > 0 {
		r.note(fmt.Sprintf("the download may not be finished: %d unfinished files in the cache", n))
	}
	return nil
}

// longerRevision returns what the user asked for with a revision of which the first part
// was taken for the whole: "org/name@feature/x" may be the branch feature/x.
func (r *Resolved) longerRevision() (n Name, commit string, ok bool) {
	n = r.Asked
	for n.Revision != "" && n.Sub != "" {
		first, rest, _ := strings.Cut(n.Sub, "/")
		n.Revision, n.Sub = n.Revision+"/"+first, rest
		if !isRevision(n.Revision) {
			break
		}
		if commit, err := r.readRef(n.Revision); err == nil {
			return n, commit, true
		}
	}
	return Name{}, "", false
}

// use makes the snapshot of commit the one that r stands for.
func (r *Resolved) use(commit string) {
	r.Revision = commit
	r.Path = filepath.Join(r.Root, "snapshots", commit, filepath.FromSlash(r.Asked.Sub))
}

func (r *Resolved) note(text string) {
	if r.Notice != "" {
		r.Notice += "; "
	}
	r.Notice += text
}

// Others returns what the other snapshots of the model are, the newest first, if the user
// asked for no revision. Their notices say that they are not the default revision.
func (r *Resolved) Others() []Resolved {
	if r.ID == "" || r.Asked.Revision != "" {
		return nil
	}
	var others []Resolved
	for _, commit := range r.snapshots() {
		if commit == r.Revision {
			continue
		}
		o := Resolved{ID: r.ID, Root: r.Root, Asked: r.Asked}
		o.use(commit)
		o.note(fmt.Sprintf("snapshot %s of %s in the cache lacks weights; snapshot %s, which has them, is opened", r.Revision, r.ID, commit))
		others = append(others, o)
	}
	return others
}

// Fetch adds to err, the reason why r could not be opened, the command that downloads
// what is missing.
func (r *Resolved) Fetch(err error) error { return r.fetch(err) }

func (r *Resolved) fetch(err error) error {
	return &checkpoint.HintError{Err: err, Hint: fetchHint(r.Asked)}
}

// fetchHint returns the command that downloads a model.
func fetchHint(n Name) string {
	command := "hf download " + n.ID
	if n.Revision != "" {
		command += " --revision " + n.Revision
	}
	return command + " fetches it"
}

func defaulted(revision string) string {
	if revision == "" {
		return DefaultRevision
	}
	return revision
}

// commitOf returns the commit that revision stands for: that of a ref, a full commit, or
// the only snapshot whose commit begins so.
func (r *Resolved) commitOf(revision string) (string, error) {
	if commitPattern.MatchString(revision) {
		return revision, nil
	}
	commit, err := r.readRef(defaulted(revision))
	if !errors.Is(err, fs.ErrNotExist) || !shortPattern.MatchString(revision) {
		return commit, err
	}
	matches := slices.DeleteFunc(r.snapshots(), func(s string) bool { return !strings.HasPrefix(s, revision) })
	switch len(matches) {
	case 0:
		return "", err
	case 1:
		return matches[0], nil
	}
	return "", checkpoint.NotFoundf("revision %s is not unique, it begins %s", revision, checkpoint.Enumerate(matches, 0))
}

// readRef returns the commit in the file of a ref.
func (r *Resolved) readRef(ref string) (string, error) {
	name := "refs/" + ref
	f, _, err := fileio.Open(filepath.Join(r.Root, filepath.FromSlash(name)))
	if errors.Is(err, checkpoint.ErrUnsupported) {
		return "", fs.ErrNotExist // a folder of refs
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 128))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, checkpoint.Cause(err))
	}
	commit := strings.TrimSpace(string(text))
	if !commitPattern.MatchString(commit) {
		return "", checkpoint.Corruptf("%s holds %s, want a commit of 40 hexadecimal digits", name, checkpoint.Quote(commit))
	}
	return commit, nil
}

// snapshots returns the commits of which the cache has a folder, the newest first; nil if
// they cannot be read.
func (r *Resolved) snapshots() []string {
	dir := filepath.Join(r.Root, "snapshots")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	age := make(map[string]int64)
	var commits []string
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && info.IsDir() {
			age[e.Name()] = -info.ModTime().UnixNano()
			commits = append(commits, e.Name())
		}
	}
	slices.SortStableFunc(commits, func(a, b string) int {
		switch {
		case age[a] < age[b]:
			return -1
		case age[a] > age[b]:
			return 1
		}
		return 0
	})
	return commits
}

// unfinished returns the number of blobs whose download has not ended.
func (r *Resolved) unfinished() int {
	// The number is only a help for the user: blobs that cannot be listed count as 0.
	entries, _ := os.ReadDir(filepath.Join(r.Root, "blobs"))
	n := 0
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".incomplete") {
			n++
		}
	}
	return n
}

// refs returns the names of all revisions, including those in subfolders, such as
// "pr/3".
func (r *Resolved) refs() []string {
	var refs []string
	// The list is only a help for the user: refs that cannot be read are left out.
	_ = fs.WalkDir(os.DirFS(filepath.Join(r.Root, "refs")), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			refs = append(refs, path)
		}
		return nil
	})
	return refs
}
