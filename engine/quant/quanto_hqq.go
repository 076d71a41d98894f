package quant

import (
	"math"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// quantoHQQ is optimum-quanto's qint4 or qint2 with its HqqOptimizer: the shifts of groups are
// moved as long as the mean error of the tensor falls, and the best are kept. It is not what
// the library hqq does, which moves integer zero points and keeps the last.
type quantoHQQ struct{ blocks }

func (s quantoHQQ) Name() string { return s.blocks.Name() + "-hqq" }

// For chooses groups and arithmetic as without the search.
func (s quantoHQQ) For(t Target) Scheme { return quantoHQQ{s.blocks.For(t).(blocks)} }

// BytesPerWeight is the memory that the search takes: the weights.
func (quantoHQQ) BytesPerWeight() int { return 4 }

// Fit walks over the weights twice, and searches in a copy of them.
func (s quantoHQQ) Fit(w Weights, out checkpoint.DType) (Quantizer, error) {
	rows, cols := w.Dims()
	s.granularity = s.rule.(quantoInt).groups(cols)
	plain, err := s.blocks.Fit(w, out)
	if err != nil {
		return nil, err
	}
	q := plain.(*blockQuantizer)
	size := s.granularity.Cols
	if size == 0 {
		size = cols
	}
	q.across = cols / size
	x := make([]float32, 0, rows*cols)
	w.Each(1, func(p Piece) { x = append(x, p.W...) })
	ranges := make([]kernel.Extent, len(x)/size)
	kernel.GroupRanges(ranges, x, size)
	q.groups = make([]params, len(ranges))
	for i, r := range ranges {
		if q.groups[i], err = s.rule.fit(Range{Min: r.Min, Max: r.Max}, 0, s.in); err != nil {
			return nil, err
		}
	}
	s.search(x, size, q.groups)
	return q, q.finite(ranges, q.groups)
}

// search moves the shifts, which groups have with a minus in Zero and Bias. Means are taken in
// float64.
func (s quantoHQQ) search(x []float32, size int, groups []params) {
	a, highest := s.in, top(s.rule.(quantoInt).bits)
	moved := make([]params, len(groups))
	copy(moved, groups)
	best, beta := math.Inf(1), float32(10)
	for range 21 {
		total := 0.0
		next := make([]params, len(groups))
		for g, p := range moved {
			sum := 0.0
			for _, v := range x[g*size:][:size] {
				code := clamp(roundEven(a.round(a.round(v-p.Zero)/p.Step)), 0, highest)
				scaled := a.round(code * p.Scale)
				e := a.round(v - a.round(scaled+p.Bias))
				total += float64(abs(e))
				sum += float64(a.round(scaled - a.round(v-a.round(shrink(e, beta)))))
			}
			p.Zero = -a.round(float32(sum / float64(size)))
			p.Bias = p.Zero
			next[g] = p
		}
		mean := float64(float32(total / float64(len(x))))
		if !math.IsInf(best, 1) {
			if !(mean < best) {
				return
			}
			copy(groups, moved)
		}
		best, moved = mean, next
		beta *= 1.01
	}
}
