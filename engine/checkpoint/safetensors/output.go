package safetensors

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// An outputFS is the folder to which a rewrite writes, with the operations that it needs.
// Names are plain file names. Tests implement it with faults.
type outputFS interface {
	create(name string) (outputFile, error) // fails if name exists
	rename(from, to string) error
	remove(name string) error
	sync() error // makes renames durable
	close() error
}

type outputFile interface {
	io.Writer
	Sync() error
	Close() error
}

// rootFS is the outputFS of a real folder.
type rootFS struct{ root *os.Root }

func (r rootFS) create(name string) (outputFile, error) {
	return r.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

func (r rootFS) rename(from, to string) error { return r.root.Rename(from, to) }
func (r rootFS) remove(name string) error     { return r.root.Remove(name) }
func (r rootFS) close() error                 { return r.root.Close() }

func (r rootFS) sync() error {
	dir, err := r.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// An output describes the files that a rewrite makes.
type output struct {
	dir       string
	created   bool              // dir did not exist before
	names     map[string]string // names of the output files, by the names of the source files
	order     []string          // names of the source files, the index last
	overwrite bool
}

// newOutput determines which files Rewrite writes for out and checks that none of them
// is a file of src, under its own name or through links. It creates the folder if it
// does not exist.
func newOutput(src *Checkpoint, out string, overwrite bool) (*output, error) {
	o := &output{dir: out, names: make(map[string]string), overwrite: overwrite}
	for _, s := range src.shards {
		o.order = append(o.order, s.name)
		o.names[s.name] = s.name
	}
	if src.index != nil {
		o.order = append(o.order, src.index.name)
		o.names[src.index.name] = src.index.name
	}
	info, err := os.Stat(out)
	switch {
	case err == nil && info.IsDir():
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, checkpoint.Cause(err)
	case strings.HasSuffix(out, fileSuffix) && len(o.order) == 1:
		o.dir = filepath.Dir(out)
		o.names[o.order[0]] = filepath.Base(out)
	case strings.HasSuffix(out, fileSuffix):
		return nil, checkpoint.Unsupportedf("is one file, but the checkpoint has %d: name a folder", len(o.order))
	case err == nil:
		return nil, checkpoint.Unsupportedf("is a file, want a folder or a name that ends in %s", fileSuffix)
	default:
		if err := os.Mkdir(out, 0o777); err != nil {
			return nil, checkpoint.Cause(err)
		}
		o.created = true
	}
	if err := o.checkSource(src); err != nil {
		if o.created {
			_ = os.Remove(out)
		}
		return nil, err
	}
	return o, nil
}

// checkSource refuses to write to the folder or to any file of src and, unless
// o.overwrite is set, to any file that exists.
func (o *output) checkSource(src *Checkpoint) error {
	dir, err := os.Stat(o.dir)
	if err != nil {
		return checkpoint.Cause(err)
	}
	if src.dir != "" {
		info, err := os.Stat(src.dir)
		if err != nil {
			return checkpoint.Cause(err)
		}
		if os.SameFile(info, dir) {
			return errors.New("is the folder of the source, which is never overwritten")
		}
	}
	for _, name := range o.order {
		path := o.path(name)
		_, lerr := os.Lstat(path)
		if errors.Is(lerr, fs.ErrNotExist) {
			continue
		}
		if lerr != nil {
			return checkpoint.Cause(lerr)
		}
		if info, err := os.Stat(path); err == nil {
			for _, s := range src.shards {
				if os.SameFile(info, s.info) {
					return &checkpoint.FileError{File: path, Err: errors.New("is a file of the source, which is never overwritten")}
				}
			}
			if info.IsDir() {
				return &checkpoint.FileError{File: path, Err: errors.New("is a folder")}
			}
		}
		if !o.overwrite {
			return &checkpoint.FileError{File: path, Err: errExists{}}
		}
	}
	return nil
}

// errExists is the error for an output file that exists. errors.Is finds fs.ErrExist.
type errExists struct{}

func (errExists) Error() string        { return "already exists and may not be overwritten" }
func (errExists) Is(target error) bool { return target == fs.ErrExist }

// path returns the path of the output file for the source file called name.
func (o *output) path(name string) string { return filepath.Join(o.dir, o.names[name]) }

// commit renames the temporary files to their final names, the index last. If it fails,
// it removes those that it has renamed, so that no reader can mistake a mixture of old
// and new shards for a model.
func (o *output) commit(dst outputFS, temps map[string]string) (err error) {
	placed := make([]string, 0, len(o.order))
	defer func() {
		if err != nil {
			for _, name := range placed {
				// The first error is the one to report.
				_ = dst.remove(o.names[name])
			}
		}
	}()
	if len(o.order) > 1 && o.overwrite {
		// The old files are removed first: after a crash between two renames shards
		// are missing, and no mixture of two models is left. For a single file
		// this is not needed, because its rename is atomic.
		for i := len(o.order) - 1; i >= 0; i-- {
			name := o.order[i]
			if err := dst.remove(o.names[name]); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return &checkpoint.FileError{File: o.path(name), Err: checkpoint.Cause(err)}
			}
		}
	}
	for _, name := range o.order {
		if !o.overwrite {
			if _, err := os.Lstat(o.path(name)); err == nil {
				return &checkpoint.FileError{File: o.path(name), Err: errExists{}}
			}
		}
		if err := dst.rename(temps[name], o.names[name]); err != nil {
			return &checkpoint.FileError{File: o.path(name), Err: cause(err)}
		}
		delete(temps, name)
		placed = append(placed, name)
	}
	// The files are synced. The error is ignored because some file systems cannot sync
	// a folder.
	_ = dst.sync()
	return nil
}

// cause is checkpoint.Cause, extended to the errors of renames.
func cause(err error) error {
	var le *os.LinkError
	if errors.As(err, &le) {
		return le.Err
	}
	return checkpoint.Cause(err)
}

// tempName returns a new random name that no reader mistakes for that of a shard.
func tempName() string { return ".wwq-" + rand.Text() + ".tmp" }
