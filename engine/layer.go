package engine

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// A LayerType is WeightWatcher's name for a kind of layer.
type LayerType string

const (
	Dense     LayerType = "dense"
	Conv1D    LayerType = "conv1d"
	Conv2D    LayerType = "conv2d"
	Embedding LayerType = "embedding"
)

// LayerTypes lists all types.
var LayerTypes = []LayerType{Dense, Conv1D, Conv2D, Embedding}

// A Layer is one set of eigenvalues to be: a matrix, or the slices of a
// convolution taken together.
type Layer struct {
	ID       int       // index among the layers analysed
	LongName string    // tensor name without ".weight"; "[i]" added for slices that are layers of their own
	Type     LayerType //
	Tensor   string    // name of the stored tensor
	DType    checkpoint.DType
	// Rows and Cols are the dimensions of each matrix of the layer as stored,
	// Slices their number: the kernel area of a convolution, else 1.
	Rows, Cols, Slices int
	// Quantized says whether the levels change the weights. Layers that are not
	// quantized are analysed once, cast to float16, and appear at every level.
	Quantized bool

	first int // index of the first slice within the tensor
}

// Name returns the last part of the long name.
func (l *Layer) Name() string { return l.LongName[strings.LastIndexByte(l.LongName, '.')+1:] }

// N returns the larger dimension of the matrices.
func (l *Layer) N() int { return max(l.Rows, l.Cols) }

// M returns the smaller dimension of the matrices.
func (l *Layer) M() int { return min(l.Rows, l.Cols) }

// NumEvals returns the number of eigenvalues of the layer.
func (l *Layer) NumEvals() int { return l.M() * l.Slices }

// flops estimates the arithmetic of one level: Gram matrix and eigenvalues.
func (l *Layer) flops() float64 {
	k, n := float64(l.M()), float64(l.N())
	return float64(l.Slices) * (k*k*n + 4.0/3*3*k*k*k + 1e4)
}

// A Status is what became of a tensor.
type Status string

const (
	Planned  Status = "planned"  // to be analysed; in results only if the run was interrupted
	Analysed Status = "analysed" // at every level
	Skipped  Status = "skipped"  // not wanted, by kind or option
	Refused  Status = "refused"  // cannot be analysed, at one level at least
)

// A TensorStatus accounts for one tensor of the checkpoint.
type TensorStatus struct {
	checkpoint.Tensor
	Type   LayerType // empty if the tensor is no layer
	Status Status
	Reason string  // why it was skipped or refused
	Layers []Layer // what is analysed of it
	Bytes  int64   // estimate of the memory that one worker takes for it, besides the tensor
}

// A Plan says what is to be done with every tensor of a checkpoint.
type Plan struct {
	Tensors []TensorStatus // in natural order of names
}

// Layers returns all layers of the plan in order.
func (p *Plan) Layers() []Layer {
	var all []Layer
	for i := range p.Tensors {
		all = append(all, p.Tensors[i].Layers...)
	}
	return all
}

// baseBytes is what a process takes without any weights: code, libraries, tables.
const baseBytes = 40 << 20

// PeakBytes estimates the memory that an analysis of the plan takes on the given
// number of threads: the largest need of a worker for each thread, and the largest
// stored tensor for each thread and once more, for the one that is read ahead.
func (p *Plan) PeakBytes(threads int) int64 {
	var worker, tensor, count int64
	for i := range p.Tensors {
		if t := &p.Tensors[i]; t.Status == Planned && len(t.Layers) > 0 {
			size := t.Size
			if t.Layers[0].Slices > 1 {
				size *= 2 // the slices are gathered into a copy
			}
			worker, tensor = max(worker, t.Bytes), max(tensor, size)
			count++
		}
	}
	n := int64(threads)
	return baseBytes + n*worker + min(n+1, count)*tensor
}

// workerBytes returns what a worker takes for a layer: the spectrum and the pieces of
// its panels, with their codes.
func workerBytes(l *Layer, opts *Options) int64 {
	return spectrum.Bytes(l.Rows, l.Cols, opts.Precision) + 10*pieceLength
}

// Describe plans the analysis of a checkpoint from its headers alone: no weight
// is read. Duplicates of tensors and weights that are not finite show only when
// the weights are read.
func Describe(src checkpoint.Source, opts Options) (*Plan, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	p := &Plan{}
	id := 0
	for _, t := range src.Tensors() {
		ts := TensorStatus{Tensor: t, Status: Skipped}
		layers, reason := split(&t, &opts)
		ts.Reason = reason
		if reason == "" {
			ts.Status = Planned
			ts.Type = layers[0].Type
			ts.Layers = layers
			for i := range layers {
				layers[i].ID = id
				id++
			}
			ts.Bytes = workerBytes(&layers[0], &opts)
		}
		p.Tensors = append(p.Tensors, ts)
	}
	return p, nil
}

