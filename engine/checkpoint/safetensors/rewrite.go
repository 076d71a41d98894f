package safetensors

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// Rewrite writes the checkpoint to out with the changes that opts asks for
// and returns the paths of the files written.
//
// If out is an existing folder, or does not end in ".safetensors", it is the
// folder for files with the names that they have in the source, and is created if its
// parent exists. Otherwise it is the file to write, and the source must be a single
// file. An index is copied, with its total_size made right.
//
// The header of a shard in which no element type changes is copied byte for
// byte. In others, types and offsets are replaced; order, metadata and spelling
// stay. The order of the data stays too, so that offsets may cease to be
// multiples of the element size.
//
// Everything is first written to temporary files in the same folder and synced.
// If anything fails, or ctx is done, they are removed: what existed is left as
// it was, unless the failure comes while several existing files are replaced at
// the end, when none is left rather than a mixture.
//
// Memory: the largest tensor if opts.Tensor is set, besides what that function
// allocates, and the largest header. Errors name the file, and the number of
// bytes that the file needs if it could not be written; errors.Is finds
// fs.ErrExist for an output that exists.
func (c *Checkpoint) Rewrite(ctx context.Context, out string, opts checkpoint.RewriteOptions) ([]string, error) {
	return rewrite(ctx, c, out, opts, func(dir string) (outputFS, error) {
		root, err := os.OpenRoot(dir)
		return rootFS{root}, err
	})
}

