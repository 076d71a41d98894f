// Package stats compares the levels of an analysis: statistics over layers, and changes
// against the baseline, over the layers that have an exponent at both levels.
package stats

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// A Summary describes the layers of one level. Means and medians are over the layers that
// count whose number exists; a number that does not exist is NaN. What counts are the
// layers that the levels quantize: the others are the same at every level.
type Summary struct {
	Level quant.Recipe
	// Bits is how many bits a weight takes on average, over the matrices that the levels
	// quantize, 0 if it is not known, and Bytes what the tensors of the whole checkpoint
	// take: these in their bits, and all others as they are stored.
	Bits  float64
	Bytes int64
	SNR   float64 // median of the signal-to-noise ratios of the layers that change, in dB, NaN if there are none
	// Distance is the median of the distances of the spectra from those of the baseline
	// (w1_log), Coherence the largest coherence of the errors of a layer, that of MostCoherent,
	// and Coherent the number of layers above [CoherentErrors]. They are NaN and nil if there
	// are none.
	Distance, Coherence float64
	MostCoherent        *engine.Row
	Coherent            int
	// Layers counts the rows that were reached, Unquantized those of them that do not
	// count, Failed those that count and have no exponent.
	Layers, Unquantized, Failed int
	Mean, Std, Min, Max, Median float64 // of alpha; Std with n-1
	Below, Above, Optimal       int     // alpha below engine.OptimalLow, above engine.OptimalHigh, between
	AlphaHat, LogNorm           float64 // means of alpha_weighted and log_norm
	AlphaHatMedian              float64 // median of alpha_weighted
	LogNormMedian               float64 // median of log_norm
	// Undetermined counts the exponents that might as well be others, because another tail
	// fits about as well; Short those of spectra of fewer than ShortSpectrum eigenvalues.
	Undetermined, Short int

	// What follows compares the level with the baseline, over the Paired layers that have
	// an exponent at both.

	Paired                   int
	Pearson, Spearman        float64 // correlation of alpha
	MeanChange, MedianChange float64 // of the mean of alpha, relative; median of the relative changes of layers
	// Largest is the layer that moves MeanChange most, and WithoutLargest the relative
	// change of the mean over all others. Largest is nil at the baseline, and if
	// there are fewer than two pairs.
	Largest        *engine.Row
	WithoutLargest float64
}

// LargestName returns the name of the layer Largest, empty if there is none.
func (s *Summary) LargestName() string {
	if s.Largest == nil {
		return ""
	}
	return s.Largest.Layer.LongName
}

// CoherentErrors is the coherence above which the errors of a matrix have directions of their
// own: at 8 to 3 bits with one step for the tensor, rounding keeps below 1.03 but on a few
// matrices, which are far above.
const CoherentErrors = 1.2

// CoherentName returns the name of the layer MostCoherent, empty if there is none.
func (s *Summary) CoherentName() string {
	if s.MostCoherent == nil {
		return ""
	}
	return s.MostCoherent.Layer.LongName
}

// ShortSpectrum is the number of eigenvalues below which an exponent is little more than a
// guess.
const ShortSpectrum = 50

// Reached returns the rows of one level that were reached.
func Reached(rows []engine.Row) []engine.Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r engine.Row) bool { return r.Status == engine.RowMissing })
}

// Values returns the values of a column that exist.
func Values(rows []engine.Row, column string) []float64 {
	var v []float64
	for i := range rows {
		if x := rows[i].Get(column); !math.IsNaN(x) {
			v = append(v, x)
		}
	}
	return v
}

// Compare summarises every level of a result. Under WeightWatcher's rules
// (engine.Options.Compat) all layers count, as in the published study.
func Compare(res *engine.Result) []Summary {
	base := res.Baseline()
	out := make([]Summary, len(res.Levels))
	counts := Counts(res)
	for k, level := range res.Levels {
		out[k] = summarise(level, Reached(res.Rows[k]), counts)
		out[k].Bits, out[k].Bytes = res.MeanBits(k), size(res, k)
		snr := slices.DeleteFunc(Values(Reached(res.Rows[k]), "snr_db"), func(x float64) bool { return math.IsInf(x, 1) })
		slices.Sort(snr)
		out[k].SNR = median(snr)
		if base >= 0 {
			out[k].compare(res.Rows[base], res.Rows[k], counts)
		}
		if k == base {
			out[k].Largest, out[k].WithoutLargest = nil, math.NaN()
		}
	}
	return out
}

// size returns how many bytes a checkpoint takes at a level.
func size(res *engine.Result, level int) (bytes int64) {
	quantized := map[string]float64{} // bits that tensors take
	for i := range res.Rows[level] {
		if r := &res.Rows[level][i]; r.Bits > 0 && r.Layer.Quantized {
			quantized[r.Layer.Tensor] += r.Bits * float64(r.Layer.Weights())
		}
	}
	for i := range res.Tensors {
		t := &res.Tensors[i]
		if b, ok := quantized[t.Name]; ok {
			bytes += int64(math.Ceil(b / 8))
		} else {
			bytes += t.Size
		}
	}
	return bytes
}

