package report

import (
	"cmp"
	"encoding/csv"
	"io"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/gonum/stat"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// OptimalLow and OptimalHigh bound the exponents that the theory of heavy-tailed
// self-regularization calls well-trained.
const (
	OptimalLow  = 2.0
	OptimalHigh = 6.0
)

// A Summary describes the layers of one level. Means and medians are over the
// layers whose number exists; a number that does not exist is NaN.
type Summary struct {
	Level quant.Level
	// Layers counts the rows, Failed those without an exponent.
	Layers, Failed              int
	Mean, Std, Min, Max, Median float64 // of alpha; Std with n-1
	Below, Above, Optimal       int     // alpha < 2, > 6, between
	AlphaHat, LogNorm           float64 // means of alpha_weighted and log_norm
	Pearson, Spearman           float64 // correlation of alpha with the baseline, layer by layer
	MeanChange, MedianChange    float64 // of alpha against the baseline, relative
}

// Compare summarises the tables. The baseline is the fp16 level, if it is there.
func Compare(tables []Table) []Summary {
	var base *Table
	for i := range tables {
		if tables[i].Level == quant.FP16 {
			base = &tables[i]
		}
	}
	out := make([]Summary, len(tables))
	for i := range tables {
		out[i] = summarise(&tables[i], base)
	}
	if base != nil {
		b := summarise(base, base)
		for i := range out {
			out[i].MeanChange = out[i].Mean/b.Mean - 1
			out[i].MedianChange = out[i].Median/b.Median - 1
		}
	}
	return out
}

func summarise(t *Table, base *Table) Summary {
	nan := math.NaN()
	s := Summary{Level: t.Level, Layers: len(t.Records), Pearson: nan, Spearman: nan, MeanChange: nan, MedianChange: nan}
	alpha := existing(t.Records, func(r *Record) float64 { return r.Alpha })
	for i := range t.Records {
		if math.IsNaN(t.Records[i].Alpha) || t.Records[i].Status == string(engine.FitFailed) {
			s.Failed++
		}
	}
	slices.Sort(alpha)
	s.Mean, s.Std = mean(alpha), nan
	if len(alpha) > 1 {
		s.Std = stat.StdDev(alpha, nil)
	}
	s.Min, s.Max, s.Median = nan, nan, median(alpha)
	if len(alpha) > 0 {
		s.Min, s.Max = alpha[0], alpha[len(alpha)-1]
	}
	for _, a := range alpha {
		switch {
		case a < OptimalLow:
			s.Below++
		case a > OptimalHigh:
			s.Above++
		default:
			s.Optimal++
		}
	}
	s.AlphaHat = mean(existing(t.Records, func(r *Record) float64 { return r.AlphaWeighted }))
	s.LogNorm = mean(existing(t.Records, func(r *Record) float64 { return r.LogNorm }))
	if base != nil {
		x, y := paired(base, t)
		if len(x) > 1 {
			s.Pearson = stat.Correlation(x, y, nil)
			s.Spearman = stat.Correlation(ranks(x), ranks(y), nil)
		}
	}
	return s
}

// paired returns the exponents of the layers that have one in both tables, joined
// by name; of several layers of one name, the first with the first and so on.
func paired(a, b *Table) (x, y []float64) {
	of := make(map[string][]float64, len(a.Records))
	for i := range a.Records {
		r := &a.Records[i]
		of[r.LongName] = append(of[r.LongName], r.Alpha)
	}
	for i := range b.Records {
		r := &b.Records[i]
		all := of[r.LongName]
		if len(all) == 0 {
			continue
		}
		v := all[0]
		of[r.LongName] = all[1:]
		if !math.IsNaN(v) && !math.IsNaN(r.Alpha) {
			x, y = append(x, v), append(y, r.Alpha)
		}
	}
	return x, y
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

func existing(records []Record, get func(*Record) float64) []float64 {
	var v []float64
	for i := range records {
		if x := get(&records[i]); !math.IsNaN(x) {
			v = append(v, x)
		}
	}
	return v
}

func mean(x []float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	return stat.Mean(x, nil)
}

// median of sorted values.
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

// WriteComparisonCSV writes one line a level: the columns of the published study,
// then the correlations with the fp16 level and the number of failed fits.
func WriteComparisonCSV(w io.Writer, summaries []Summary) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{
		"quantization", "num_layers", "alpha_mean", "alpha_std", "alpha_min", "alpha_max", "alpha_median",
		"layers_below_2", "layers_above_6", "layers_optimal", "alpha_hat", "log_norm_mean",
		"corr_fp16", "spearman_fp16", "num_failed",
	}); err != nil {
		return err
	}
	for i := range summaries {
		s := &summaries[i]
		if err := out.Write([]string{
			s.Level.String(), strconv.Itoa(s.Layers), number(s.Mean), number(s.Std), number(s.Min), number(s.Max),
			number(s.Median), strconv.Itoa(s.Below), strconv.Itoa(s.Above), strconv.Itoa(s.Optimal),
			number(s.AlphaHat), number(s.LogNorm), number(s.Pearson), number(s.Spearman), strconv.Itoa(s.Failed),
		}); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
