package safetensors

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/internal/fileio"
)

// A folder is an open folder of shards.
type folder struct {
	root *os.Root // no file outside of it is opened
	rel  string   // the folder, inside root
}

// openDir opens the checkpoint in dir. indexName is the index file to use; if it is "",
// openDir chooses one. path is the path that the user gave.
func openDir(path, dir, indexName string) (*Checkpoint, error) {
	d, err := openFolder(dir)
	if err != nil {
		return nil, &checkpoint.FileError{File: dir, Err: checkpoint.Cause(err)}
	}
	defer d.root.Close()

	var names []string
	if indexName == "" {
		all, err := d.list()
		if err != nil {
			return nil, &checkpoint.FileError{File: dir, Err: checkpoint.Cause(err)}
		}
		if indexName, names, err = choose(all); err != nil {
			return nil, &checkpoint.FileError{File: dir, Err: err}
		}
	}
	c := &Checkpoint{path: path, dir: dir}
	if indexName != "" {
		if c.index, err = d.readIndex(indexName); err != nil {
			return nil, err
		}
		names = c.index.shards
	}
	for _, name := range names {
		f, info, err := d.open(name)
		if err != nil {
			c.Close()
			return nil, c.shardError(name, err)
		}
		if err := c.add(f, info, name); err != nil {
			c.Close()
			return nil, err
		}
	}
	c.finish()
	if err := c.checkShards(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// shardError returns the error for the shard called name, which could not be opened for
// the reason err. If an index names the shard, the error says so.
func (c *Checkpoint) shardError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) && c.index != nil {
		return &checkpoint.FileError{
			File: c.index.name,
			Err:  checkpoint.Corruptf("weight_map names %s, which is not in the folder: the download is not finished", name),
		}
	}
	return &checkpoint.FileError{File: name, Err: err}
}

func openFolder(dir string) (*folder, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	// A snapshot of the Hugging Face cache is recognised by the path as given
	// or, because that may be a link to the snapshot, by the path with all links
	// resolved.
	candidates := []string{abs}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		candidates = append(candidates, real)
	}
	rootDir, rel := dir, "."
	for _, p := range candidates {
		if repo, snapshot, ok := cutSnapshot(p); ok {
			rootDir, rel = repo, snapshot
			break
		}
	}
	root, err := os.OpenRoot(rootDir)
	if err != nil {
		return nil, err
	}
	return &folder{root, rel}, nil
}

// cutSnapshot splits ".../models--org--name/snapshots/commit/..." into the folder of
// the repository and the rest, which starts with "snapshots".
func cutSnapshot(path string) (repo, rel string, ok bool) {
	for child := path; ; {
		parent := filepath.Dir(child)
		if parent == child {
			return "", "", false
		}
		if child != path && filepath.Base(child) == "snapshots" && strings.HasPrefix(filepath.Base(parent), "models--") {
			rel, err := filepath.Rel(parent, path)
			return parent, rel, err == nil
		}
		child = parent
	}
}

