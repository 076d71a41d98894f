package engine

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"sync/atomic"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// A loaded tensor is the stored bytes of one tensor, the slices of a convolution
// put one after the other, and the range of its weights.
type loaded struct {
	index int // into the plan
	data  []byte
	rng   kernel.Range
	users atomic.Int64 // tasks not finished yet
	free  func()
}

// done counts a finished task; the last one frees the memory.
func (t *loaded) done() {
	if t.users.Add(-1) == 0 {
		t.free()
	}
}

// A loader reads tensors and looks at them before anyone computes with them.
type loader struct {
	run   *run
	slots chan []byte // buffers of tensors not in memory; nil until first used
	seed  maphash.Seed
	seen  map[seenKey][]int // plan indices of the tensors with these contents
	part  []float32
}

type seenKey struct {
	quantized bool // a layer that is quantized is no duplicate of one that is not
	dtype     checkpoint.DType
	shape     string
	hash      uint64
}

func newLoader(r *run, slots int) *loader {
	l := &loader{
		run:   r,
		slots: make(chan []byte, slots),
		seed:  maphash.MakeSeed(),
		seen:  map[seenKey][]int{},
		part:  make([]float32, partLength),
	}
	for range slots {
		l.slots <- nil
	}
	return l
}

// partLength is the number of weights that are looked at together: 64 KiB in
// float32, which stays in cache between the steps.
const partLength = 1 << 14

// load reads tensor i of the plan, waiting for a free slot. It returns nil
// without error if there is nothing to compute: the tensor holds values that are
// not finite, or is a duplicate. Errors are of reading, or of ctx.
func (l *loader) load(ctx context.Context, i int) (*loaded, error) {
	var buf []byte
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case buf = <-l.slots:
	}
	ts := &l.run.plan.Tensors[i]
	if int64(cap(buf)) < ts.Size {
		buf = make([]byte, ts.Size)
	}
	buf = buf[:ts.Size]
	free := func() { l.slots <- buf }
	if err := l.run.src.ReadTensor(buf, &ts.Tensor); err != nil {
		free()
		return nil, err
	}
	t := &loaded{index: i, data: buf, rng: l.findRange(buf, ts.DType), free: free}
	if n := t.rng.NonFinite; n > 0 {
		free()
		reason := "NaN or infinite"
		if ts.DType == checkpoint.F64 {
			reason = "NaN, infinite, or too large for float32, in which weights are quantized"
		}
		l.run.skip(i, Refused, fmt.Sprintf("%d of %d weights are %s", n, ts.Elements(), reason))
		return nil, nil
	}
	first, err := l.duplicateOf(ts, i, buf)
	if err != nil {
		free()
		return nil, err
	}
	if first != "" {
		free()
		l.run.skip(i, Skipped, fmt.Sprintf("same weights as %q, which is analysed", first))
		return nil, nil
	}
	if s := ts.Layers[0].Slices; s > 1 {
		t.data = gatherSlices(buf, s, ts.DType.Bits()/8)
	}
	return t, nil
}

// duplicateOf returns the name of a tensor read before with the same contents.
func (l *loader) duplicateOf(ts *TensorStatus, i int, data []byte) (string, error) {
	key := seenKey{ts.Layers[0].Quantized, ts.DType, fmt.Sprint(ts.Shape), maphash.Bytes(l.seed, data)}
	for _, j := range l.seen[key] {
		other := &l.run.plan.Tensors[j]
		same := make([]byte, other.Size)
		if err := l.run.src.ReadTensor(same, &other.Tensor); err != nil {
			return "", err
		}
		if bytes.Equal(same, data) {
			return other.Name, nil
		}
	}
	l.seen[key] = append(l.seen[key], i)
	return "", nil
}

// findRange returns the range of the weights in data.
func (l *loader) findRange(data []byte, dtype checkpoint.DType) kernel.Range {
	size := dtype.Bits() / 8
	var rng kernel.Range
	for at := 0; at < len(data); at += partLength * size {
		src := data[at:min(at+partLength*size, len(data))]
		part := l.part[:len(src)/size]
		quant.Decode(part, src, dtype)
		rng = rng.Union(kernel.FindRange(part), at == 0)
	}
	return rng
}

// gatherSlices turns [a, b, slices] into [slices, a, b], for elements of the
// given size in bytes.
func gatherSlices(src []byte, slices, size int) []byte {
	dst := make([]byte, len(src))
	n := len(src) / size / slices
	for s := range slices {
		for e := range n {
			copy(dst[(s*n+e)*size:][:size], src[(e*slices+s)*size:][:size])
		}
	}
	return dst
}
