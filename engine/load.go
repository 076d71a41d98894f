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
	// matrices are those of the tensor as it is stored, whether layers are made of all of
	// them or not.
	matrices  []weights.Tensor
	data      []byte     // the tensor as it is stored
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

// hashOf returns the SHA-256 of the stored bytes of a tensor, behind the parameters of an encoding
// that has several places in them, in hexadecimal digits: the same bytes may be other weights.
func hashOf(ts *TensorStatus, stored []byte) string {
	h := sha256.New()
	if e, ok := ts.Encoding.(checkpoint.PlacedEncoding); ok {
		h.Write([]byte(e.ID()))
	}
	h.Write(stored)
	return hex.EncodeToString(h.Sum(nil))
}

// contents are all that the rows of a tensor depend on: tensors with equal contents have
// equal rows.
type contents struct {
	sha256, encoding, shape string
	layers                  string // their places among the matrices of the tensor
	rows, cols, slices      int
	scale                   float64
	quantized, inputFirst   bool
	schemes                 string // by which each level quantizes the tensor
}

func contentsOf(ts *TensorStatus, sha256 string, levels []quant.Recipe) contents {
	l := &ts.Layers[0]
	var schemes []string
	for _, level := range levels {
		schemes = append(schemes, level.For(l.target()).Name())
	}
	places := make([]int, len(ts.Layers))
	for i := range places {
		places[i] = ts.Layers[i].Index
	}
	return contents{
		sha256, ts.StoredType(), fmt.Sprint(ts.Shape), fmt.Sprint(places),
		l.Rows, l.Cols, l.Slices, l.scale(), l.Quantized, l.InputFirst, strings.Join(schemes, ","),
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
	err := l.run.src.ReadTensor(buf, &ts.Tensor)
	if err != nil {
		free()
		return nil, err
	}
	t := &loaded{status: ts, sha256: hashOf(ts, buf), data: buf, free: free}
	key := contentsOf(ts, t.sha256, l.run.bound)
	if l.seen[key] {
		free()
		return nil, l.run.skip(ts, TensorRecord{Tensor: ts.Name, SHA256: t.sha256})
	}
	if t.status, err = opened(ts, buf); err != nil {
		free()
		return nil, l.run.skip(ts, TensorRecord{Tensor: ts.Name, SHA256: t.sha256, Reason: err.Error()})
	}
	t.matrices = matrices(t.status, buf)
	if reason := notFinite(ts, bound(ts, t.matrices)); reason != "" {
		free()
		return nil, l.run.skip(ts, TensorRecord{Tensor: ts.Name, SHA256: t.sha256, Reason: reason})
	}
	l.seen[key] = true
	return t, nil
}

// notFinite says that so many weights of a tensor are not finite; nothing of none.
func notFinite(ts *TensorStatus, n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d weights are NaN or infinite", n, ts.Elements())
}

// Probe reads the planned tensors of src, if they take no more than limit bytes in all, and
// refuses those that an analysis would: whose weights are not finite, or whose stored parts do
// not fit each other.
func (p *Plan) Probe(src checkpoint.Source, limit int64) error {
	var all, largest int64
	for i := range p.Tensors {
		if p.Tensors[i].Status == Planned {
			all, largest = all+p.Tensors[i].Size, max(largest, p.Tensors[i].Size)
		}
	}
	if all > limit {
		return nil
	}
	buf := make([]byte, largest)
	for i := range p.Tensors {
		ts := &p.Tensors[i]
		if ts.Status != Planned {
			continue
		}
		if err := src.ReadTensor(buf[:ts.Size], &ts.Tensor); err != nil {
			return err
		}
		status, err := opened(ts, buf[:ts.Size])
		reason := ""
		if err != nil {
			reason = err.Error()
		} else {
			reason = notFinite(ts, bound(status, matrices(status, buf[:ts.Size])))
		}
		if reason != "" {
			ts.Status, ts.Reason = Refused, reason
		}
	}
	return nil
}

// opened returns the status of a tensor with the encoding by which its stored bytes are read:
// another one if codes and scales lie in several places of them.
func opened(ts *TensorStatus, stored []byte) (*TensorStatus, error) {
	placed, ok := ts.Encoding.(checkpoint.PlacedEncoding)
	if !ok {
		return ts, nil
	}
	bound, err := placed.Open(stored)
	if err != nil {
		return nil, err
	}
	status := *ts
	status.Encoding = bound
	return &status, nil
}

// matrices returns the matrices of a tensor as it is stored: those of a convolution, or
// all of a stack.
func matrices(ts *TensorStatus, data []byte) []weights.Tensor {
	l := &ts.Layers[0]
	if l.Slices > 1 && kernelLast(ts.Shape) {
		return weights.Slices(data, ts.Encoding, l.Rows, l.Cols, l.Slices)
	}
	return weights.Matrices(data, ts.Encoding, l.Rows, l.Cols, int(ts.Elements())/(l.Rows*l.Cols))
}

// bound sets the ranges of the matrices of a tensor, and returns how many weights are not
// finite. The matrices of a convolution share one range, and so the parameters of a
// scheme; those of a stack have one each.
func bound(ts *TensorStatus, matrices []weights.Tensor) (nonFinite int) {
	inLayer := ts.Layers[0].Slices
	for at := 0; at < len(matrices); at += inLayer {
		r := matrices[at].Range()
		for i := range matrices[at+1 : at+inLayer] {
			r = r.Union(matrices[at+1+i].Range())
		}
		for i := range inLayer {
			matrices[at+i].Bounds = &r
		}
		nonFinite += r.NonFinite
	}
	return nonFinite
}
