package hub

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// A Name is what the user may write for a model of the hub, taken apart.
type Name struct {
	ID       string // "name" or "org/name"
	Revision string // branch, tag or commit; empty if none is named
	Sub      string // file or folder in the repository, with slashes; usually empty
}

// String returns the name in its plainest form, "org/name@revision/sub".
func (n Name) String() string {
	s := n.ID
	if n.Revision != "" {
		s += "@" + strings.ReplaceAll(n.Revision, "/", "%2F")
	}
	if n.Sub != "" {
		s += "/" + n.Sub
	}
	return s
}

var (
	// partPattern matches an organisation or a name that huggingface_hub allows
	// (validate_repo_id).
	partPattern     = regexp.MustCompile(`^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$`)
	commitPattern   = regexp.MustCompile(`^[0-9a-f]{40}$`)
	shortPattern    = regexp.MustCompile(`^[0-9a-f]{4,39}$`)
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
	return len(parts) <= 2 && !slices.ContainsFunc(parts, func(p string) bool { return !partPattern.MatchString(p) })
}

// isRevision reports whether s can be the name of a revision.
func isRevision(s string) bool {
	return len(s) <= maxRevision && revisionPattern.MatchString(s) && filepath.IsLocal(filepath.FromSlash(s))
}

// ParseName takes apart the name of a model: an id, "org/name@revision/folder" of which
// all but the id may be absent, or "org/name/folder@revision", the same behind "hf://", or an address of the hub that
// was copied from a browser. ok is false if arg has no such form. An address of
// something else than a model is an error of class checkpoint.ErrUnsupported.
func ParseName(arg string) (n Name, ok bool, err error) {
	rest, isAddress := cutHost(arg)
	switch {
	case isAddress:
		return parseAddress(rest)
	case strings.Contains(arg, "://") && !strings.HasPrefix(arg, "hf://"):
		return n, false, checkpoint.Unsupportedf("is an address on the network, and nothing is downloaded: fetch the model and name its folder")
	}
	text, isURI := strings.CutPrefix(arg, "hf://")
	segments := strings.Split(strings.TrimSuffix(text, "/"), "/")
	if isURI {
		if kind := repositoryKind(segments[0]); kind != "" {
			return n, false, checkpoint.Unsupportedf("is %s of the hub, not a model", kind)
		}
		if segments[0] == "models" && len(segments) > 2 {
			segments = segments[1:]
		}
	}
	// The revision is behind the name, which is the first segment or the second, or behind
	// the folder.
	at := slices.IndexFunc(segments, func(s string) bool { return strings.Contains(s, "@") })
	if at < 0 {
		return n.finish(segments[:min(2, len(segments))], "", segments[min(2, len(segments)):])
	}
	last, revision, _ := strings.Cut(segments[at], "@")
	id := append(slices.Clone(segments[:at]), last)
	tail, revision := cutRevision(append([]string{revision}, segments[at+1:]...))
	if at < 2 {
		return n.finish(id, revision, tail)
	}
	if len(tail) > 0 {
		return n, false, nil
	}
	return n.finish(id[:2], revision, id[2:])
}

// cutHost returns what follows the host in an address of the hub, with or without a
// scheme.
func cutHost(arg string) (rest string, ok bool) {
	hosts := []string{"huggingface.co", "www.huggingface.co", "hf.co"}
	if u, err := url.Parse(os.Getenv("HF_ENDPOINT")); err == nil && u.Host != "" {
		hosts = append(hosts, u.Host)
	}
	lower := strings.ToLower(arg)
	trimmed := strings.TrimPrefix(strings.TrimPrefix(lower, "https://"), "http://")
	for _, host := range hosts {
		if rest, ok := strings.CutPrefix(trimmed, strings.ToLower(host)+"/"); ok {
			return arg[len(arg)-len(rest):], true
		}
	}
	return "", false
}

// repositoryKind returns what an address that begins with segment is of, if not a model.
func repositoryKind(segment string) string {
	return map[string]string{"datasets": "a data set", "spaces": "a space", "collections": "a collection", "papers": "a paper", "buckets": "a bucket"}[segment]
}

// parseAddress takes apart what follows the host in an address of the hub.
func parseAddress(rest string) (n Name, ok bool, err error) {
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	segments := strings.Split(strings.Trim(rest, "/"), "/")
	for _, prefix := range []string{"api", "models"} {
		if len(segments) > 1 && segments[0] == prefix {
			segments = segments[1:]
		}
	}
	if kind := repositoryKind(segments[0]); kind != "" {
		return n, false, checkpoint.Unsupportedf("is the address of %s, not of a model", kind)
	}
	// "name/tree/main" or "org/name/tree/main": views of files have a revision.
	views := map[string]bool{"tree": true, "blob": true, "resolve": true, "raw": true, "blame": true, "edit": true, "commit": true, "commits": true, "revision": true, "discussions": false, "settings": false}
	id, view := segments, ""
	for i := 1; i < min(3, len(segments)); i++ {
		if _, known := views[segments[i]]; known {
			id, view = segments[:i], segments[i]
			break
		}
	}
	var tail []string
	revision := ""
	if view != "" && views[view] {
		tail, revision = cutRevision(segments[len(id)+1:])
	}
	id = slices.Clone(id)
	id[len(id)-1] = strings.TrimSuffix(id[len(id)-1], ".git")
	return n.finish(id, revision, tail)
}

// cutRevision takes the revision from the front of segments: one, in which a slash may be
// written as %2F, or three if it is of the hub's own, "refs/pr/3".
func cutRevision(segments []string) (tail []string, revision string) {
	if len(segments) == 0 {
		return nil, ""
	}
	if len(segments) >= 3 && segments[0] == "refs" && (segments[1] == "pr" || segments[1] == "convert") {
		return segments[3:], strings.Join(segments[:3], "/")
	}
	revision, err := url.PathUnescape(segments[0])
	if err != nil {
		revision = segments[0]
	}
	return segments[1:], revision
}

// finish puts a name together; ok is false if it cannot be one.
func (Name) finish(id []string, revision string, tail []string) (n Name, ok bool, err error) {
	n = Name{ID: strings.Join(id, "/"), Revision: revision}
	if !IsID(n.ID) {
		return Name{}, false, nil
	}
	for i, s := range tail {
		if plain, err := url.PathUnescape(s); err == nil {
			tail[i] = plain
		}
	}
	n.Sub = path.Join(tail...)
	if n.Sub != "" && (!filepath.IsLocal(filepath.FromSlash(n.Sub)) || checkpoint.Printable(n.Sub) != n.Sub) {
		return Name{}, false, nil
	}
	return n, true, nil
}