func rewrite(ctx context.Context, src *Checkpoint, out string, opts checkpoint.RewriteOptions, open func(dir string) (outputFS, error)) (paths []string, err error) {
	plans, err := planRewrite(src, opts)
	if err != nil {
		return nil, err
	}
	o, err := newOutput(src, out, opts.Overwrite)
	if err != nil {
		return nil, inFile(out, err)
	}
	// After the function below has emptied the folder, if it failed.
	defer func() {
		if err != nil && o.created {
			_ = os.Remove(o.dir)
		}
	}()
	dst, err := open(o.dir)
	if err != nil {
		return nil, inFile(o.dir, cause(err))
	}
	defer dst.close()

	temps := make(map[string]string)
	defer func() {
		for _, temp := range temps {
			_ = dst.remove(temp)
		}
	}()
	r := &rewriter{ctx: ctx, src: src, opts: opts}
	var total int64
	retyped := false
	for _, p := range plans {
		total += p.dataSize
		retyped = retyped || p.dtypes != nil
		if err := r.file(dst, o, temps, p.shard.name, p.write); err != nil {
			return nil, err
		}
	}
	if x := src.index; x != nil {
		text := x.text
		if retyped {
			text = x.withTotalSize(total)
		}
		err := r.file(dst, o, temps, x.name, func(_ *rewriter, w *fileWriter) error {
			w.needs = int64(len(text))
			_, err := w.Write(text)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if err := o.commit(dst, temps); err != nil {
		return nil, err
	}
	for _, name := range o.order {
		paths = append(paths, o.path(name))
	}
	return paths, nil
}

// inFile names the file in err, unless err does so already.
func inFile(file string, err error) error {
	switch err.(type) {
	case *checkpoint.FileError, *checkpoint.TensorError:
		return err
	}
	return &checkpoint.FileError{File: file, Err: err}
}

// A shardPlan says how one shard is written.
type shardPlan struct {
	shard    *shard
	dtypes   []checkpoint.DType // in the order of shard.tensors; nil if none changes
	sizes    []int64            // bytes, in the order of shard.tensors
	dataSize int64              // their sum
}

// planRewrite asks for the types of all tensors and checks that they can be
// written.
func planRewrite(src *Checkpoint, opts checkpoint.RewriteOptions) ([]*shardPlan, error) {
	var plans []*shardPlan
	for _, s := range src.shards {
		p := &shardPlan{shard: s, sizes: make([]int64, len(s.tensors))}
		dtypes := make([]checkpoint.DType, len(s.tensors))
		changed := false
		for i := range s.tensors {
			t := &s.tensors[i]
			dtypes[i], p.sizes[i] = t.DType, t.Size
			if opts.DType != nil {
				if dtype := opts.DType(t); dtype != t.DType {
					size, err := newSize(t, dtype)
					if err != nil {
						return nil, &checkpoint.TensorError{File: s.name, Tensor: t.Name, Err: err}
					}
					dtypes[i], p.sizes[i] = dtype, size
					changed = true
				}
			}
			p.dataSize += p.sizes[i]
		}
		if changed {
			p.dtypes = dtypes
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// newSize returns the size of t in bytes once it is stored as dtype.
func newSize(t *checkpoint.Tensor, dtype checkpoint.DType) (int64, error) {
	if dtype.Bits() == 0 || t.DType == checkpoint.InvalidDType {
		return 0, checkpoint.Unsupportedf("cannot write %s as %s", checkpoint.Quote(t.TypeName), dtype)
	}
	return byteSize(t.Shape, dtype)
}

// A rewriter carries the state of one Rewrite.
type rewriter struct {
	ctx  context.Context
	src  *Checkpoint
	opts checkpoint.RewriteOptions
	buf  []byte
}

// A fileWriter is the one output file that is being written. It remembers that an
// error came from writing, so that it can be told from one of the source.
type fileWriter struct {
	w      io.Writer
	ctx    context.Context
	needs  int64 // bytes that the file will have
	failed error
}

// writeBytes is how much is written between two looks at the context.
const writeBytes = 4 << 20

func (w *fileWriter) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		if w.ctx.Err() != nil {
			return n, context.Cause(w.ctx)
		}
		m, err := w.w.Write(b[:min(len(b), writeBytes)])
		n += m
		if err != nil {
			w.failed = err
			return n, err
		}
		b = b[m:]
	}
	return n, nil
}

// file writes the output for the source file called name to a temporary file,
// which it adds to temps.
func (r *rewriter) file(dst outputFS, o *output, temps map[string]string, name string, write func(*rewriter, *fileWriter) error) error {
	temp := tempName()
	f, err := dst.create(temp)
	if err != nil {
		return inFile(o.path(name), cause(err))
	}
	temps[name] = temp
	w := &fileWriter{ctx: r.ctx}
	buffered := bufio.NewWriterSize(f, 1<<20)
	w.w = buffered
	err = write(r, w)
	for _, finish := range []func() error{buffered.Flush, f.Sync} {
		if err == nil {
			err = finish()
			w.failed = err
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
		w.failed = cerr
	}
	if w.failed != nil {
		return &checkpoint.FileError{
			File: o.path(name),
			Err:  fmt.Errorf("cannot write: %w (the file needs %d bytes)", cause(w.failed), w.needs),
		}
	}
	return err
}

// write writes the shard to w.
func (p *shardPlan) write(r *rewriter, w *fileWriter) error {
	s := p.shard
	text, err := s.readHeader()
	if err == nil && sha256.Sum256(text) != s.sum {
		err = checkpoint.Corruptf("header changed after the file was opened")
	}
	if err != nil {
		return inFile(s.name, err)
	}
	if p.dtypes != nil {
		h, err := parseHeader(s.name, text[8:], s.info.Size()-s.dataStart)
		if err != nil {
			return err
		}
		header, err := retype(s.name, text[8:], h, p.dtypes, p.sizes)
		if err != nil {
			return inFile(s.name, err)
		}
		text = binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
		text = append(text, header...)
	}
	w.needs = int64(len(text)) + p.dataSize
	if _, err := w.Write(text); err != nil {
		return err
	}
	for _, i := range dataOrder(s.tensors) {
		t := &s.tensors[i]
		if err := r.tensor(w, s, t, p.sizes[i]); err != nil {
			return err
		}
	}
	return nil
}

// dataOrder returns the indexes of tensors in the order of their data.
func dataOrder(tensors []checkpoint.Tensor) []int {
	order := make([]int, len(tensors))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := &tensors[i], &tensors[j]
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Size, b.Size))
	})
	return order
}

// tensor writes the data of t, which takes size bytes.
func (r *rewriter) tensor(w *fileWriter, s *shard, t *checkpoint.Tensor, size int64) error {
	if r.opts.Tensor == nil && size == t.Size {
		return r.copy(w, s, t)
	}
	src := r.buffer(t.Size)
	if err := r.src.ReadTensor(src, t); err != nil {
		return err
	}
	out := src
	if r.opts.Tensor != nil {
		replaced, err := r.opts.Tensor(t, src)
		if err != nil {
			return &checkpoint.TensorError{File: s.name, Tensor: t.Name, Err: err}
		}
		if replaced != nil {
			out = replaced
		}
	}
	if int64(len(out)) != size {
		return &checkpoint.TensorError{File: s.name, Tensor: t.Name, Err: fmt.Errorf("%d bytes to write, but its shape and type take %d", len(out), size)}
	}
	_, err := w.Write(out)
	return err
}

// copy writes the data of t as it is stored, a part at a time.
func (r *rewriter) copy(w *fileWriter, s *shard, t *checkpoint.Tensor) error {
	buf := r.buffer(min(t.Size, writeBytes))
	for at, end := t.Offset, t.Offset+t.Size; at < end; {
		part := buf[:min(int64(len(buf)), end-at)]
		if _, err := s.file.ReadAt(part, at); err != nil {
			return &checkpoint.TensorError{File: s.name, Tensor: t.Name, Err: s.readError(err)}
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
		at += int64(len(part))
	}
	if err := s.unchanged(); err != nil {
		return &checkpoint.TensorError{File: s.name, Tensor: t.Name, Err: err}
	}
	return nil
}

// buffer returns n bytes that the next call may return again.
func (r *rewriter) buffer(n int64) []byte {
	if int64(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	return r.buf[:n]
}