// maxExperts bounds the layers that one tensor may become.
const maxExperts = 1 << 16

// split returns the layers of a tensor, or the reason why it has none.
func split(t *checkpoint.Tensor, opts *Options) ([]Layer, string) {
	longName, isWeight := strings.CutSuffix(t.Name, ".weight")
	l := Layer{LongName: longName, Tensor: t.Name, DType: t.DType, Slices: 1}
	experts := 1
	s := t.Shape
	switch {
	case slices.Contains(s, 0):
		return nil, "has no elements"
	case len(s) < 2:
		return nil, "a vector or scalar (bias, norm)"
	case !t.DType.Analysable():
		return nil, fmt.Sprintf("stored as %s, not a floating-point weight that can be read as it stands", t.StoredType())
	case !isWeight && !opts.AllMatrices:
		return nil, `name does not end in ".weight"; --all-matrices adds it`
	case len(s) == 2:
		l.Type, l.Rows, l.Cols = Dense, s[0], s[1]
		if isEmbedding(longName) {
			l.Type = Embedding
		}
	case len(s) == 4 && s[0]+s[1] >= s[2]+s[3]:
		l.Type, l.Rows, l.Cols, l.Slices = Conv2D, s[0], s[1], s[2]*s[3]
	case len(s) == 4:
		return nil, "4-D with the kernel in front: not the layout of a convolution in this format"
	case len(s) == 3 && !opts.AllMatrices:
		return nil, "3-D; --all-matrices adds it"
	case len(s) == 3 && isWeight && !strings.Contains(longName, "expert"):
		l.Type, l.Rows, l.Cols, l.Slices = Conv1D, s[0], s[1], s[2]
	case len(s) == 3 && s[0] > maxExperts:
		return nil, fmt.Sprintf("3-D with %d slices, above %d", s[0], maxExperts)
	case len(s) == 3:
		l.Type, l.Rows, l.Cols, experts = Dense, s[1], s[2], s[0]
	default:
		return nil, fmt.Sprintf("%d-D: no matrix or convolution", len(s))
	}
	l.Quantized = l.Type != Embedding || opts.QuantizeEmbeddings
	if reason := filter(&l, t.Name, opts); reason != "" {
		return nil, reason
	}
	if experts == 1 {
		return []Layer{l}, ""
	}
	layers := make([]Layer, experts)
	for i := range layers {
		layers[i] = l
		layers[i].LongName = fmt.Sprintf("%s[%d]", longName, i)
		layers[i].first = i
	}
	return layers, ""
}

// filter returns the reason why the options leave l out.
func filter(l *Layer, name string, opts *Options) string {
	if len(opts.Layers) > 0 && !slices.ContainsFunc(opts.Layers, func(g string) bool {
		a, _ := path.Match(g, name)
		b, _ := path.Match(g, l.LongName)
		return a || b
	}) {
		return "matches no --layers pattern"
	}
	if len(opts.Include) > 0 && !slices.Contains(opts.Include, l.Type) {
		return fmt.Sprintf("type %s is not in --include", l.Type)
	}
	if slices.Contains(opts.Exclude, l.Type) {
		return fmt.Sprintf("type %s is in --exclude", l.Type)
	}
	switch evals := l.NumEvals(); {
	case opts.MinEvals > 0 && evals < opts.MinEvals:
		return fmt.Sprintf("%d eigenvalues, below --min-evals %d", evals, opts.MinEvals)
	case opts.MaxEvals > 0 && evals > opts.MaxEvals:
		return fmt.Sprintf("%d eigenvalues, above --max-evals %d", evals, opts.MaxEvals)
	case opts.MaxN > 0 && l.N() > opts.MaxN:
		return fmt.Sprintf("larger dimension %d, above --max-n %d", l.N(), opts.MaxN)
	}
	return ""
}

// isEmbedding reports whether a name says that its matrix is an embedding: token
// or position tables, but not the output projection that GPT-NeoX calls
// embed_out.
func isEmbedding(longName string) bool {
	for part := range strings.SplitSeq(strings.ToLower(longName), ".") {
		switch {
		case part == "embed_out":
			return false
		case strings.Contains(part, "embed"), strings.HasPrefix(part, "pos_emb"),
			part == "wte", part == "wpe", part == "pos", part == "tok_emb":
			return true
		}
	}
	return false
}

// outType returns the type that the dequantized weights of l are rounded to.
func (o *Options) outType(l *Layer) checkpoint.DType {
	if o.DequantDType != checkpoint.InvalidDType {
		return o.DequantDType
	}
	return l.DType
}
