package safetensors

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// Write writes one file with tensors in their order: of each, Name, DType, Shape and Size count,
// and data returns the bytes, little-endian and row-major, which are written before it is called
// again. metadata may be nil; their entry format is "pt" if there is none. The name of the file
// must end in ".safetensors", and its folder must exist.
//
// The file is written under a temporary name and synced, and then takes its name: if Write fails,
// or ctx is done, what existed is left as it was. Errors name the file, and the tensor where
// there is one; errors.Is finds fs.ErrExist for a file that exists, unless it may be overwritten,
// and checkpoint.ErrOutput for one that cannot be.
func Write(ctx context.Context, path string, tensors []checkpoint.Tensor, metadata map[string]string, overwrite bool, data func(t *checkpoint.Tensor) ([]byte, error)) error {
	fail := func(err error) error { return inFile(path, err) }
	if !hasFileSuffix(path) {
		return fail(checkpoint.Outputf("is no name that ends in %s", fileSuffix))
	}
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return fail(checkpoint.Outputf("is a folder"))
	case err == nil && !overwrite:
		return fail(errExists{})
	}
	header, err := newHeader(filepath.Base(path), tensors, metadata)
	if err != nil {
		return fail(err)
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		err = checkpoint.Outputf("cannot be written: its folder is not there")
	}
	if err != nil {
		return fail(cause(err))
	}
	dst := rootFS{root}
	defer dst.close()
	temp := tempName()
	f, err := dst.create(temp)
	if err != nil {
		return fail(cause(err))
	}
	err = errors.Join(writeTensors(ctx, f, header, tensors, data), f.Close())
	if err == nil {
		err = dst.rename(temp, filepath.Base(path))
	}
	if err != nil {
		_ = dst.remove(temp) // the first error is the one to report
		return fail(cause(err))
	}
	_ = dst.sync() // some file systems cannot sync a folder
	return nil
}

// writeTensors writes the content of a file and syncs it.
func writeTensors(ctx context.Context, f outputFile, header []byte, tensors []checkpoint.Tensor, data func(t *checkpoint.Tensor) ([]byte, error)) error {
	w := bufio.NewWriterSize(f, 1<<20)
	if _, err := w.Write(header); err != nil {
		return err
	}
	for i := range tensors {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t := &tensors[i]
		b, err := data(t)
		if err != nil {
			return err
		}
		if int64(len(b)) != t.Size {
			return fmt.Errorf("tensor %s of %d bytes, want %d", checkpoint.Quote(t.Name), len(b), t.Size)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return errors.Join(w.Flush(), f.Sync())
}

// newHeader returns the length and the header of a file.
func newHeader(file string, tensors []checkpoint.Tensor, metadata map[string]string) ([]byte, error) {
	_, merged, err := (&header{}).mergedMetadata(metadata)
	if err != nil {
		return nil, err
	}
	members := []string{merged}
	var end int64
	for i := range tensors {
		t := &tensors[i]
		m, err := member(t.Name, t.DType.String(), t.Shape, end, end+t.Size)
		if err != nil {
			return nil, err
		}
		end += t.Size
		members = append(members, m)
	}
	text, err := finished(file, []byte("{"+strings.Join(members, ",")+"}"), end)
	if err != nil {
		return nil, err
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), nil
}
