package quant

import (
	"fmt"
	"math"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// hqq is Half-Quadratic Quantization as the library of its authors computes it on a CPU:
// zero points are moved until the error stops to shrink, over the whole tensor.
type hqq struct {
	bits  int
	group int // 0: a row
	// compute is the type of scales, zero points and results.
	compute   checkpoint.DType
	first     bool // groups run along the first dimension (axis 0)
	unrefined bool // zero points stay where they are at first
}

func (h hqq) Name() string {
	name := fmt.Sprintf("hqq-int%d-g%d", h.bits, h.group)
	if h.group == 0 {
		name = fmt.Sprintf("hqq-int%d-row", h.bits)
	}
	if h.first {
		name += "-axis0"
	}
	if h.unrefined {
		name += "-noopt"
	}
	if h.compute != checkpoint.F16 {
		name += ":" + arithmeticNames[h.compute]
	}
	return name
}

// BitsPerWeight counts a scale and a zero point of 16 bits for each group.
func (h hqq) BitsPerWeight(rows, cols int) float64 {
	group := h.group
	if group == 0 {
		group = cols
	}
	if group == 0 {
		return float64(h.bits)
	}
	return float64(h.bits) + 32/float64(group)
}

// Granularity is that of the whole tensor, since the search ends for all groups at once.
func (hqq) Granularity() Granularity { return Granularity{} }

// Output is the type in which weights are dequantized.
func (h hqq) Output(checkpoint.DType) checkpoint.DType { return h.compute }

// BytesPerWeight is the memory that the search takes: the weights, group after group.
func (hqq) BytesPerWeight() int { return 4 }

// Takes asks whether groups divide the tensor.
func (h hqq) Takes(rows, cols int) error {
	if n := rows * cols; h.group != 0 && (n%h.group != 0 || h.group%8 != 0) {
		return fmt.Errorf("%s takes a multiple of %d weights, not %d", h.Name(), h.group, n)
	}
	return nil
}

// Fit walks over the weights once, and searches in a copy of them.
func (h hqq) Fit(w Weights, out checkpoint.DType) (Quantizer, error) {
	if err := checkRange(w.Range(), out); err != nil {
		return nil, err
	}
	rows, cols := w.Dims()
	if err := h.Takes(rows, cols); err != nil {
		return nil, err
	}
	n := rows * cols
	q := &hqqQuantizer{scheme: h, out: out, cols: cols, group: h.group}
	if q.group == 0 {
		q.group = cols
	}
	q.count = n / q.group
	x := make([]float32, n) // group after group
	w.Each(1, func(p Piece) {
		p.EachRow(func(row, col, at, n int) {
			for j, v := range p.W[at : at+n] {
				group, i := q.place(row*cols + col + j)
				x[group*q.group+i] = v
			}
		})
	})
	q.start(x)
	if !h.unrefined {
		q.refine(x)
	}
	if err := q.store(); err != nil {
		return nil, err
	}
	return q, q.finite(x)
}

// hqqQuantizer is HQQ fitted to a tensor.
type hqqQuantizer struct {
	scheme      hqq
	out         checkpoint.DType
	cols        int
	group       int       // weights
	count       int       // groups
	scale, zero []float32 // of each group: the inverse scale, with which codes are chosen
	stored      []params  // what results are computed with
}

// place returns the group of a weight, and its place there.
func (q *hqqQuantizer) place(flat int) (group, i int) {
	if q.scheme.first {
		return flat % q.count, flat / q.count
	}
	return flat / q.group, flat % q.group
}

func (q *hqqQuantizer) max() float32 { return top(q.scheme.bits) }

// start sets scales and zero points to those of the ranges.
func (q *hqqQuantizer) start(x []float32) {
	q.scale, q.zero = make([]float32, q.count), make([]float32, q.count)
	ranges := make([]kernel.Extent, q.count)
	kernel.GroupRanges(ranges, x, q.group)
	for g, r := range ranges {
		s := float32(1)
		if d := r.Max - r.Min; abs(d) > 1e-4 {
			s = arithmetic(0).over(q.max(), d)
		}
		s = min(s, 2e4)
		z := -r.Min * s
		if q.scheme.bits == 4 {
			z = roundEven(z)
		}
		q.scale[g], q.zero[g] = s, z
	}
}

// refine moves the zero points. Means are taken in float64: the order in which the library
// adds is that of its machine.
func (q *hqqQuantizer) refine(x []float32) {
	best := math.Inf(1)
	moved := make([]float32, q.count)
	for range 20 {
		total := 0.0
		for g := range q.count {
			s, z := q.scale[g], q.zero[g]
			sum := 0.0
			for _, v := range x[g*q.group:][:q.group] {
				code := clamp(roundEven(float32(v*s)+z), 0, q.max())
				e := v - (code-z)/s
				total += float64(abs(e))
				sum += float64(code - float32((v-shrink(e, 10))*s))
			}
			moved[g] = float32(sum / float64(q.group))
		}
		q.zero, moved = moved, q.zero
		if err := float64(float32(total / float64(len(x)))); err < best {
			best = err
		} else {
			break
		}
	}
}

// shrink is the proximal operator of the p-norm with p = 0.7 and the penalty beta.
func shrink(e, beta float32) float32 {
	m := abs(e)
	if m == 0 {
		return 0
	}
	s := max(0, m-float32(math.Exp(float64(float32(-0.3))*math.Log(float64(m))))/beta)
	if e < 0 {
		return -s
	}
	return s
}

// store rounds scales and zero points to the type in which results are computed.
func (q *hqqQuantizer) store() error {
	a := arithmetic(q.scheme.compute)
	q.stored = make([]params, q.count)
	for g := range q.stored {
		p := params{Scale: a.round(1 / q.scale[g]), Zero: a.round(q.zero[g])}
		if !isFinite(p.Scale) || !isFinite(p.Zero) {
			return overflowf("scale %g and zero point %g", 1/q.scale[g], q.zero[g])
		}
		q.stored[g] = p
	}
	return nil
}

// finite checks that the results of the largest and smallest weight of each group are finite.
func (q *hqqQuantizer) finite(x []float32) error {
	ranges := make([]kernel.Extent, q.count)
	kernel.GroupRanges(ranges, x, q.group)
	var end [1]float32
	for g, r := range ranges {
		for _, v := range []float32{r.Min, r.Max} {
			end[0] = q.result(v, g)
			q.out.Round(end[:])
			if !isFinite(end[0]) {
				return fmt.Errorf("weight %g, dequantized at %s: %w", v, q.scheme.Name(), ErrOverflow)
			}
		}
	}
	return nil
}

// result returns what becomes of a weight of group g, in the type of results.
func (q *hqqQuantizer) result(v float32, g int) float32 {
	a := arithmetic(q.scheme.compute)
	code := clamp(roundEven(float32(v*q.scale[g])+q.zero[g]), 0, q.max())
	return a.round(a.round(code-q.stored[g].Zero) * q.stored[g].Scale)
}

func (q *hqqQuantizer) Rounding() float64 {
	return max(q.out.Rounding(), q.scheme.compute.Rounding())
}

func (q *hqqQuantizer) uncounted() bool { return true }

func (q *hqqQuantizer) Dequantize(dst []float32, p Piece) {
	p.EachRow(func(row, col, at, n int) {
		for j, x := range p.W[at : at+n] {
			g, _ := q.place(row*q.cols + col + j)
			dst[at+j] = q.result(x, g)
		}
	})
	q.out.Round(dst[:len(p.W)])
}