// list returns the names of the folder's files that may belong to a checkpoint,
// sorted.
func (d *folder) list() ([]string, error) {
	f, err := d.root.Open(d.rel)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var names []string
	for {
		// The folder may hold any number of files: they are read in parts.
		entries, err := f.ReadDir(1024)
		for _, e := range entries {
			name := e.Name()
			// macOS leaves files such as "._model.safetensors" on disks of other
			// file systems.
			hidden := strings.HasPrefix(name, ".")
			if !hidden && (strings.HasSuffix(name, fileSuffix) || strings.HasSuffix(name, indexSuffix)) {
				names = append(names, name)
			}
		}
		if err == io.EOF {
			slices.Sort(names)
			return names, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// choose returns the index or, if there is none, the shards among the sorted names of
// the files in a folder.
func choose(names []string) (index string, shards []string, err error) {
	var indexes, models, consolidated, others, adapters []string
	for _, name := range names {
		switch {
		case strings.HasSuffix(name, indexSuffix):
			indexes = append(indexes, name)
		case strings.HasPrefix(name, "adapter_"):
			adapters = append(adapters, name)
		case strings.HasPrefix(name, "model"):
			models = append(models, name)
		case strings.HasPrefix(name, "consolidated"):
			consolidated = append(consolidated, name)
		default:
			others = append(others, name)
		}
	}
	indexes = slices.DeleteFunc(indexes, func(name string) bool {
		// Mistral publishes its models twice in one folder; the files consolidated*
		// are the copy.
		return len(models) > 0 && strings.HasPrefix(name, "consolidated") || strings.HasPrefix(name, "adapter_")
	})
	switch {
	case slices.Contains(indexes, "model"+indexSuffix):
		return "model" + indexSuffix, nil, nil
	case len(indexes) == 1:
		return indexes[0], nil, nil
	case len(indexes) > 1:
		return "", nil, checkpoint.Unsupportedf("%d index files, among them %s and %s: name the one to open", len(indexes), checkpoint.Printable(indexes[0]), checkpoint.Printable(indexes[1]))
	case len(models) > 0:
		shards = models
	case len(others)+len(consolidated) > 0:
		shards = append(consolidated, others...)
	case len(adapters) > 0:
		return "", nil, checkpoint.Unsupportedf("%s holds LoRA deltas, which are not a model: merge them into their base model first", checkpoint.Printable(adapters[0]))
	default:
		return "", nil, checkpoint.NotFoundf("no %s file in the folder", fileSuffix)
	}
	for _, name := range shards {
		if err := checkPlainName(name); err != nil {
			return "", nil, checkpoint.Unsupportedf("file name %w", err)
		}
	}
	if missing, more := checkpoint.MissingShards(shards); len(missing) > 0 {
		return "", nil, checkpoint.Corruptf("%d of the numbered files are missing, the first is %s: the download is not finished", len(missing)+more, missing[0])
	}
	return "", shards, nil
}

// readIndex reads and parses the index file.
func (d *folder) readIndex(name string) (*index, error) {
	f, info, err := d.open(name)
	if err != nil {
		return nil, &checkpoint.FileError{File: name, Err: err}
	}
	defer f.Close()
	return readIndex(name, f, info)
}

// readIndex reads and parses the index file called name from f. info is the state of
// the file when it was opened.
func readIndex(name string, f io.Reader, info fs.FileInfo) (*index, error) {
	if info.Size() > MaxIndexBytes {
		return nil, &checkpoint.FileError{File: name, Err: checkpoint.Corruptf("index of %d bytes > limit %d", info.Size(), MaxIndexBytes)}
	}
	text := make([]byte, info.Size())
	if _, err := io.ReadFull(f, text); err != nil {
		return nil, &checkpoint.FileError{File: name, Err: (&shard{info: info}).readError(err)}
	}
	return parseIndex(name, text)
}

// open opens a file of the folder. Errors do not name it.
func (d *folder) open(name string) (*os.File, fs.FileInfo, error) {
	path := filepath.Join(d.rel, name)
	f, info, err := fileio.OpenIn(d.root, path)
	if err == nil {
		return f, info, nil
	}
	link, lerr := d.root.Lstat(path)
	if lerr != nil || link.Mode()&fs.ModeSymlink == 0 {
		return nil, nil, err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = checkpoint.Corruptf("symbolic link to a file that is not there: the download is not finished")
	case errors.Is(err, syscall.ELOOP):
		err = checkpoint.Corruptf("symbolic link that leads to itself")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, checkpoint.ErrUnsupported):
	default:
		err = checkpoint.Unsupportedf("symbolic link that cannot be followed: %w (links may not leave the folder of the model; the file itself can be named)", err)
	}
	return nil, nil, err
}

// checkShards checks that no tensor is in two shards and, if there is an index, that it
// names exactly the tensors that the shards hold, each in its shard.
func (c *Checkpoint) checkShards() error {
	in := make(map[string]string, c.count)
	for _, s := range c.shards {
		for i := range s.tensors {
			name := s.tensors[i].Name
			if other, ok := in[name]; ok {
				return tensorError(s.name, name, "is also in %s; to use one of the files alone, name it", other)
			}
			in[name] = s.name
			if c.index == nil {
				continue
			}
			switch want, ok := c.index.shardOf[name]; {
			case !ok:
				return tensorError(s.name, name, "is not in the weight_map of %s", checkpoint.Printable(c.index.name))
			case want != s.name:
				return tensorError(s.name, name, "weight_map of %s places it in %s", checkpoint.Printable(c.index.name), want)
			}
		}
	}
	if c.index == nil || len(c.index.shardOf) == c.count {
		return nil
	}
	var missing []string
	for name := range c.index.shardOf {
		if _, ok := in[name]; !ok {
			missing = append(missing, name)
		}
	}
	first := slices.Min(missing)
	return tensorError(c.index.name, first, "is not in %s, where weight_map places it", c.index.shardOf[first])
}
