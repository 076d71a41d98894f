package quant

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// A rule is how a tool quantizes one group of weights that share parameters. Rules are
// comparable and have no state.
type rule interface {
	// fit returns the parameters of a group whose weights have the range r, in a tensor
	// with the parameter global. Where a tool's parameters are not finite, they are of no
	// use: then fit returns an error.
	fit(r Range, global float32, a arithmetic) (params, error)
	// apply writes what becomes of the weights src of consecutive groups of size weights, of
	// which the last may have fewer, to dst, in float32.
	apply(dst, src []float32, size int, groups []params, a arithmetic)
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

// A settling rule has something to do when the parameters of all groups are there, and returns
// a parameter of the whole tensor. short says that the last run is.
type settling interface {
	rule
	settle(groups []params, short bool) float32
}

// A sizing rule has groups whose size depends on the length of a row.
type sizing interface {
	rule
	groups(cols int) Granularity
}

// params are the parameters of a group, as the loops take them.
type params = kernel.Group

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

// Takes asks whether groups divide the tensor, if the tool does.
func (s blocks) Takes(rows, cols int) error {
	g := s.granularity
	if s.remainder == refused && g.Cols > 1 && cols%g.Cols != 0 {
		return fmt.Errorf("%s takes rows of a multiple of %d weights, not of %d", s.name, g.Cols, cols)
	}
	if s.remainder == refused && g.Rows > 1 && rows%g.Rows != 0 {
		return fmt.Errorf("%s takes a multiple of %d rows, not %d", s.name, g.Rows, rows)
	}
	return nil
}

func (s blocks) Fit(w Weights, out checkpoint.DType) (Quantizer, error) {
	r := w.Range()
	if err := checkRange(r, out); err != nil {
		return nil, err
	}
	rows, cols := w.Dims()
	if err := s.Takes(rows, cols); err != nil {
		return nil, err
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
	return q, q.fit(w, rows, r.AbsMax())
}

// blockQuantizer is a scheme of blocks, fitted to a tensor.
type blockQuantizer struct {
	scheme blocks
	out    checkpoint.DType
	cols   int
	global float32
	groups []params        // in the order of groups; nil if each is found when it is read
	across int             // groups side by side
	ends   []kernel.Extent // the ranges of rows, if those are the groups
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
	spacing := math.Ldexp(1, -r.format.Mantissa)
	return -10 * math.Log10(spacing*spacing/12*3/(8*math.Ln2))
}

func (q *blockQuantizer) Rounding() float64 {
	return max(q.out.Rounding(), checkpoint.DType(q.scheme.in).Rounding())
}

// each calls f for the parts of a piece that lie in consecutive groups of a row: n weights
// from at on, in groups of size weights from that of the index group on. The last of a part may
// have fewer, and so may the first, which then is the only one.
func (q *blockQuantizer) each(p Piece, f func(group, size, at, n int)) {
	g := q.scheme.granularity
	p.EachRow(func(row, col, at, n int) {
		base, size := 0, g.Cols
		switch {
		case g.Run != 0:
			size, col = g.Run, row*q.cols+col
		case g.Rows != 0:
			base = row / g.Rows * q.across
		}
		if size == 0 {
			f(base, n, at, n)
			return
		}
		if begun := col % size; begun != 0 {
			m := min(size-begun, n)
			f(base+col/size, m, at, m)
			col, at, n = col+m, at+m, n-m
		}
		if n > 0 {
			f(base+col/size, size, at, n)
		}
	})
}

// batch is how many groups are taken at once, if they are not more than batchWeights, which
// stay in the first-level cache between the loop that finds ranges and the one that quantizes.
const (
	batch        = 256
	batchWeights = 1 << 12
)

// fit finds the parameters of all groups of weights of magnitudes up to most.
func (q *blockQuantizer) fit(w Weights, rows int, most float32) error {
	g := q.scheme.granularity
	q.across = 1
	if g.Cols != 0 {
		q.across = (q.cols + g.Cols - 1) / g.Cols
	}
	ranges := make([]kernel.Extent, g.count(rows, q.cols))
	seen := make([]bool, len(ranges))
	var part []kernel.Extent
	w.Each(g.Align(), func(p Piece) {
		q.each(p, func(group, size, at, n int) {
			count := (n + size - 1) / size
			if g.Run != 0 && !seen[group] {
				// Only the last of these goes on in what is read next.
				kernel.GroupRanges(ranges[group:group+count], p.W[at:at+n], size)
				seen[group+count-1] = true
				return
			}
			part = slices.Grow(part[:0], count)
			found := part[:count]
			kernel.GroupRanges(found, p.W[at:at+n], size)
			for i, r := range found {
				if seen[group+i] {
					r.Min, r.Max = min(r.Min, ranges[group+i].Min), max(r.Max, ranges[group+i].Max)
				}
				ranges[group+i], seen[group+i] = r, true
			}
		})
	})
	q.groups = make([]params, len(ranges))
	if err := fitAll(q.scheme.rule, q.groups, ranges, q.global, q.scheme.in); err != nil {
		return err
	}
	if u, ok := q.scheme.rule.(settling); ok {
		q.global = u.settle(q.groups, g.Run != 0 && rows*q.cols%g.Run != 0)
	}
	if g == rowWise {
		q.ends = ranges
	}
	if most < overflows {
		return nil
	}
	return q.finite(ranges, q.groups)
}

// finite checks that no group has dequantized weights that are not finite: those are
// largest at the ends of its range.
func (q *blockQuantizer) finite(ranges []kernel.Extent, groups []params) error {
	var ends, dst [2 * batch]float32
	for len(ranges) > 0 {
		n := min(batch, len(ranges))
		for i, r := range ranges[:n] {
			ends[2*i], ends[2*i+1] = r.Min, r.Max
		}
		q.scheme.rule.apply(dst[:2*n], ends[:2*n], 2, groups[:n], q.scheme.in)
		q.out.Round(dst[:2*n])
		for i, v := range dst[:2*n] {
			if !isFinite(v) {
				return fmt.Errorf("weight %g, dequantized at %s: %w", ends[i], q.scheme.Name(), ErrOverflow)
			}
		}
		ranges, groups = ranges[n:], groups[n:]
	}
	return nil
}

// overflows is a magnitude of weights below which no scheme overflows, in whatever type it
// computes and stores scales.
const overflows = 1 << 10

// check finds the parameters of all groups, and forgets them: some may have none.
func (q *blockQuantizer) check(w Weights) error {
	var first error
	b := batchesPool.Get().(*batches)
	defer batchesPool.Put(b)
	w.Each(q.scheme.granularity.Align(), func(p Piece) {
		q.each(p, func(_, size, at, n int) {
			if first == nil {
				first = b.each(q, p.W[at:at+n], size, func(_ int, _ []float32, ranges []kernel.Extent, groups []params) error {
					return q.finite(ranges, groups)
				})
			}
		})
	})
	return first
}

// batches are the ranges and parameters of some local groups at a time.
type batches struct {
	ranges [batch]kernel.Extent
	groups [batch]params
}

// batchesPool keeps them from piece to piece.
var batchesPool = sync.Pool{New: func() any { return new(batches) }}

// each finds the parameters of the local groups of src, of size weights each, and calls f for
// some groups at a time: the weights from at on.
func (b *batches) each(q *blockQuantizer, src []float32, size int, f func(at int, src []float32, ranges []kernel.Extent, groups []params) error) error {
	most := max(1, min(batch, batchWeights/size))
	ranges, groups := b.ranges[:], b.groups[:]
	search, searches := q.scheme.rule.(searching)
	for at := 0; at < len(src); {
		part := src[at:min(at+most*size, len(src))]
		n := (len(part) + size - 1) / size
		kernel.GroupRanges(ranges[:n], part, size)
		if !searches {
			if err := fitAll(q.scheme.rule, groups[:n], ranges[:n], q.global, q.scheme.in); err != nil {
				return err
			}
		} else {
			for i, e := range ranges[:n] {
				var err error
				r := Range{Min: e.Min, Max: e.Max}
				if groups[i], err = search.search(part[i*size:min((i+1)*size, len(part))], r, q.global, q.scheme.in); err != nil {
					return err
				}
			}
		}
		if err := f(at, part, ranges[:n], groups[:n]); err != nil {
			return err
		}
		at += len(part)
	}
	return nil
}

func (q *blockQuantizer) Dequantize(dst []float32, p Piece) {
	dst = dst[:len(p.W)]
	apply, a := q.scheme.rule.apply, q.scheme.in
	b := batchesPool.Get().(*batches)
	defer batchesPool.Put(b)
	q.each(p, func(group, size, at, n int) {
		d, s := dst[at:at+n], p.W[at:at+n]
		if q.groups != nil {
			apply(d, s, size, q.groups[group:group+(n+size-1)/size], a)
			return
		}
		// Fit has seen that there is no error.
		_ = b.each(q, s, size, func(at int, src []float32, _ []kernel.Extent, groups []params) error {
			apply(d[at:at+len(src)], src, size, groups, a)
			return nil
		})
	})
	q.out.Round(dst)
}
