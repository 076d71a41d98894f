package engine

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// optionsJSON is the form of [Options] in JSON.
type optionsJSON struct {
	Levels             []string           `json:"quantizations"`
	Baseline           string             `json:"baseline,omitempty"`
	MinEvals           int                `json:"min_evals"`
	MaxEvals           int                `json:"max_evals"`
	MaxN               int                `json:"max_n"`
	Layers             []string           `json:"layers,omitempty"`
	Include            []LayerType        `json:"include,omitempty"`
	Exclude            []LayerType        `json:"exclude,omitempty"`
	QuantizeEmbeddings bool               `json:"quantize_embeddings"`
	KeepDuplicates     bool               `json:"keep_duplicates"`
	Compat             bool               `json:"like_weightwatcher"`
	DequantDType       string             `json:"dequant_dtype"` // "source", or as safetensors names it
	Precision          spectrum.Precision `json:"precision"`
	Reproducible       bool               `json:"reproducible"`
	Threads            int                `json:"threads,omitempty"`
	Memory             int64              `json:"memory,omitempty"`
	BLAS               string             `json:"blas,omitempty"`
	LAPACK             string             `json:"lapack,omitempty"`
	KeepEigenvalues    bool               `json:"keep_eigenvalues,omitempty"`
}

const sourceDType = "source"

