package safetensors

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// Rewrite writes the checkpoint to out with the changes that opts asks for
// and returns the paths of the files written.
//
// If out is an existing folder, or does not end in ".safetensors", it is a folder: the
// files get the names that they have in the source, and the folder is created if its
// parent exists. Otherwise out is the file to write, and the source must be a single
// file. An index is copied, and its total_size is corrected.
//
// The header of a shard in which no element type and no metadata change is copied byte for
// byte. In the other headers, these and the offsets are replaced; order and spelling of
// the rest stay, but for shards of which opts.Replace replaces tensors: their headers, and then
// the index, are written anew. The order of the data stays as well, so that offsets may no longer be
// multiples of the element size. Tensors that are left out of the checkpoint (see
// [Checkpoint.Notes]) are copied.
//
// With opts.Companions, files are copied if both the source and the output are folders:
// those for which checkpoint.IsCompanion holds, regular files or links to them, of at most
// checkpoint.MaxCompanionBytes.
//
// All files are first written under temporary names in the same folder and synced.
// If this fails, or ctx is done, they are removed and existing files are left
// unchanged. Only if renaming fails while several existing files are being replaced
// are these lost: none is left, rather than a mixture of old and new ones.
//
// Rewrite allocates the size of the largest header and, if opts.Tensor is set, of the
// largest tensor. Errors name the file and, if it could not be written, the number of
// bytes that it needs; errors.Is finds fs.ErrExist for an output that exists, and
// checkpoint.ErrOutput for one that cannot be.
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
	o, err := newOutput(src, out, opts)
	if err != nil {
		return nil, inFile(out, err)
	}
	// On an error this runs after the deferred function below, which empties the folder.
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
	if err := r.files(dst, o, temps, plans); err != nil {
		return nil, err
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

// files writes all files under temporary names.
func (r *rewriter) files(dst outputFS, o *output, temps map[string]string, plans []*shardPlan) error {
	var total int64
	retyped, rebuilt := false, false
	for _, p := range plans {
		total += p.dataSize
		retyped, rebuilt = retyped || p.retyped, rebuilt || p.replaced != nil
		if err := r.file(dst, o, temps, p.shard.name, p.write); err != nil {
			return err
		}
	}
	if x := r.src.index; x != nil {
		text := x.text
		if retyped {
			text = x.withTotalSize(total)
		}
		if rebuilt {
			var err error
			if text, err = x.rebuilt(plans, total); err != nil {
				return inFile(x.name, err)
			}
		}
		err := r.file(dst, o, temps, x.name, func(_ *rewriter, w *fileWriter) error {
			w.needs = int64(len(text))
			_, err := w.Write(text)
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, c := range o.companions {
		if err := r.file(dst, o, temps, c.name, c.writer(r.opts.Edit[c.name])); err != nil {
			return err
		}
	}
	return nil
}

// inFile adds the name of the file to err, unless err has one.
func inFile(file string, err error) error {
	switch err.(type) {
	case *checkpoint.FileError, *checkpoint.TensorError:
		return err
	}
	return &checkpoint.FileError{File: file, Err: err}
}

// A shardPlan describes how one shard is written.
type shardPlan struct {
	shard    *shard
	dtypes   []checkpoint.DType // in the order of shard.tensors
	sizes    []int64            // in bytes, in the order of shard.tensors
	dataSize int64              // sum of sizes
	retyped  bool               // an element type changes
	metadata map[string]string  // entries to add
	hashKey  string             // of the one among them that is the hash of the source
	// replaced has what is written in the place of each of shard.tensors, nil for those that are
	// left out; it is nil itself if all stay.
	replaced []*checkpoint.Tensor
}

// hashSlot is the value of that entry until the source is read.
var hashSlot = strings.Repeat("0", hex.EncodedLen(sha256.Size))

// planRewrite calls opts.DType for all tensors and checks that they can be written in
// the types that it returns.
func planRewrite(src *Checkpoint, opts checkpoint.RewriteOptions) ([]*shardPlan, error) {
	var plans []*shardPlan
	for _, s := range src.shards {
		p := &shardPlan{shard: s, sizes: make([]int64, len(s.tensors)), dtypes: make([]checkpoint.DType, len(s.tensors))}
		if opts.Metadata != nil {
			i := slices.IndexFunc(src.files, func(f checkpoint.File) bool { return f.Name == s.name })
			p.metadata = maps.Clone(opts.Metadata(&src.files[i]))
		}
		if p.hashKey = opts.SourceHash; p.hashKey != "" {
			if p.metadata == nil {
				p.metadata = map[string]string{}
			}
			p.metadata[p.hashKey] = hashSlot
		}
		if opts.Replace != nil {
			p.replace(opts.Replace)
		}
		for i := range s.tensors {
			t := &s.tensors[i]
			p.dtypes[i], p.sizes[i] = t.DType, t.Size
			if p.replacement(i) == nil {
				p.sizes[i] = 0
				continue
			}
			if opts.DType != nil && !s.isLeft(i) {
				if dtype := opts.DType(t); dtype != t.DType || p.replacement(i) != t {
					size, err := newSize(p.replacement(i), dtype)
					if err != nil {
						return nil, &checkpoint.TensorError{File: s.name, Tensor: t.Name, Err: err}
					}
					p.dtypes[i], p.sizes[i] = dtype, size
					p.retyped = true
				}
			}
			p.dataSize += p.sizes[i]
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// newSize returns the size in bytes of t when it is stored as dtype.
func newSize(t *checkpoint.Tensor, dtype checkpoint.DType) (int64, error) {
	if dtype.Bits() == 0 || t.DType == checkpoint.InvalidDType && t.Encoding == nil {
		return 0, checkpoint.Unsupportedf("cannot write %s as %s", checkpoint.Quote(t.TypeName), dtype)
	}
	return byteSize(t.Shape, dtype)
}

// A rewriter is the state of one call of Rewrite.
type rewriter struct {
	ctx  context.Context
	src  *Checkpoint
	opts checkpoint.RewriteOptions
	read io.Writer // takes in the bytes of the source as they are read
	buf  []byte
}

// A fileWriter writes one output file. It records errors of writing, to distinguish them
// from errors of reading the source.
type fileWriter struct {
	w      io.Writer
	ctx    context.Context
	needs  int64 // size in bytes of the complete file
	failed error // error of writing, nil if there was none
	// patch takes the place of what was written at patchAt, when all is written.
	patch   []byte
	patchAt int64
}

// writeBytes is the largest number of bytes written before the context is checked again.
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

// file makes a temporary file for the source file called name, adds its name to temps,
// and calls write to fill it.
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
	patch := func() (err error) {
		if w.patch != nil {
			_, err = f.WriteAt(w.patch, w.patchAt)
		}
		return err
	}
	for _, finish := range []func() error{buffered.Flush, patch, f.Sync} {
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
	f, err := r.src.pool.acquire(s)
	if err != nil {
		return inFile(s.name, err)
	}
	defer r.src.pool.release(s)
	text, err := s.readHeader(f)
	if err == nil && sha256.Sum256(text) != s.sum {
		err = checkpoint.Corruptf("header changed after the file was opened")
	}
	if err != nil {
		return inFile(s.name, err)
	}
	sum := sha256.New()
	r.read = io.Discard
	if p.hashKey != "" {
		r.read = sum
	}
	_, _ = r.read.Write(text) // neither can fail
	if p.retyped || p.replaced != nil || len(p.metadata) > 0 {
		h, err := parseHeader(s.name, text[8:], s.info.Size()-s.dataStart)
		if err != nil {
			return err
		}
		change := edit
		if p.replaced != nil {
			change = rebuild
		}
		header, err := change(s.name, text[8:], h, p)
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
		switch {
		case p.replacement(i) == nil:
			err = r.copy(io.Discard, s, f, t) // it counts for the hash
		case s.isLeft(i):
			err = r.copy(w, s, f, t)
		default:
			err = r.tensor(w, s, f, t, p.sizes[i])
		}
		if err != nil {
			return err
		}
	}
	if p.hashKey != "" {
		// The header stands before the bytes that are hashed. The ranges of the tensors have
		// neither holes nor overlaps, so that all bytes of the file were.
		w.patchAt = int64(bytes.Index(text, fmt.Appendf(nil, "%q:%q", p.hashKey, hashSlot)) + len(p.hashKey) + len(`"":"`))
		w.patch = hex.AppendEncode(nil, sum.Sum(nil))
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

// tensor writes the data of t, which takes size bytes in the output.
func (r *rewriter) tensor(w *fileWriter, s *shard, f *os.File, t *checkpoint.Tensor, size int64) error {
	if r.opts.Tensor == nil && size == t.Size {
		return r.copy(w, s, f, t)
	}
	src := r.buffer(t.Size)
	if err := r.src.ReadTensor(src, t); err != nil {
		return err
	}
	_, _ = r.read.Write(src)
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

// copy writes the stored data of t unchanged, writeBytes at a time.
func (r *rewriter) copy(w io.Writer, s *shard, f *os.File, t *checkpoint.Tensor) error {
	buf := r.buffer(min(t.Size, writeBytes))
	for at, end := t.Offset, t.Offset+t.Size; at < end; {
		part := buf[:min(int64(len(buf)), end-at)]
		if _, err := f.ReadAt(part, at); err != nil {
			return &checkpoint.TensorError{File: s.name, Tensor: t.Name, Err: s.readError(err)}
		}
		_, _ = r.read.Write(part)
		if _, err := w.Write(part); err != nil {
			return err
		}
		at += int64(len(part))
	}
	if err := s.unchanged(f); err != nil {
		return &checkpoint.TensorError{File: s.name, Tensor: t.Name, Err: err}
	}
	return nil
}

// buffer returns a slice of n bytes, which the next call may reuse.
func (r *rewriter) buffer(n int64) []byte {
	if int64(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	return r.buf[:n]
}
