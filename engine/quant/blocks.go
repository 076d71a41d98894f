package quant

import (
	"fmt"
	"math"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// A rule is how a tool quantizes one group of weights that share parameters. Rules are
// comparable and have no state.
type rule interface {
	// fit returns the parameters of a group whose weights have the range r, in a tensor
	// with the parameter global. Where a tool's parameters are not finite, they are of no
	// use: then fit returns an error.
	fit(r Range, global float32, a arithmetic) (params, error)
	// apply writes what becomes of the weights src of a group to dst, in float32.
	apply(dst, src []float32, p params, a arithmetic)
}

// A searching rule asks for the weights of a group, and not for their range only.
type searching interface {
	rule
	search(src []float32, r Range, global float32, a arithmetic) (params, error)
}

// A global rule has a parameter of the whole tensor.
type global interface {
	rule
	// tensor returns it for weights of the range r.
	tensor(r Range, a arithmetic) float32
}

// A settling rule has something to do when the parameters of all groups are there. short says
// that the last run is.
type settling interface {
	rule
	settle(groups []params, short bool)
}

// A sizing rule has groups whose size depends on the length of a row.
type sizing interface {
	rule
	groups(cols int) Granularity
}

// params are the parameters of a group: most rules have a scale, and some an offset.
// A group whose parameters are zero is all zeros.
type params struct{ scale, offset, inverse float32 }

// A remainder says what a tool does with the weights at the end of a row where groups do
// not divide it.
type remainder int

const (
	shortGroup remainder = iota // they are a group of their own
	refused                     // it does not take such a tensor
)

// blocks is a scheme that quantizes groups of weights, each by a rule.
type blocks struct {
	name        string // without the arithmetic
	granularity Granularity
	remainder   remainder
	rule        rule
	// arithmetic is the type in which is computed; if it is not valid, that of the stored
	// weights.
	arithmetic checkpoint.DType
	in         arithmetic // that of the tensor at hand
	upcasts    bool       // the tool computes in float32, whatever the weights are
	// output is the type of the dequantized weights; if it is not valid, that of the
	// arithmetic.
	output checkpoint.DType
	// Bits of a code, of the parameters of a group, and of those of the tensor.
	code, parameters float64
	whole            float64
}

// Name has the arithmetic behind an @ where it is chosen.
func (s blocks) Name() string {
	if s.arithmetic != checkpoint.InvalidDType && !s.upcasts {
		return s.name + "@" + arithmeticNames[s.arithmetic]
	}
	return s.name
}

func (s blocks) Granularity() Granularity { return s.granularity }

// BitsPerWeight counts codes and parameters.
func (s blocks) BitsPerWeight(rows, cols int) float64 {
	g := s.granularity
	if rows*cols == 0 {
		if g.Run != 0 {
			return s.code + s.parameters/float64(g.Run)
		}
		if g.Rows*g.Cols == 0 {
			return s.code
		}
		return s.code + s.parameters/float64(g.Rows*g.Cols)
	}
	n := float64(rows) * float64(cols)
	return s.code + (s.parameters*float64(g.count(rows, cols))+s.whole)/n
}

// count returns how many groups a tensor has.
func (g Granularity) count(rows, cols int) int {
	parts := func(n, size int) int {
		if size == 0 {
			return 1
		}
		return (n + size - 1) / size
	}
	if g.Run != 0 {
		return parts(rows*cols, g.Run)
	}
	return parts(rows, g.Rows) * parts(cols, g.Cols)
}

// For returns the scheme for a tensor: computed in the type of its weights where no other
// is chosen.
func (s blocks) For(t Target) Scheme {
	if u, ok := s.rule.(sizing); ok && t.Cols > 0 {
		s.granularity = u.groups(t.Cols)
	}
	switch {
	case s.arithmetic != checkpoint.InvalidDType:
		s.in = arithmetic(s.arithmetic)
	case !s.upcasts && (t.DType == checkpoint.BF16 || t.DType == checkpoint.F16):
		s.in = arithmetic(t.DType)
	default:
		s.in = arithmetic(checkpoint.F32)
	}
	return s
}

// Output returns the type of the dequantized weights.
func (s blocks) Output(stored checkpoint.DType) checkpoint.DType {
	if s.output != checkpoint.InvalidDType {
		return s.output
	}
	return checkpoint.DType(s.For(Target{DType: stored}).(blocks).in)
}

func (s blocks) Fit(w Weights, out checkpoint.DType) (Quantizer, error) {
	r := w.Range()
	if err := checkRange(r, out); err != nil {
		return nil, err
	}
	rows, cols := w.Dims()
	g := s.granularity
	if s.remainder == refused && g.Cols > 1 && cols%g.Cols != 0 {
		return nil, fmt.Errorf("%s takes rows of a multiple of %d weights, not of %d", s.name, g.Cols, cols)
	}
	if s.remainder == refused && g.Rows > 1 && rows%g.Rows != 0 {
		return nil, fmt.Errorf("%s takes a multiple of %d rows, not %d", s.name, g.Rows, rows)
	}
	q := &blockQuantizer{scheme: s, out: out, cols: cols}
	if t, ok := s.rule.(global); ok {
		q.global = t.tensor(r, s.in)
	}
	if q.local() {
		if r.AbsMax() < overflows {
			return q, nil
		}
		return q, q.check(w)
	}
	return q, q.fit(w, rows)
}

// blockQuantizer is a scheme of blocks, fitted to a tensor.
type blockQuantizer struct {
	scheme blocks
	out    checkpoint.DType
	cols   int
	global float32
	groups []params // in the order of groups; nil if each is found when it is read
	across int      // groups side by side
}

// local reports whether each piece holds whole groups, so that their parameters are found
// when they are read.
func (q *blockQuantizer) local() bool {
	g := q.scheme.granularity
	return g.Run == 0 && g.Rows == 1 && g.Cols > 1
}

// uncounted says that there are too many different values to count: each group has its own.
func (q *blockQuantizer) uncounted() bool {
	return q.scheme.granularity != Granularity{}
}

// PredictedSNR is that of floating-point formats: errors are spread evenly over the distance
// to the next number, and the logarithms of weights over a power of two.
func (q *blockQuantizer) PredictedSNR(float64) float64 {
	r, ok := q.scheme.rule.(fp8Rule)
	if !ok {
		return math.NaN()
	}
	spacing := math.Ldexp(1, -r.format.mantissa)
	return -10 * math.Log10(spacing*spacing/12*3/(8*math.Ln2))
}

func (q *blockQuantizer) Rounding() float64 {
	return max(q.out.Rounding(), checkpoint.DType(q.scheme.in).Rounding())
}

// each calls f for the parts of a piece that lie in one group each, and the group's index.
func (q *blockQuantizer) each(p Piece, f func(group, at, n int)) {
	g := q.scheme.granularity
	p.EachRow(func(row, col, at, n int) {
		if g.Run != 0 {
			flat := row*q.cols + col
			for end := at + n; at < end; {
				m := min(g.Run-flat%g.Run, end-at)
				f(flat/g.Run, at, m)
				flat, at = flat+m, at+m
			}
			return
		}
		base := 0
		if g.Rows != 0 {
			base = row / g.Rows * q.across
		}
		if g.Cols == 0 {
			f(base, at, n)
			return
		}
		for end := at + n; at < end; {
			m := min(g.Cols-col%g.Cols, end-at)
			f(base+col/g.Cols, at, m)
			col, at = col+m, at+m
		}
	})
}

// fit finds the parameters of all groups.
func (q *blockQuantizer) fit(w Weights, rows int) error {
	g := q.scheme.granularity
	q.across = 1
	if g.Cols != 0 {
		q.across = (q.cols + g.Cols - 1) / g.Cols
	}
	ranges := make([]Range, g.count(rows, q.cols))
	seen := make([]bool, len(ranges))
	w.Each(g.Align(), func(p Piece) {
		q.each(p, func(group, at, n int) {
			r := rangeOf(p.W[at : at+n])
			if seen[group] {
				r = r.Union(ranges[group])
			}
			ranges[group], seen[group] = r, true
		})
	})
	q.groups = make([]params, len(ranges))
	for i, r := range ranges {
		var err error
		if q.groups[i], err = q.scheme.rule.fit(r, q.global, q.scheme.in); err != nil {
			return err
		}
	}
	if u, ok := q.scheme.rule.(settling); ok {
		u.settle(q.groups, g.Run != 0 && rows*q.cols%g.Run != 0)
	}
	return q.finite(ranges)
}

// finite checks that no group has dequantized weights that are not finite: those are
// largest at the ends of its range.
func (q *blockQuantizer) finite(ranges []Range) error {
	for i, r := range ranges {
		if err := q.ends(r, q.groups[i]); err != nil {
			return err
		}
	}
	return nil
}

// ends checks what becomes of the ends of a range.
func (q *blockQuantizer) ends(r Range, p params) error {
	ends, dst := [2]float32{r.Min, r.Max}, [2]float32{}
	q.scheme.rule.apply(dst[:], ends[:], p, q.scheme.in)
	q.out.Round(dst[:])
	for i, v := range dst {
		if !isFinite(v) {
			return fmt.Errorf("weight %g, dequantized at %s: %w", ends[i], q.scheme.Name(), ErrOverflow)
		}
	}
	return nil
}

// overflows is a magnitude of weights below which no scheme of local groups overflows, in
// whatever type it computes and stores scales.
const overflows = 1 << 10

// check finds the parameters of all groups, and forgets them: some may have none.
func (q *blockQuantizer) check(w Weights) error {
	var first error
	w.Each(q.scheme.granularity.Align(), func(p Piece) {
		if first != nil {
			return
		}
		q.each(p, func(_, at, n int) {
			if first == nil {
				src := p.W[at : at+n]
				r := rangeOf(src)
				of, err := q.params(src, r)
				if err == nil {
					err = q.ends(r, of)
				}
				first = err
			}
		})
	})
	return first
}

// params finds the parameters of one group, whose range is r.
func (q *blockQuantizer) params(src []float32, r Range) (params, error) {
	if s, ok := q.scheme.rule.(searching); ok {
		return s.search(src, r, q.global, q.scheme.in)
	}
	return q.scheme.rule.fit(r, q.global, q.scheme.in)
}

func (q *blockQuantizer) Dequantize(dst []float32, p Piece) {
	dst = dst[:len(p.W)]
	local, a := q.groups == nil, q.scheme.in
	q.each(p, func(group, at, n int) {
		src := p.W[at : at+n]
		var of params
		if local {
			of, _ = q.params(src, rangeOf(src)) // checked by Fit
		} else {
			of = q.groups[group]
		}
		q.scheme.rule.apply(dst[at:at+n], src, of, a)
	})
	q.out.Round(dst)
}

// rangeOf returns the range of the weights of a group, which are finite.
func rangeOf(x []float32) Range {
	r := Range{Min: x[0], Max: x[0]}
	for _, v := range x[1:] {
		if v < r.Min {
			r.Min = v
		}
		if v > r.Max {
			r.Max = v
		}
	}
	return r
}
