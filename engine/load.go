package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/weights"
)

// A loaded tensor is one tensor of the plan in memory.
type loaded struct {
	status *TensorStatus
	sha256 string
	// matrices are those of each layer, one layer after the other.
	matrices  []weights.Tensor
	baselines []baseline // one for each layer
	users     atomic.Int64
	free      func()
}

// A baseline is the spectrum of a layer at the baseline level, for the metrics of its
// other levels.
type baseline struct {
	ready chan struct{} // closed when the baseline task is over
	input *metric.Input // nil if the baseline was refused
}

// of returns the matrices of a layer.
func (t *loaded) of(l *Layer) []weights.Tensor {
	return t.matrices[l.Index*l.Slices:][:l.Slices]
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
	slots chan []byte       // buffers of tensors not in memory; nil until first used
	seen  map[contents]bool // of the tensors read
}

// contents are all that the rows of a tensor depend on: tensors with equal contents have
// equal rows.
type contents struct {
	sha256, encoding, shape    string
	layers, rows, cols, slices int
	scale                      float64
	quantized                  bool
	schemes                    string // by which each level quantizes the tensor
}

func contentsOf(ts *TensorStatus, sha256 string, levels []quant.Recipe) contents {
	l := &ts.Layers[0]
	var schemes []string
	for _, level := range levels {
		schemes = append(schemes, level.For(l.target()).Name())
	}
	return contents{
		sha256, ts.StoredType(), fmt.Sprint(ts.Shape),
		len(ts.Layers), l.Rows, l.Cols, l.Slices, l.scale(), l.Quantized, strings.Join(schemes, ","),
	}
}

func newLoader(r *run, slots int) *loader {
	l := &loader{run: r, slots: make(chan []byte, slots), seen: map[contents]bool{}}
	for range slots {
		l.slots <- nil
	}
	return l
}

// load reads a tensor of the plan, waiting for a free slot. It returns nil
// without error if there is nothing to compute: the tensor holds values that are
// not finite, or is a duplicate. Errors are of reading, of the sink, or of ctx.
func (l *loader) load(ctx context.Context, ts *TensorStatus) (*loaded, error) {
	var buf []byte
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case buf = <-l.slots:
	}
	if int64(cap(buf)) < ts.Size {
		buf = make([]byte, ts.Size)
	}
	buf = buf[:ts.Size]
	free := func() { l.slots <- buf }
	if err := l.run.src.ReadTensor(buf, &ts.Tensor); err != nil {
		free()
		return nil, err
	}
	sum := sha256.Sum256(buf)
	t := &loaded{status: ts, sha256: hex.EncodeToString(sum[:]), free: free}
	key := contentsOf(ts, t.sha256, l.run.levels)
	if l.seen[key] {
		free()
		return nil, l.run.skip(ts, TensorRecord{Tensor: ts.Name, SHA256: t.sha256})
	}
	t.matrices = matrices(ts, buf)
	r := rangeOf(t.matrices)
	if n := r.NonFinite; n > 0 {
		free()
		reason := fmt.Sprintf("%d of %d weights are %s", n, ts.Elements(), nonFinite(ts))
		return nil, l.run.skip(ts, TensorRecord{Tensor: ts.Name, SHA256: t.sha256, Reason: reason})
	}
	for i := range t.matrices {
		t.matrices[i].Bounds = &r
	}
	l.seen[key] = true
	return t, nil
}

func nonFinite(ts *TensorStatus) string {
	if ts.DType == checkpoint.F64 {
		return "NaN, infinite, or too large for float32, in which weights are quantized"
	}
	return "NaN or infinite"
}

// matrices returns the matrices of all layers of a tensor.
func matrices(ts *TensorStatus, data []byte) []weights.Tensor {
	l := &ts.Layers[0]
	if l.Slices > 1 {
		return weights.Slices(data, ts.Encoding, l.Rows, l.Cols, l.Slices)
	}
	return weights.Matrices(data, ts.Encoding, l.Rows, l.Cols, len(ts.Layers))
}

// rangeOf returns the range of the weights of all matrices: they share the parameters of
// a scheme.
func rangeOf(matrices []weights.Tensor) quant.Range {
	r := matrices[0].Range()
	for i := range matrices[1:] {
		r = r.Union(matrices[i+1].Range())
	}
	return r
}
