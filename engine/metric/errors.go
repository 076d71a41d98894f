package metric

import (
	"math"

	"github.com/wwq-fast/wwq-fast/engine/quant"
)

var quantizationErrors = Metric{
	Columns: []Column{
		{Name: "scale", Table: Errors, Doc: "Step between neighbouring values; 0 if every weight stays as it is, and none where steps differ."},
		{Name: "unique_values", Kind: Count, Table: Errors, Doc: "Number of different dequantized weights, both zeros as one."},
		{Name: "mse", Table: Errors, Doc: "Mean of the squared errors of the dequantized weights."},
		{Name: "mae", Table: Errors, Doc: "Mean of the absolute errors."},
		{Name: "max_abs_error", Table: Errors, Doc: "Largest absolute error."},
		{Name: "snr_db", Unit: "dB", Table: Errors, Doc: "Signal-to-noise ratio: 10 log10 of the sum of squared weights over that of squared errors; infinite without error."},
		{Name: "relative_error", Table: Errors, Doc: "Sum of the absolute errors over that of the absolute weights."},
	},
	Measure: measureErrors,
}

func measureErrors(dst []float64, in *Input) Finding {
	if e := in.Errors; e != nil {
		step, unique := math.NaN(), math.NaN()
		if q, ok := in.Matrices[0].Quantizer.(quant.Stepped); ok {
			step = float64(q.Step())
		}
		if e.Unique >= 0 {
			unique = float64(e.Unique)
		}
		copy(dst, []float64{step, unique, e.MSE, e.MAE, e.MaxAbs, e.SNR, e.Relative})
	}
	return Finding{}
}
