package open

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/hub"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/internal/fileio"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/quantized"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/safetensors"
)

// Options say how to find a model. The zero value is the default.
type Options struct {
	// Revision of a model id: a branch, a tag or a commit. The default
	// is hub.DefaultRevision. It must be empty if a path is opened.
	Revision string
}

// Open opens the model that arg names: a file, a folder, or a model of the Hugging Face
// hub in the local cache, by its id or address. If the snapshot of the default revision
// lacks weights, the newest other one that has them is opened. The second result
// describes what was found; it is set even if what was found could not be opened. The
// caller must close the source.
//
// Errors name the file and are of class checkpoint.ErrNotFound,
// checkpoint.ErrUnsupported or checkpoint.ErrCorrupt, or come from the operating
// system, and of class checkpoint.ErrUnsupported if that does not let the file be read.
// Adapters are of class checkpoint.ErrUnsupported.
func Open(arg string, opts Options) (checkpoint.Source, hub.Resolved, error) {
	src, r, err := open(arg, opts)
	if err != nil && isUnreadable(err) {
		err = checkpoint.Unsupportedf("%w", err)
	}
	return src, r, err
}

// isUnreadable reports whether err says that the system will never open what was named.
func isUnreadable(err error) bool {
	return slices.ContainsFunc([]error{
		fs.ErrPermission, fs.ErrInvalid, syscall.EINVAL, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG,
	}, func(e error) bool { return errors.Is(err, e) })
}

func open(arg string, opts Options) (checkpoint.Source, hub.Resolved, error) {
	r, err := hub.Resolve(arg, opts.Revision)
	if err != nil {
		return nil, r, err
	}
	if r.ID == "" {
		src, err := openPath(r.Path, r.Path)
		return src, r, err
	}
	src, err := openPath(r.Path, r.Asked.String())
	if err == nil || !lacksWeights(err) {
		return src, r, inModel(&r, err)
	}
	for _, o := range r.Others() {
		if src, oerr := openPath(o.Path, o.Asked.String()); oerr == nil {
			return src, o, nil
		}
	}
	return nil, r, r.Fetch(inModel(&r, err))
}

// lacksWeights reports whether err says that files are missing.
func lacksWeights(err error) bool {
	return errors.Is(err, checkpoint.ErrNotFound) || errors.Is(err, checkpoint.ErrIncomplete)
}

// inModel adds to err, an error of opening the snapshot of r, which model it is of.
func inModel(r *hub.Resolved, err error) error {
	if err == nil {
		return nil
	}
	// The path of a snapshot ends in a commit hash, which does not name the model.
	name := r.Asked.String()
	var fe *checkpoint.FileError
	if errors.As(err, &fe) && fe.File == r.Path {
		fe.File = name
	} else {
		err = fmt.Errorf("%s: %w", name, err)
	}
	if r.Notice != "" {
		err = fmt.Errorf("%w (%s)", err, r.Notice)
	}
	return err
}

// openPath opens the file or folder at path. name is how the user names it.
func openPath(path, name string) (checkpoint.Source, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = checkpoint.NotFoundf("no such file or folder")
	}
	if err != nil {
		return nil, &checkpoint.FileError{File: path, Err: checkpoint.Cause(err)}
	}
	var f *checkpoint.Format
	if info.IsDir() {
		f, err = findFolder(path, name)
	} else {
		f, err = findFile(path)
	}
	if err != nil {
		return nil, &checkpoint.FileError{File: path, Err: err}
	}
	better := func(err error) error { return explain(f, path, info.IsDir(), err) }
	src, err := f.Open(path, better)
	if err != nil {
		err = better(err)
		if info.IsDir() {
			err = withParts(path, name, err)
		}
		return nil, err
	}
	if err := checkAdapter(src, path, info.IsDir()); err != nil {
		src.Close()
		return nil, &checkpoint.FileError{File: path, Err: err}
	}
	if f == &safetensors.Format {
		src = quantized.New(src)
	}
	return src, nil
}

// readHead returns the first bytes of a file.
func readHead(path string) ([]byte, error) {
	file, _, err := fileio.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	head := make([]byte, sniffBytes)
	n, err := io.ReadFull(file, head)
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, checkpoint.Cause(err)
	}
	return head[:n], nil
}

// byContent returns the first format that matches the beginning of a file; nil if none
// does.
func byContent(head []byte) *checkpoint.Format {
	for _, f := range formats {
		if f.Match != nil && f.Match(head) {
			return f
		}
	}
	return nil
}

// findFile returns the format of a file, which has a reader.
func findFile(path string) (*checkpoint.Format, error) {
	head, err := readHead(path)
	if err != nil {
		return nil, err
	}
	for _, f := range formats {
		if f.IsIndex != nil && f.IsIndex(filepath.Base(path)) {
			return f, nil
		}
	}
	if f := byContent(head); f != nil {
		if f.Open != nil {
			return f, nil
		}
		return nil, refusal(f, head)
	}
	// If only the name claims a format, its reader gives the best error message.
	for _, f := range formats {
		if f.Open != nil && f.HasSuffix(path) {
			return f, nil
		}
	}
	for _, f := range formats {
		if f.Match == nil && f.HasSuffix(path) {
			return nil, refusal(f, head)
		}
	}
	return nil, checkpoint.Unsupportedf("unknown format (starts with bytes % x), want safetensors", head[:min(len(head), 8)])
}

// refusal returns the error for a file that begins with head and is of a format without a
// reader.
func refusal(f *checkpoint.Format, head []byte) error {
	hint := f.Hint
	if f.Text {
		hint += "; it begins " + beginning(head)
	}
	return checkpoint.Unsupportedf("is %s, which cannot be read: %s", f.Name, hint)
}

// explain returns err, which the reader of a format has given for the file or folder at path, or a
// better error if the file that it names is of another kind.
func explain(opened *checkpoint.Format, path string, isFolder bool, err error) error {
	var fe *checkpoint.FileError
	if !errors.Is(err, checkpoint.ErrCorrupt) || errors.Is(err, checkpoint.ErrIncomplete) || !errors.As(err, &fe) {
		return err
	}
	file := path
	if base := filepath.Base(fe.File); isFolder {
		file = filepath.Join(path, base)
	} else if base != filepath.Base(path) {
		file = filepath.Join(filepath.Dir(path), base)
	}
	head, herr := readHead(file)
	if herr != nil {
		return err
	}
	f := byContent(head)
	if f != nil && f != opened && f.Open != nil {
		return &checkpoint.FileError{File: fe.File, Err: checkpoint.Unsupportedf("is %s whatever its name says: name the file itself", f.Name)}
	}
	if f == nil || f == opened || f == jsonFile && isIndex(filepath.Base(file)) {
		return err
	}
	return &checkpoint.FileError{File: fe.File, Err: refusal(f, head)}
}

// isIndex reports whether a file is opened for its name alone.
func isIndex(name string) bool {
	return slices.ContainsFunc(formats, func(f *checkpoint.Format) bool { return f.IsIndex != nil && f.IsIndex(name) })
}
