package report

import (
	"encoding/csv"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wwq-fast/wwq-fast/engine"
)

// columns are WeightWatcher's 32 default columns in its order, then the three
// that the quantization study added.
var columns = []string{
	"layer_id", "name", "D", "M", "N", "Q", "alpha", "alpha_weighted", "entropy", "has_esd",
	"lambda_max", "layer_type", "log_alpha_norm", "log_norm", "log_spectral_norm", "longname",
	"matrix_rank", "norm", "num_evals", "num_pl_spikes", "rank_loss", "rf", "sigma",
	"spectral_norm", "stable_rank", "status", "sv_max", "sv_min", "warning", "weak_rank_loss",
	"xmax", "xmin", "model_name", "quantization", "timestamp",
}

// fitCells are the columns that depend on how a failed fit is written.
type fitCells struct {
	alpha, alphaWeighted, logAlphaNorm, d, sigma, xmin, xmax float64
	spikes                                                   int
	status, warning                                          string
}

// cells returns the fit columns of a row. By default what does not exist is NaN,
// to become an empty cell, with the reason in warning. compat writes what
// WeightWatcher writes: -1 for a failed fit, which it calls over-trained, and an
// infinite exponent as a success.
func cells(r *engine.Row, compat bool) fitCells {
	c := fitCells{
		alpha: r.Alpha, alphaWeighted: r.AlphaWeighted, logAlphaNorm: r.LogAlphaNorm,
		d: r.D, sigma: r.Sigma, xmin: r.XMin, xmax: r.XMax, spikes: r.NumPLSpikes,
		status: string(r.Status), warning: r.Warning(),
	}
	if r.Reason != "" {
		c.warning = r.Reason
	}
	if r.Status != engine.FitSuccess && !(r.Status == engine.FitDegenerate && r.NumPLSpikes > 0) {
		c.spikes = -1
	}
	if !compat {
		return c
	}
	switch r.Status {
	case engine.FitFailed:
		c.alpha, c.d, c.sigma, c.xmin, c.spikes = -1, -1, -1, -1, -1
		c.alphaWeighted = -math.Log10(r.SpectralNorm)
		c.logAlphaNorm = math.Inf(1)
		c.warning = "over-trained"
	case engine.FitDegenerate:
		c.alpha, c.sigma = math.Inf(1), math.Inf(1)
		c.alphaWeighted = math.Inf(1)
		if r.SpectralNorm < 1 {
			c.alphaWeighted = math.Inf(-1)
		}
		c.logAlphaNorm = math.Inf(1)
		c.status, c.warning = string(engine.FitSuccess), "under-trained"
	}
	return c
}

// WriteCSV writes the rows of one level: 35 columns, a header line, numbers with
// all their digits. Rows that were not reached are left out. If when is zero, the
// column timestamp is empty.
func WriteCSV(w io.Writer, rows []engine.Row, model string, when time.Time, compat bool) error {
	out := csv.NewWriter(w)
	if err := out.Write(columns); err != nil {
		return err
	}
	for i := range rows {
		r := &rows[i]
		if r.Status == engine.FitMissing {
			continue
		}
		if err := out.Write(record(r, model, when, compat)); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func timestamp(when time.Time) string {
	if when.IsZero() {
		return ""
	}
	return when.Format("2006-01-02T15:04:05.000000")
}

func record(r *engine.Row, model string, when time.Time, compat bool) []string {
	c := cells(r, compat)
	l := r.Layer
	// Counts of a row without a spectrum do not exist.
	count := func(n int) string {
		if !r.Computed() {
			return ""
		}
		return strconv.Itoa(n)
	}
	spikes := strconv.Itoa(c.spikes)
	if c.spikes < 0 && !compat {
		spikes = ""
	}
	return []string{
		strconv.Itoa(l.ID), text(l.Name()), number(c.d), strconv.Itoa(l.M()), strconv.Itoa(l.N()),
		number(float64(l.N()) / float64(l.M())), number(c.alpha), number(c.alphaWeighted),
		number(r.Entropy), "True", number(r.SpectralNorm), string(l.Type), number(c.logAlphaNorm),
		number(r.LogNorm), number(r.LogSpectralNorm), text(l.LongName), count(r.MatrixRank),
		number(r.Norm), strconv.Itoa(l.NumEvals()), spikes, count(r.RankLoss), strconv.Itoa(l.Slices),
		number(c.sigma), number(r.SpectralNorm), number(r.StableRank), c.status, number(r.SVMax),
		number(r.SVMin), text(c.warning), count(r.WeakRankLoss), number(c.xmax), number(c.xmin),
		text(model), r.Level.String(), timestamp(when),
	}
}

// WriteErrorsCSV writes the error statistics of the quantized layers at every
// level: a table in long form.
func WriteErrorsCSV(w io.Writer, res *engine.Result) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"quantization", "longname", "scale", "unique_values", "mse", "mae", "max_abs_error", "snr_db", "relative_error"}); err != nil {
		return err
	}
	for k, level := range res.Levels {
		for i := range res.Rows[k] {
			r := &res.Rows[k][i]
			if !r.Computed() || !r.Layer.Quantized {
				continue
			}
			e := &r.Errors
			if err := out.Write([]string{
				level.String(), text(r.Layer.LongName), number(r.Scale), strconv.Itoa(e.Unique), number(e.MSE),
				number(e.MAE), number(e.MaxAbs), number(e.SNR), number(e.Relative),
			}); err != nil {
				return err
			}
		}
	}
	out.Flush()
	return out.Error()
}

// number formats a cell: all digits, nothing for NaN.
func number(x float64) string {
	if math.IsNaN(x) {
		return ""
	}
	if math.IsInf(x, 0) {
		return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(x, 'g', -1, 64)), "+")
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

// textColumns are the columns that are no numbers.
var textColumns = []string{"name", "layer_type", "longname", "status", "warning", "model_name", "quantization", "timestamp"}

// Fields returns the columns of a row as the CSV file has them, by name: strings,
// numbers, and nil for an empty cell. Infinite numbers, which only compat writes,
// are strings.
func Fields(r *engine.Row, model string, when time.Time, compat bool) map[string]any {
	fields := map[string]any{}
	for i, cell := range record(r, model, when, compat) {
		name := columns[i]
		x, err := strconv.ParseFloat(cell, 64)
		switch {
		case name == "has_esd":
			fields[name] = cell == "True"
		case slices.Contains(textColumns, name):
			fields[name] = plain(cell)
		case cell == "":
			fields[name] = nil
		case err != nil || math.IsInf(x, 0):
			fields[name] = cell
		default:
			fields[name] = x
		}
	}
	return fields
}

// plain undoes text.
func plain(s string) string {
	if len(s) > 1 && s[0] == '\'' && text(s[1:]) == s {
		return s[1:]
	}
	return s
}

// text keeps a string from a file from being read as a formula by a spreadsheet.
func text(s string) string {
	if s != "" {
		switch s[0] {
		case '=', '+', '-', '@', '\t', '\r':
			return "'" + s
		}
	}
	return s
}
