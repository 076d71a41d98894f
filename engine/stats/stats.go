// Package stats compares the levels of an analysis: statistics over layers, and changes
// against the baseline, the first level that quantizes nothing.
package stats

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// A Summary describes the layers of one level. Means and medians are over the
// layers whose number exists; a number that does not exist is NaN.
type Summary struct {
	Level quant.Recipe
	// Layers counts the rows that were reached, Failed those without an exponent.
	Layers, Failed              int
	Mean, Std, Min, Max, Median float64 // of alpha; Std with n-1
	Below, Above, Optimal       int     // alpha below engine.OptimalLow, above engine.OptimalHigh, between
	AlphaHat, LogNorm           float64 // means of alpha_weighted and log_norm
	Pearson, Spearman           float64 // correlation of alpha with the baseline, layer by layer
	MeanChange, MedianChange    float64 // of alpha against the baseline, relative
}

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

// Baseline returns the index of the level that changes are measured from, -1 if there is
// none.
func Baseline(levels []quant.Recipe) int {
	return slices.IndexFunc(levels, quant.Recipe.Reference)
}

// Compare summarises every level of a result.
func Compare(res *engine.Result) []Summary {
	base := Baseline(res.Levels)
	out := make([]Summary, len(res.Levels))
	for k, level := range res.Levels {
		out[k] = summarise(level, Reached(res.Rows[k]))
		if base >= 0 {
			out[k].correlate(res.Rows[base], res.Rows[k])
		}
	}
	if base >= 0 {
		b := out[base]
		for k := range out {
			out[k].MeanChange = out[k].Mean/b.Mean - 1
			out[k].MedianChange = out[k].Median/b.Median - 1
		}
	}
	return out
}

func summarise(level quant.Recipe, rows []engine.Row) Summary {
	nan := math.NaN()
	s := Summary{
		Level: level, Layers: len(rows),
		Std: nan, Min: nan, Max: nan, Pearson: nan, Spearman: nan, MeanChange: nan, MedianChange: nan,
	}
	for i := range rows {
		if math.IsNaN(rows[i].Get("alpha")) || rows[i].Status == engine.RowFailed {
			s.Failed++
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
	s.AlphaHat = mean(Values(rows, "alpha_weighted"))
	s.LogNorm = mean(Values(rows, "log_norm"))
	return s
}

// correlate sets the correlations of the exponents with those of the baseline.
func (s *Summary) correlate(baseline, rows []engine.Row) {
	var x, y []float64
	for i := range rows {
		a, b := baseline[i].Get("alpha"), rows[i].Get("alpha")
		if !math.IsNaN(a) && !math.IsNaN(b) {
			x, y = append(x, a), append(y, b)
		}
	}
	if len(x) > 1 {
		s.Pearson = stat.Correlation(x, y, nil)
		s.Spearman = stat.Correlation(ranks(x), ranks(y), nil)
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
