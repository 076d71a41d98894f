package quant

import (
	"cmp"
	"errors"
	"fmt"
	"math"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// ErrOverflow is returned when a weight cannot be stored in the type it is
// rounded to. Test with errors.Is.
var ErrOverflow = errors.New("overflows to infinity")

// A Scheme is a way to quantize one tensor. Schemes are comparable values without
// state, safe for concurrent use.
type Scheme interface {
	// Name returns the name that [Parse] turns back into the scheme: in flags, tables
	// and file names.
	Name() string
	// BitsPerWeight returns how many bits a weight of a tensor of rows×cols takes,
	// scales and other parameters included; of a tensor without end if both are 0.
	BitsPerWeight(rows, cols int) float64
	// Granularity says which weights share parameters.
	Granularity() Granularity
	// Fit finds the parameters for the weights w, whose dequantized values are to be
	// rounded to the type out. It may walk w as often as it needs. It fails with an
	// error that wraps ErrOverflow if some weight has no finite result, and with
	// others for weights that are not finite and shapes that the scheme cannot take.
	Fit(w Weights, out checkpoint.DType) (Quantizer, error)
}

// Granularity says which weights of a tensor share parameters: those in a block of
// Rows×Cols, where 0 stands for all rows or all columns, or, if Run is not 0, those in
// a run of so many weights of the flattened tensor, which may cross from one row into
// the next.
type Granularity struct {
	Rows, Cols int
	Run        int
}

// Align returns the width of a group of columns: rows are cut at its multiples only. It is
// 1 if a row may be cut anywhere, because parameters are those of the whole tensor, of
// whole rows or of runs, and are known before the first weight is dequantized.
func (g Granularity) Align() int {
	if g.Run != 0 {
		return 1
	}
	return max(1, g.Cols)
}

// Weights are the weights of one tensor, a matrix, read in pieces.
type Weights interface {
	Dims() (rows, cols int)
	// Range returns the range of all weights.
	Range() Range
	// Each calls f for pieces that cover the matrix in row-major order. Rows are cut
	// at multiples of align columns only. f may not keep the piece.
	Each(align int, f func(p Piece))
}

// A Piece is a run of weights of a panel of a matrix, one after the other in row-major
// order of the panel. The panel has the columns First to First+Width-1; behind the last
// of them the run goes on with the next row.
type Piece struct {
	W            []float32
	Row, Col     int // of W[0] in the matrix
	First, Width int
}

// EachRow calls f for the parts of the piece that lie in one row each: len weights from
// index at of W on, the first of which stands at (row, col) of the matrix.
func (p Piece) EachRow(f func(row, col, at, len int)) {
	row, col := p.Row, p.Col
	for at := 0; at < len(p.W); {
		n := min(p.First+p.Width-col, len(p.W)-at)
		f(row, col, at, n)
		at += n
		row, col = row+1, p.First
	}
}

// A Quantizer dequantizes one tensor that a scheme was fitted to. It is safe for
// concurrent use.
type Quantizer interface {
	// Dequantize writes what becomes of the weights of p to dst, of the same length:
	// the values that their codes stand for, rounded to the stored type. dst must not
	// overlap p.W.
	Dequantize(dst []float32, p Piece)
}

// An Integral quantizer may have dequantized weights that are multiples of a unit.
type Integral interface {
	Quantizer
	// Unit returns a unit, which float32 can hold, of which every dequantized weight
	// is an integer multiple of magnitude up to largest, which is at most limit; ok is
	// false if there is none. The dequantized weight divided by the unit, rounded to the
	// nearest integer, gives the multiple. Where weights are stored in F32 or F64, the
	// multiple is the code and the unit the scale, although their product, rounded to
	// float32, differs from the exact one by up to 6e-8 of it.
	Unit(limit int) (unit float64, largest int, ok bool)
}

// A Codebook quantizer knows its values by codes of up to 16 bits.
type Codebook interface {
	Quantizer
	// Codes writes the code of each weight to dst. All slices have one length.
	Codes(dst []uint16, original, dequantized []float32)
	// Values returns what each code stands for, as stored. Two codes may have one
	// value.
	Values(codes []uint16) []float32
}

// A Stepped quantizer has one distance between neighbouring values.
type Stepped interface {
	Quantizer
	// Step returns the distance, 0 if every weight stays as it is or is rounded to a type.
	Step() float32
}

// A Defined quantizer can say by its definition what becomes of weights, one operation
// after the other. It is slow, and what fast loops are held to.
type Defined interface {
	Quantizer
	// Define writes what becomes of the weights src to dst, of the same length.
	Define(dst, src []float32)
}

// Oriented reports whether what a scheme makes of a matrix depends on which of its sides are
// rows, and on the order of its weights.
func Oriented(s Scheme) bool {
	if _, ok := s.(hqq); ok {
		return true
	}
	g := s.Granularity()
	return g != Granularity{} && g != Granularity{Rows: 1, Cols: 1}
}

// A Predicted quantizer knows what theory says of its errors.
type Predicted interface {
	Quantizer
	// PredictedSNR returns the signal-to-noise ratio in dB of weights with a mean square, if
	// they are spread over many steps; NaN if theory gives none.
	PredictedSNR(meanSquare float64) float64
}

// A Keeper is a quantizer that may leave weights exactly as they are stored.
type Keeper interface {
	Quantizer
	// Keeps reports whether it does for weights stored in an encoding.
	Keeps(stored checkpoint.Encoding) bool
}

// Keeps reports whether q leaves weights that are stored in an encoding exactly as they
// are, also where float32 cannot hold them.
func Keeps(q Quantizer, stored checkpoint.Encoding) bool {
	k, ok := q.(Keeper)
	return ok && k.Keeps(stored)
}

// A Rounded quantizer says how its values were rounded after they were computed.
type Rounded interface {
	Quantizer
	// Rounding returns the largest relative error of a dequantized weight, as it is
	// stored, from the number that was rounded.
	Rounding() float64
}

// Rounding returns the largest relative error by which the weights that q dequantizes
// were rounded: that of float32 if q does not say.
func Rounding(q Quantizer) float64 {
	if r, ok := q.(Rounded); ok {
		return r.Rounding()
	}
	return checkpoint.F32.Rounding()
}

// A Choosy scheme does not take tensors of all shapes.
type Choosy interface {
	Scheme
	// Takes returns an error that says why the scheme does not take a tensor of rows×cols,
	// nil if it does. Fit returns the same error.
	Takes(rows, cols int) error
}

// Takes returns an error that says why s does not take a tensor of rows×cols, nil if it does.
func Takes(s Scheme, rows, cols int) error {
	if c, ok := s.(Choosy); ok {
		return c.Takes(rows, cols)
	}
	return nil
}

// An Outputting scheme says in which type the tool that it follows leaves dequantized
// weights.
type Outputting interface {
	Scheme
	// Output returns that type, for weights that are stored in another.
	Output(stored checkpoint.DType) checkpoint.DType
}

// Range is what must be known of the weights before they can be quantized.
type Range struct {
	Min, Max float32
	// NonFinite counts NaN and infinite values. Min and Max are taken over the
	// finite ones and are both 0 if there is none.
	NonFinite int
	// Beyond says in words why float32, in which weights are quantized, cannot hold
	// them; it is empty if float32 can.
	Beyond string
}

// RangeOf returns the range of x.
func RangeOf(x []float32) Range {
	r := kernel.FindRange(x)
	return Range{Min: r.Min, Max: r.Max, NonFinite: r.NonFinite}
}

// AbsMax returns the largest magnitude in the range.
func (r Range) AbsMax() float32 { return max(-r.Min, r.Max) }

// Union returns the range of two parts together.
func (r Range) Union(o Range) Range {
	return Range{Min: min(r.Min, o.Min), Max: max(r.Max, o.Max), NonFinite: r.NonFinite + o.NonFinite, Beyond: cmp.Or(r.Beyond, o.Beyond)}
}

// The largest float32 numbers that round to a finite float16 and bfloat16: one
// unit in the last place below half a step above their largest numbers.
var (
	maxF16  = math.Float32frombits(0x477fefff)
	maxBF16 = math.Float32frombits(0x7f7f7fff)
)

// largest returns the largest magnitude that rounds to a finite number of type d.
func largest(d checkpoint.DType) float32 {
	switch d {
	case checkpoint.F16:
		return maxF16
	case checkpoint.BF16:
		return maxBF16
	}
	return math.MaxFloat32
}

// checkRange reports whether weights of range r can be quantized, and stored as type
// out.
func checkRange(r Range, out checkpoint.DType) error {
	if out.Encoding() == nil {
		return fmt.Errorf("weights cannot be dequantized to %v", out)
	}
	if r.NonFinite > 0 {
		return fmt.Errorf("%d weights are NaN or infinite", r.NonFinite)
	}
	if r.Beyond != "" {
		return errors.New(r.Beyond)
	}
	if r.AbsMax() > largest(out) {
		return fmt.Errorf("largest weight %g does not fit %v: %w", r.AbsMax(), out, ErrOverflow)
	}
	return nil
}

// keep leaves every weight as it is, but for the rounding to the stored type.
type keep struct{ out checkpoint.DType }

func (q keep) Dequantize(dst []float32, p Piece) {
	copy(dst, p.W)
	q.out.Round(dst)
}

func (keep) Step() float32 { return 0 }

func (q keep) Keeps(stored checkpoint.Encoding) bool { return stored == q.out.Encoding() }

func (q keep) Rounding() float64 { return q.out.Rounding() }
