package gguf

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// Keys of the files of a split model.
const (
	keySplitNo      = "split.no" // from 0
	keySplitCount   = "split.count"
	keySplitTensors = "split.tensors.count"
)

// maxSplit bounds the number of files of a split model, which have five digits.
const maxSplit = 99999

// splitName is how llama.cpp calls the files of a split model.
var splitName = regexp.MustCompile(`^(.*)-([0-9]{5})-of-([0-9]{5})\.gguf$`)

// splitOf returns all files of the split model that s is a file of, in order; s alone if it is
// whole. The tensors of all must be as many as the files say.
func splitOf(s *shard) ([]*shard, error) {
	fail := func(s *shard, err error) ([]*shard, error) {
		return nil, &checkpoint.FileError{File: s.name, Err: err}
	}
	v := s.header.values
	count, ok := v.integer(keySplitCount)
	if !ok || count == 1 {
		return []*shard{s}, nil
	}
	number, _ := v.integer(keySplitNo)
	name := splitName.FindStringSubmatch(s.name)
	switch {
	case count < 1 || count > maxSplit:
		return fail(s, checkpoint.Corruptf("%s: %d files", keySplitCount, count))
	case name == nil:
		return fail(s, checkpoint.Unsupportedf("file %d of a split of %d files, whose name does not end in -%05d-of-%05d.gguf: the others cannot be found", number+1, count, number+1, count))
	case name[3] != fmt.Sprintf("%05d", count):
		return fail(s, checkpoint.Corruptf("a split of %d files by its keys, of %s by its name", count, name[3]))
	}
	var all []*shard
	var missing []string
	for i := range count {
		file := fmt.Sprintf("%s-%05d-of-%s.gguf", name[1], i+1, name[3])
		if file == s.name {
			all = append(all, s)
		} else if _, err := os.Stat(filepath.Join(filepath.Dir(s.path), file)); err != nil {
			missing = append(missing, file)
			continue
		} else if other, err := readShard(filepath.Join(filepath.Dir(s.path), file)); err != nil {
			return nil, err
		} else {
			all = append(all, other)
		}
		v := all[len(all)-1].header.values
		if n, ok := v.integer(keySplitNo); !ok || n != i {
			return fail(all[len(all)-1], checkpoint.Corruptf("%s is %d, want %d by its name", keySplitNo, n, i))
		}
		if n, ok := v.integer(keySplitCount); !ok || n != count {
			return fail(all[len(all)-1], checkpoint.Corruptf("%s is %d, %d in %s", keySplitCount, n, count, checkpoint.Printable(s.name)))
		}
	}
	if len(missing) > 0 {
		return fail(s, checkpoint.Incompletef("one file of a split of %d; missing beside it: %s", count, checkpoint.Enumerate(missing, 0)))
	}
	tensors := 0
	for _, s := range all {
		tensors += len(s.header.tensors)
	}
	if want, ok := v.integer(keySplitTensors); ok && want != int64(tensors) {
		return fail(s, checkpoint.Corruptf("%s is %d, but the files of the split have %d tensors", keySplitTensors, want, tensors))
	}
	return all, nil
}

// sidecars are the beginnings of the names of files that are models of their own, for images,
// sound or drafts, beside the one that they belong to.
var sidecars = []string{"mmproj", "mtp-"}

// choose returns the file by which a folder is opened: of one model, in one file or split.
func (c *Checkpoint) choose(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", &checkpoint.FileError{File: dir, Err: checkpoint.Cause(err)}
	}
	var models, beside []string
	for _, e := range entries {
		name := e.Name()
		switch m := splitName.FindStringSubmatch(name); {
		case !strings.HasSuffix(strings.ToLower(name), suffix):
		case slices.ContainsFunc(sidecars, func(s string) bool { return strings.HasPrefix(strings.ToLower(name), s) }):
			beside = append(beside, name)
		case m != nil && slices.ContainsFunc(models, func(other string) bool {
			o := splitName.FindStringSubmatch(other)
			return o != nil && o[1] == m[1] && o[3] == m[3]
		}):
			// Another file of a split that is there already.
		default:
			models = append(models, name)
		}
	}
	if len(models) == 0 {
		models, beside = beside, nil
	}
	switch len(models) {
	case 0:
		return "", &checkpoint.FileError{File: dir, Err: checkpoint.NotFoundf("no GGUF file in the folder")}
	case 1:
	default:
		return "", &checkpoint.HintError{
			Err:  &checkpoint.FileError{File: dir, Err: checkpoint.Unsupportedf("several models: %s", checkpoint.Enumerate(models, 0))},
			Hint: "name one of the files",
		}
	}
	if len(beside) > 0 {
		c.notes = append(c.notes, fmt.Sprintf("%s is opened; beside it, models of their own: %s", checkpoint.Printable(models[0]), checkpoint.Enumerate(beside, 0)))
	}
	return filepath.Join(dir, models[0]), nil
}
