package safetensors

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// An outputFS is the folder to which a rewrite writes, with the operations that it needs.
// Names are those of files in it or, behind slashes, in subfolders. Tests implement it with faults.
type outputFS interface {
	create(name string) (outputFile, error) // fails if name exists
	rename(from, to string) error
	mkdir(name string) error
	remove(name string) error
	sync() error // makes renames durable
	close() error
}

type outputFile interface {
	io.Writer
	io.WriterAt
	Sync() error
	Close() error
}

// rootFS is the outputFS of a real folder.
type rootFS struct{ root *os.Root }

func (r rootFS) create(name string) (outputFile, error) {
	return r.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

func (r rootFS) rename(from, to string) error { return r.root.Rename(from, to) }
func (r rootFS) mkdir(name string) error      { return r.root.Mkdir(name, 0o777) }
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

	companions []*companion // their names are the first in order
}

// newOutput determines which files Rewrite writes for out and checks that none of them
// is a file of src, under its own name or through links. It creates the folder if it
// does not exist.
func newOutput(src *Checkpoint, out string, opts checkpoint.RewriteOptions) (*output, error) {
	o := &output{dir: out, names: make(map[string]string), overwrite: opts.Overwrite}
	for _, s := range src.shards {
		o.order = append(o.order, s.name)
	}
	if src.index != nil {
		o.order = append(o.order, src.index.name)
	}
	note := opts.Note
	if note == nil {
		note = func(string) {}
	}
	info, err := os.Stat(out)
	if isFolder := err == nil && info.IsDir(); hasFileSuffix(out) && !isFolder {
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return o, o.toFile(src, out, opts.Companions, note)
		}
	}
	if opts.Companions {
		if err := o.addCompanions(src, opts.Edit, note); err != nil {
			return nil, err
		}
	}
	for _, name := range o.order {
		o.names[name] = name
	}
	switch {
	case err == nil && info.IsDir():
	case err == nil:
		return nil, checkpoint.Outputf("is a file, want a folder or a name that ends in %s", fileSuffix)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, checkpoint.Cause(err)
	default:
		if err := os.Mkdir(out, 0o777); errors.Is(err, fs.ErrNotExist) {
			return nil, checkpoint.Outputf("cannot be made: the folder that it would be in is not there: %w", checkpoint.Cause(err))
		} else if errors.Is(err, fs.ErrExist) {
			return nil, checkpoint.Outputf("is a link to a folder that is not there")
		} else if err != nil {
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

// toFile makes the file out the output of src, which must be one file.
func (o *output) toFile(src *Checkpoint, out string, companions bool, note func(string)) error {
	if len(o.order) > 1 {
		return checkpoint.Outputf("is one file, but the checkpoint has %d: name a folder", len(o.order))
	}
	if companions && src.dir != "" {
		all, err := companionsOf(src.dir, func(string) {})
		if err != nil {
			return err
		}
		if names := namesOf(all); len(names) > 0 {
			note("not copied, since the output is one file: " + checkpoint.Enumerate(names, 0))
		}
	}
	o.dir = filepath.Dir(out)
	o.names[o.order[0]] = filepath.Base(out)
	return o.checkSource(src)
}

// addCompanions puts the companions of src before its own files, without those that have no
// edit, but an entry.
func (o *output) addCompanions(src *Checkpoint, edits map[string]func([]byte) ([]byte, error), note func(string)) error {
	if src.dir == "" {
		if all, err := companionsOf(filepath.Dir(src.path), func(string) {}); err == nil && slices.Contains(namesOf(all), "config.json") {
			note("config.json and other files beside the source are not copied: name its folder to copy them")
		}
		return nil
	}
	all, err := companionsOf(src.dir, note)
	all = slices.DeleteFunc(all, func(c *companion) bool {
		edit, ok := edits[c.name]
		return ok && edit == nil
	})
	o.companions = all
	o.order = append(namesOf(all), o.order...)
	return err
}

func namesOf(all []*companion) []string {
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.name
	}
	return names
}

// checkSource refuses to write to the folder or to any file of src and, unless
// o.overwrite is set, to any file that exists.
func (o *output) checkSource(src *Checkpoint) error {
	dir, err := os.Stat(o.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return checkpoint.Outputf("cannot be written: its folder is not there: %w", checkpoint.Cause(err))
	}
	if err != nil {
		return checkpoint.Cause(err)
	}
	if src.dir != "" {
		info, err := os.Stat(src.dir)
		if err != nil {
			return checkpoint.Cause(err)
		}
		if os.SameFile(info, dir) {
			return checkpoint.Outputf("is the folder of the source, which is never overwritten")
		}
	}
	for _, name := range o.order {
		path := o.path(name)
		_, lerr := os.Lstat(path)
		if errors.Is(lerr, fs.ErrNotExist) {
			continue
		}
		if errors.Is(lerr, syscall.ENOTDIR) {
			return &checkpoint.FileError{File: filepath.Dir(path), Err: checkpoint.Outputf("is a file, where a folder is to be made")}
		}
		if lerr != nil {
			return checkpoint.Cause(lerr)
		}
		if info, err := os.Stat(path); err == nil {
			if o.isSource(src, info) {
				return &checkpoint.FileError{File: path, Err: checkpoint.Outputf("is a file of the source, which is never overwritten")}
			}
			if info.IsDir() {
				return &checkpoint.FileError{File: path, Err: checkpoint.Outputf("is a folder")}
			}
		}
		if !o.overwrite {
			return &checkpoint.FileError{File: path, Err: errExists{}}
		}
	}
	return nil
}

// isSource reports whether info is the state of a file that is read.
func (o *output) isSource(src *Checkpoint, info fs.FileInfo) bool {
	return slices.ContainsFunc(src.shards, func(s *shard) bool { return os.SameFile(info, s.info) }) ||
		slices.ContainsFunc(o.companions, func(c *companion) bool { return os.SameFile(info, c.info) })
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
	var made []string // subfolders
	defer func() {
		if err != nil {
			for _, name := range placed {
				// The first error is the one to report.
				_ = dst.remove(o.names[name])
			}
			for _, folder := range slices.Backward(made) {
				_ = dst.remove(folder) // which fails if other files are in it
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
		if folder := path.Dir(name); folder != "." {
			if made, err = makeFolders(dst, folder, made); err != nil {
				return &checkpoint.FileError{File: filepath.Join(o.dir, folder), Err: cause(err)}
			}
		}
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

// makeFolders makes a folder and those that it is in, where they are not there, and
// returns made with those that it has made.
func makeFolders(dst outputFS, folder string, made []string) ([]string, error) {
	if parent := path.Dir(folder); parent != "." {
		var err error
		if made, err = makeFolders(dst, parent, made); err != nil {
			return made, err
		}
	}
	switch err := dst.mkdir(folder); {
	case err == nil:
		return append(made, folder), nil
	case errors.Is(err, fs.ErrExist):
		return made, nil
	default:
		return made, err
	}
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