// Counts returns a function that reports whether the layer of a row counts in statistics:
// all layers do where nothing is quantized at any level.
func Counts(res *engine.Result) func(*engine.Row) bool {
	all := res.Options.Compat || !slices.ContainsFunc(res.Levels, func(l quant.Recipe) bool { return !l.Reference() })
	return func(r *engine.Row) bool { return all || r.Layer.Quantized }
}

func summarise(level quant.Recipe, reached []engine.Row, counts func(*engine.Row) bool) Summary {
	nan := math.NaN()
	s := Summary{
		Level: level, Layers: len(reached),
		Std: nan, Min: nan, Max: nan, Pearson: nan, Spearman: nan, MeanChange: nan, MedianChange: nan, WithoutLargest: nan,
	}
	rows := slices.DeleteFunc(slices.Clone(reached), func(r engine.Row) bool { return !counts(&r) })
	s.Unquantized = len(reached) - len(rows)
	for i := range rows {
		r := &rows[i]
		if math.IsNaN(r.Get("alpha")) || r.Status == engine.RowFailed {
			s.Failed++
			continue
		}
		if _, ok := r.Undetermined(); ok {
			s.Undetermined++
		}
		if r.Layer.NumEvals() < ShortSpectrum {
			s.Short++
		}
	}
	distances := Values(rows, "w1_log")
	slices.Sort(distances)
	s.Distance, s.Coherence = median(distances), nan
	for i := range rows {
		c := rows[i].Get("coherence")
		if c > CoherentErrors {
			s.Coherent++
		}
		if c > s.Coherence || !math.IsNaN(c) && s.MostCoherent == nil {
			s.Coherence, s.MostCoherent = c, &rows[i]
		}
	}
	alpha := Values(rows, "alpha")
	slices.Sort(alpha)
	s.Mean, s.Median = mean(alpha), median(alpha)
	if len(alpha) > 1 {
		s.Std = stat.StdDev(alpha, nil)
	}
	if len(alpha) > 0 {
		s.Min, s.Max = alpha[0], alpha[len(alpha)-1]
	}
	for _, a := range alpha {
		switch {
		case a < engine.OptimalLow:
			s.Below++
		case a > engine.OptimalHigh:
			s.Above++
		default:
			s.Optimal++
		}
	}
	weighted, norms := Values(rows, "alpha_weighted"), Values(rows, "log_norm")
	s.AlphaHat, s.LogNorm = mean(weighted), mean(norms)
	slices.Sort(weighted)
	slices.Sort(norms)
	s.AlphaHatMedian, s.LogNormMedian = median(weighted), median(norms)
	return s
}

// compare sets what compares a level with the baseline.
func (s *Summary) compare(baseline, rows []engine.Row, counts func(*engine.Row) bool) {
	var x, y []float64
	var pairs []*engine.Row
	for i := range rows {
		a, b := baseline[i].Get("alpha"), rows[i].Get("alpha")
		if counts(&rows[i]) && !math.IsNaN(a) && !math.IsNaN(b) {
			x, y, pairs = append(x, a), append(y, b), append(pairs, &rows[i])
		}
	}
	s.Paired = len(pairs)
	if len(pairs) == 0 {
		return
	}
	s.MeanChange = mean(y)/mean(x) - 1
	changes := make([]float64, len(x))
	for i := range x {
		changes[i] = y[i]/x[i] - 1
	}
	slices.Sort(changes)
	s.MedianChange = median(changes)
	if len(pairs) < 2 {
		return
	}
	s.Pearson = stat.Correlation(x, y, nil)
	s.Spearman = stat.Correlation(ranks(x), ranks(y), nil)
	sumX, sumY := mean(x)*float64(len(x)), mean(y)*float64(len(y))
	for i := range pairs {
		without := (sumY-y[i])/(sumX-x[i]) - 1
		if s.Largest == nil || math.Abs(without-s.MeanChange) > math.Abs(s.WithoutLargest-s.MeanChange) {
			s.Largest, s.WithoutLargest = pairs[i], without
		}
	}
}

// ranks returns the rank of each value, from 1, ties sharing their mean rank.
func ranks(x []float64) []float64 {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(x[a], x[b]) })
	r := make([]float64, len(x))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && x[order[j]] == x[order[i]] {
			j++
		}
		for k := i; k < j; k++ {
			r[order[k]] = float64(i+j+1) / 2
		}
		i = j
	}
	return r
}

func mean(x []float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	return stat.Mean(x, nil)
}

// median returns that of ascending values.
func median(x []float64) float64 {
	n := len(x)
	switch {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return x[n/2]
	}
	return (x[n/2-1] + x[n/2]) / 2
}
