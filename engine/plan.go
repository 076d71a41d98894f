package engine

import (
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/engine/weights"
)

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
	Kind   Kind
	Type   LayerType // empty if the tensor is no layer
	Status Status
	Reason string  // why it was skipped or refused
	Layers []Layer // what is analysed of it
	Bytes  int64   // estimate of the memory that one worker takes for it, besides the tensor
	// Kept says why the levels leave the weights of the layers as they are; empty if they
	// quantize them.
	Kept string
	// Flag is the flag of the command that would have the tensor analysed, or quantized;
	// empty if there is none.
	Flag string
	// Chosen says that the user has left the tensor out, by name or type.
	Chosen bool
	// SHA256 is the hash of the stored bytes, in hexadecimal digits, of a tensor that was
	// read; empty in plans.
	SHA256 string
	// Duplicate says that the tensor has the contents of another one, in whose rows it is
	// counted.
	Duplicate bool
}

// Quantized reports whether the levels change the weights of the tensor.
func (t *TensorStatus) Quantized() bool { return len(t.Layers) > 0 && t.Layers[0].Quantized }

// A Plan says what is to be done with every tensor of a checkpoint. Nothing changes it
// once it is made. It round-trips through JSON; a plan that was read takes the encodings
// of its tensors from the checkpoint that it is run on.
type Plan struct {
	Tensors []TensorStatus // in natural order of names
	Remarks []string       `json:",omitempty"` // sentences on the checkpoint as a whole
	Model   quant.Model    `json:",omitzero"`  // what config.json says of it
}

// Describe plans the analysis of a checkpoint from its headers, and config.json beside
// them: no weight is read. opts need not have levels. Duplicates of tensors and weights that are not finite show only when
// the weights are read.
func Describe(src checkpoint.Source, opts Options) (*Plan, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	p := &Plan{}
	id := 0
	c := newClassifier(src.Path(), src.Tensors())
	for _, t := range src.Tensors() {
		ts := c.plan(&t, &opts)
		for i := range ts.Layers {
			ts.Layers[i].ID = id
			id++
		}
		p.Tensors = append(p.Tensors, ts)
	}
	p.Remarks = c.remarks(p.Tensors)
	p.Model = modelOf(src, &c.config)
	bound := p.bind(opts.Levels)
	for i := range p.Tensors {
		if ts := &p.Tensors[i]; len(ts.Layers) > 0 {
			ts.Bytes = workerBytes(&ts.Layers[0], bound, opts.Precision)
		}
	}
	return p, nil
}

// DefaultLevels returns the levels of the published study and, where some weights that are
// analysed are not stored in float16, in front of them the weights as they are stored: the
// level fp16 would change them.
func (p *Plan) DefaultLevels() []quant.Recipe {
	levels, _ := quant.ParseList(DefaultLevels)
	for i := range p.Tensors {
		if t := &p.Tensors[i]; t.Status == Planned && t.DType != checkpoint.F16 {
			return append([]quant.Recipe{quant.Stored}, levels...)
		}
	}
	return levels
}

// Layers returns all layers of the plan in order.
func (p *Plan) Layers() []Layer {
	var all []Layer
	for i := range p.Tensors {
		all = append(all, p.Tensors[i].Layers...)
	}
	return all
}

// Split divides the work of a plan among n plans of about the same cost, each for a run
// of its own. A tensor that is planned in one of them is absent from the others; what is
// skipped is in the first. Rows of all of them go into one [Merge] with p.
func (p *Plan) Split(n int) []*Plan {
	parts, cost := make([]*Plan, n), make([]float64, n)
	owner := make([]int, len(p.Tensors))
	for _, i := range p.byCost() {
		least := 0
		for j := range cost {
			if cost[j] < cost[least] {
				least = j
			}
		}
		owner[i] = least
		cost[least] += p.Tensors[i].flops()
	}
	for j := range parts {
		parts[j] = &Plan{Model: p.Model}
	}
	if n > 0 {
		parts[0].Remarks = p.Remarks
	}
	for i, j := range owner {
		parts[j].Tensors = append(parts[j].Tensors, p.Tensors[i])
	}
	return parts
}

// flops estimates the arithmetic of one level of a tensor.
func (t *TensorStatus) flops() (sum float64) {
	for i := range t.Layers {
		sum += t.Layers[i].flops()
	}
	return sum
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

// workerBytes returns what a worker takes for a layer: the spectrum, the pieces of its
// panels, with their codes, and what the bound level that needs most keeps of each weight.
func workerBytes(l *Layer, bound []quant.Recipe, precision spectrum.Precision) int64 {
	bytes := spectrum.Bytes(l.Rows, l.Cols, precision) + weights.BufferBytes
	most := int64(0)
	if l.Quantized && slices.ContainsFunc(bound, func(r quant.Recipe) bool { return !r.Reference() }) {
		bytes += weights.ResidualBytes * int64(l.Rows) * int64(l.Cols)
	}
	for _, level := range bound {
		scheme := level.For(l.target())
		n := int64(0)
		if m, ok := scheme.(interface{ BytesPerWeight() int }); ok {
			n += int64(m.BytesPerWeight())
		}
		if rearranged(l, scheme) {
			n += rearrangedBytes
		}
		most = max(most, n)
	}
	return bytes + most*l.Weights()
}

// rearrangedBytes is what a weight takes that is rearranged for a scheme: as it is stored, in
// the order of the scheme, and quantized, in float32 each.
const rearrangedBytes = 12