// MarshalJSON writes everything that can change a row, or where it is computed; not the
// Progress function. Levels are written by their names, in the order of tables.
func (o Options) MarshalJSON() ([]byte, error) {
	j := optionsJSON{
		MinEvals: o.MinEvals, MaxEvals: o.MaxEvals, MaxN: o.MaxN,
		Layers: o.Layers, Include: o.Include, Exclude: o.Exclude,
		QuantizeEmbeddings: o.QuantizeEmbeddings, KeepDuplicates: o.KeepDuplicates, Compat: o.Compat,
		DequantDType: sourceDType, Precision: cmp.Or(o.Precision, spectrum.Double), Reproducible: o.Reproducible,
		Threads: o.Threads, Memory: o.Memory, BLAS: o.BLAS, LAPACK: o.LAPACK, KeepEigenvalues: o.KeepEigenvalues,
	}
	for _, l := range o.levels() {
		j.Levels = append(j.Levels, l.Name())
	}
	if o.Baseline != nil {
		j.Baseline = o.Baseline.Name()
	}
	if o.DequantDType != checkpoint.InvalidDType {
		j.DequantDType = o.DequantDType.String()
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote. It fails on levels and types that it does
// not know; [Options.Validate] judges the rest.
func (o *Options) UnmarshalJSON(data []byte) error {
	var j optionsJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	*o = Options{
		MinEvals: j.MinEvals, MaxEvals: j.MaxEvals, MaxN: j.MaxN,
		Layers: j.Layers, Include: j.Include, Exclude: j.Exclude,
		QuantizeEmbeddings: j.QuantizeEmbeddings, KeepDuplicates: j.KeepDuplicates, Compat: j.Compat,
		Precision: j.Precision, Reproducible: j.Reproducible,
		Threads: j.Threads, Memory: j.Memory, BLAS: j.BLAS, LAPACK: j.LAPACK, KeepEigenvalues: j.KeepEigenvalues,
	}
	for _, name := range j.Levels {
		l, err := quant.Parse(name)
		if err != nil {
			return err
		}
		o.Levels = append(o.Levels, l)
	}
	if j.Baseline != "" {
		l, err := quant.Parse(j.Baseline)
		if err != nil {
			return err
		}
		o.Baseline = l
	}
	if j.DequantDType != "" && j.DequantDType != sourceDType {
		d, ok := checkpoint.ParseDType(j.DequantDType)
		if !ok {
			return fmt.Errorf("dequant_dtype %q is no type", j.DequantDType)
		}
		o.DequantDType = d
	}
	return nil
}

// tensorJSON is the form of a [TensorStatus] in JSON.
type tensorJSON struct {
	Name   string      `json:"name"`
	DType  string      `json:"dtype"`
	Shape  []int       `json:"shape"`
	File   string      `json:"file"`
	Bytes  int64       `json:"bytes"`
	Kind   Kind        `json:"kind"`
	Type   LayerType   `json:"type,omitempty"`
	Status Status      `json:"status"`
	Reason string      `json:"reason,omitempty"`
	Kept   string      `json:"not_quantized,omitempty"` // why
	Flag   string      `json:"flag,omitempty"`
	Chosen bool        `json:"left_out_by_choice,omitempty"`
	Same   bool        `json:"duplicate,omitempty"`
	SHA256 string      `json:"sha256,omitempty"`
	Worker int64       `json:"worker_bytes,omitempty"`
	Layers []layerJSON `json:"layers,omitempty"`
}

type layerJSON struct {
	ID        int    `json:"layer_id"`
	LongName  string `json:"longname"`
	Index     int    `json:"index,omitempty"`
	Rows      int    `json:"rows"`
	Cols      int    `json:"cols"`
	Slices    int    `json:"slices"`
	Quantized bool   `json:"quantized"`
	// InputFirst says that the matrix is stored [inputs, outputs].
	InputFirst bool `json:"input_first,omitempty"`
}

// MarshalJSON writes what is known of the tensor but its place in the file and its
// encoding, which a checkpoint that is opened again knows.
func (t TensorStatus) MarshalJSON() ([]byte, error) {
	j := tensorJSON{
		Name: t.Name, DType: t.StoredType(), Shape: append([]int{}, t.Shape...), File: t.File, Bytes: t.Size,
		Kind: t.Kind, Type: t.Type, Status: t.Status, Reason: t.Reason, Kept: t.Kept, Flag: t.Flag, Chosen: t.Chosen, Same: t.Duplicate, SHA256: t.SHA256,
		Worker: t.Bytes,
	}
	for i := range t.Layers {
		l := &t.Layers[i]
		j.Layers = append(j.Layers, layerJSON{l.ID, l.LongName, l.Index, l.Rows, l.Cols, l.Slices, l.Quantized, l.InputFirst})
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (t *TensorStatus) UnmarshalJSON(data []byte) error {
	var j tensorJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	dtype, _ := checkpoint.ParseDType(j.DType)
	*t = TensorStatus{
		Tensor: checkpoint.Tensor{Name: j.Name, DType: dtype, TypeName: j.DType, Shape: j.Shape, File: j.File, Size: j.Bytes},
		Kind:   j.Kind, Type: j.Type, Status: j.Status, Reason: j.Reason, Bytes: j.Worker,
		Kept: j.Kept, Flag: j.Flag, Chosen: j.Chosen, Duplicate: j.Same, SHA256: j.SHA256,
	}
	for _, l := range j.Layers {
		t.Layers = append(t.Layers, Layer{
			ID: l.ID, LongName: l.LongName, Type: j.Type, Tensor: j.Name, Index: l.Index, DType: numberType(&t.Tensor), Bits: storedBits(&t.Tensor),
			Rows: l.Rows, Cols: l.Cols, Slices: l.Slices, Quantized: l.Quantized, InputFirst: l.InputFirst,
		})
	}
	if err := t.check(); err != nil {
		return fmt.Errorf("tensor %s: %w", checkpoint.Quote(j.Name), err)
	}
	return nil
}

// statuses are all of them.
var statuses = []Status{Planned, Analysed, Skipped, Refused}

// check returns an error unless the layers of the tensor are alike and its parts, as those
// of every plan and result are.
func (t *TensorStatus) check() error {
	withLayers := t.Status == Planned || t.Status == Analysed || t.Status == Refused
	switch {
	case !slices.Contains(statuses, t.Status):
		return fmt.Errorf("unknown status %s", checkpoint.Quote(string(t.Status)))
	case t.Size < 0 || t.Bytes < 0:
		return fmt.Errorf("%d bytes, of a worker %d", t.Size, t.Bytes)
	case withLayers != (len(t.Layers) > 0):
		return fmt.Errorf("%s with %d layers", t.Status, len(t.Layers))
	case len(t.Layers) == 0:
		return nil
	case !slices.Contains(LayerTypes, t.Type):
		return fmt.Errorf("unknown layer type %s", checkpoint.Quote(string(t.Type)))
	}
	first, names := &t.Layers[0], map[string]bool{}
	for i := range t.Layers {
		l := &t.Layers[i]
		if l.Rows != first.Rows || l.Cols != first.Cols || l.Slices != first.Slices || l.Quantized != first.Quantized || l.InputFirst != first.InputFirst {
			return fmt.Errorf("layer %d is unlike layer 0", i)
		}
		if names[l.LongName] {
			return fmt.Errorf("two layers are called %s", checkpoint.Quote(l.LongName))
		}
		names[l.LongName] = true
	}
	if !t.covered() {
		return fmt.Errorf("%d layers of %d times %d×%d in the shape %v", len(t.Layers), first.Slices, first.Rows, first.Cols, t.Shape)
	}
	return nil
}

// covered reports whether the layers have the dimensions of the tensor: one layer, whose
// matrices make up all of it, or some of a stack of matrices.
func (t *TensorStatus) covered() bool {
	l, s := &t.Layers[0], t.Shape
	elements, ok := product(s...)
	if !ok || len(s) < 2 {
		return false
	}
	if stacked := len(s) == 3 && l.Slices == 1 && s[1] == l.Rows && s[2] == l.Cols; stacked {
		indices := map[int]bool{}
		for i := range t.Layers {
			at := t.Layers[i].Index
			if at < 0 || at >= s[0] || indices[at] {
				return false
			}
			indices[at] = true
		}
		return true
	}
	first := s[0] == l.Rows && s[1] == l.Cols
	last := s[len(s)-2] == l.Rows && s[len(s)-1] == l.Cols
	inLayer, ok := product(l.Rows, l.Cols, l.Slices)
	return len(t.Layers) == 1 && l.Index == 0 && (first || last) && ok && inLayer == elements
}

// product returns the product of its arguments; ok is false if one is below 1 or the
// product is beyond int.
func product(factors ...int) (p int, ok bool) {
	p = 1
	for _, f := range factors {
		if f < 1 || p > math.MaxInt/f {
			return 0, false
		}
		p *= f
	}
	return p, true
}

// Validate reports the first thing in a plan that [Describe] does not make: a tensor that
// is there twice, or one that is neither planned nor skipped.
func (p *Plan) Validate() error {
	seen := map[string]bool{}
	for i := range p.Tensors {
		t := &p.Tensors[i]
		switch {
		case seen[t.Name]:
			return fmt.Errorf("tensor %s is in the plan twice", checkpoint.Quote(t.Name))
		case t.Status != Planned && t.Status != Skipped:
			return fmt.Errorf("tensor %s is %s in the plan", checkpoint.Quote(t.Name), t.Status)
		}
		seen[t.Name] = true
	}
	return nil
}
