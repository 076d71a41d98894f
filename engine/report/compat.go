package report

import (
	"math"
	"slices"

	"github.com/wwq-fast/wwq-fast/engine"
)

// Compatible returns a result with what WeightWatcher writes for fits that failed: -1,
// which it calls over-trained and averages, and an infinite exponent as a success. The
// result given stays as it is.
func Compatible(res *engine.Result) *engine.Result {
	out := *res
	out.Options.Compat = true
	out.Rows = make([][]engine.Row, len(res.Rows))
	for k := range res.Rows {
		out.Rows[k] = slices.Clone(res.Rows[k])
		for i := range out.Rows[k] {
			compatible(&out.Rows[k][i])
		}
	}
	return &out
}

// CompatibleRow returns a row as [Compatible] has it.
func CompatibleRow(r engine.Row) engine.Row {
	compatible(&r)
	return r
}

func compatible(r *engine.Row) {
	r.Values = slices.Clone(r.Values)
	// WeightWatcher counts the eigenvalues of at least xmin, those before the tail too.
	if left := r.Get("xmin_ties_left_out"); left > 0 {
		r.Set("num_pl_spikes", r.Get("num_pl_spikes")+left)
	}
	switch r.Status {
	case engine.RowFailed:
		for _, name := range []string{"alpha", "D", "sigma", "xmin", "num_pl_spikes"} {
			r.Set(name, -1)
		}
		r.Set("alpha_weighted", -math.Log10(r.Get("spectral_norm")))
		r.Set("log_alpha_norm", math.Inf(1))
		r.Reason = ""
	case engine.RowDegenerate:
		sign := 1
		if r.Get("spectral_norm") < 1 {
			sign = -1
		}
		r.Set("alpha", math.Inf(1))
		r.Set("sigma", math.Inf(1))
		r.Set("alpha_weighted", math.Inf(sign))
		r.Set("log_alpha_norm", math.Inf(1))
		r.Status, r.Reason = engine.RowSuccess, ""
	case engine.RowRefused:
		r.Set("num_pl_spikes", -1)
	}
}
