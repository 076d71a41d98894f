package quant

import (
	"fmt"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// stored is the scheme of the level stored: the weights as they are in the file.
type stored struct{}

// Stored is the recipe that leaves every weight as it is stored, float64 ones too. It is the
// baseline of checkpoints that are not float16.
var Stored Recipe = single{stored{}}

// IsStored reports whether a scheme leaves weights as they are stored.
func IsStored(s Scheme) bool { return s == stored{} }

func parseStored(name string) (Recipe, error) {
	if name == "stored" || name == "as-stored" {
		return Stored, nil
	}
	return nil, nil
}

func (stored) Name() string { return "stored" }

// BitsPerWeight is that of float32, the widest type that is common: what it is in a file is
// not up to the scheme.
func (stored) BitsPerWeight(int, int) float64 { return 32 }
func (stored) Granularity() Granularity       { return Granularity{Rows: 1, Cols: 1} }

// Reference says that nothing is quantized: changes are measured from it.
func (stored) Reference() bool { return true }

// Fit returns a quantizer that leaves weights as they are. out is the type in which they
// are stored.
func (stored) Fit(w Weights, out checkpoint.DType) (Quantizer, error) {
	r := w.Range()
	if r.NonFinite > 0 {
		return nil, fmt.Errorf("%d weights are NaN or infinite", r.NonFinite)
	}
	return asStored{out}, nil
}

// asStored is the identity.
type asStored struct{ stored checkpoint.DType }

func (asStored) Dequantize(dst []float32, p Piece) { copy(dst, p.W) }
func (asStored) Step() float32                     { return 0 }
func (q asStored) Rounding() float64               { return q.stored.Rounding() }
func (asStored) Keeps(checkpoint.Encoding) bool    { return true }
