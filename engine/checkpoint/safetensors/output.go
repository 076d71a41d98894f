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

// An outputFS is what a rewrite does to the folder that it writes to. Names are
// plain. The tests put faults behind it.
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

// An output is where a rewrite puts its files.
type output struct {
	dir       string
	created   bool              // the folder did not exist before
	names     map[string]string // of the files, by the name of the source
	order     []string          // of the source names, the index last
	overwrite bool
}

// newOutput decides which files Rewrite writes for out and makes sure that none
// of them is a file of src, by whatever name. It creates the folder if it does
// not exist.
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

// errExists is the error for an output that is there already. errors.Is finds
// fs.ErrExist.
type errExists struct{}

func (errExists) Error() string        { return "exists already and may not be overwritten" }
func (errExists) Is(target error) bool { return target == fs.ErrExist }

// path returns the path of the output for a file of the source.
func (o *output) path(name string) string { return filepath.Join(o.dir, o.names[name]) }

// commit gives the temporary files their names, the index last. If it fails, no
// output is left, so that no reader can take a mixture of old and new shards
// for a model.
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
		// A crash between two renames must leave shards missing, not two
		// models in one. A single file needs no such care: its rename is
		// atomic.
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
	// Not every file system can sync a folder; the files themselves are safe.
	_ = dst.sync()
	return nil
}

// cause is checkpoint.Cause, also for the error of a rename.
func cause(err error) error {
	var le *os.LinkError
	if errors.As(err, &le) {
		return le.Err
	}
	return checkpoint.Cause(err)
}

// tempName returns a name that no reader takes for a shard.
func tempName() string { return ".wwq-" + rand.Text() + ".tmp" }
