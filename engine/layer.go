package engine

import (
	"slices"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// A LayerType is WeightWatcher's name for a kind of layer.
type LayerType string

const (
	Dense     LayerType = "dense"
	Conv1D    LayerType = "conv1d"
	Conv2D    LayerType = "conv2d"
	Conv3D    LayerType = "conv3d"
	Embedding LayerType = "embedding"
)

// LayerTypes lists all types.
var LayerTypes = []LayerType{Dense, Conv1D, Conv2D, Conv3D, Embedding}

// A Layer is what gives one set of eigenvalues: a matrix, or the slices of a
// convolution taken together.
type Layer struct {
	ID       int    // index among the layers analysed
	LongName string // tensor name without ".weight"; "[i]" added for slices that are layers of their own
	Type     LayerType
	Tensor   string           // name of the stored tensor
	Index    int              // of its matrix in a stack
	DType    checkpoint.DType // in which the weights are stored; F32 of those in codes, which decode to it
	Bits     float64          // of a weight as it is stored, scales and other parameters included
	// Rows and Cols are the dimensions of each matrix of the layer as stored,
	// Slices their number: the kernel area of a convolution, else 1.
	Rows, Cols, Slices int
	// InputFirst says that the matrix is stored [inputs, outputs], or a convolution [kernel,
	// inputs, outputs]: groups of a scheme run along columns then.
	InputFirst bool
	// Quantized says whether the levels change the weights. Layers that are not
	// quantized are analysed once and appear at every level.
	Quantized bool
}

// numberType returns the type of the numbers that a tensor is read as.
func numberType(t *checkpoint.Tensor) checkpoint.DType {
	if t.DType.Encoding() == nil {
		return checkpoint.F32
	}
	return t.DType
}

// storedBits returns how many bits a weight of a tensor takes as it is stored.
func storedBits(t *checkpoint.Tensor) float64 {
	return 8 * float64(t.Size) / float64(max(t.Elements(), 1))
}

// Name returns the last part of the long name.
func (l *Layer) Name() string { return l.LongName[strings.LastIndexAny(l.LongName, "./")+1:] }

// N returns the larger dimension of the matrices.
func (l *Layer) N() int { return max(l.Rows, l.Cols) }

// M returns the smaller dimension of the matrices.
func (l *Layer) M() int { return min(l.Rows, l.Cols) }

// Weights is the number of its weights.
func (l *Layer) Weights() int64 { return int64(l.Rows) * int64(l.Cols) * int64(l.Slices) }

// NumEvals returns the number of eigenvalues of the layer.
func (l *Layer) NumEvals() int { return l.M() * l.Slices }

// target is what a recipe is told of the layer: the dimensions of the matrix [outputs,
// inputs], to which a convolution has its kernel.
func (l *Layer) target() quant.Target {
	t := quant.Target{Name: l.Tensor, Rows: l.Rows, Cols: l.Cols, DType: l.DType}
	if l.InputFirst {
		t.Rows, t.Cols = t.Cols, t.Rows
	}
	t.Cols *= l.Slices
	return t
}

// scale is the factor on the eigenvalues of the layer: WeightWatcher divides the weights
// of convolutions by the root of 2.
func (l *Layer) scale() float64 {
	if l.Type == Conv2D || l.Type == Conv1D {
		return 0.5
	}
	return 1
}

// flops estimates the arithmetic of one level: Gram matrix and eigenvalues.
func (l *Layer) flops() float64 {
	k, n := float64(l.M()), float64(l.N())
	return float64(l.Slices) * (k*k*n + 4.0/3*3*k*k*k + 1e4)
}

// outType returns the type that the dequantized weights of l are rounded to at a bound level: that
// of the tool that the scheme follows, or that in which they are stored.
func (o *Options) outType(level quant.Recipe, l *Layer) checkpoint.DType {
	if s, ok := level.For(l.target()).(quant.Outputting); ok && o.DequantDType == checkpoint.InvalidDType {
		return s.Output(l.DType)
	}
	return o.storedType(level, l)
}

// storedType returns the type in which a copy of the checkpoint has the dequantized weights
// of l.
func (o *Options) storedType(level quant.Recipe, l *Layer) checkpoint.DType {
	switch {
	case quant.IsStored(level.For(l.target())):
		return l.DType
	case o.DequantDType != checkpoint.InvalidDType:
		return o.DequantDType
	}
	return l.DType
}

// unquantized returns the level at which layers that are not quantized are analysed.
func (o *Options) unquantized() quant.Recipe {
	if slices.Contains(o.Levels, quant.Stored) {
		return quant.Stored
	}
	return quant.FP16
}

// baseline returns which of the levels changes are measured from, -1 if there is none.
func (o *Options) baseline(levels []quant.Recipe) int {
	if o.Baseline != nil {
		return slices.Index(levels, o.Baseline)
	}
	return slices.IndexFunc(levels, quant.Recipe.Reference)
}
