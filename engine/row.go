package engine

import (
	"fmt"

	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// A RowStatus says what became of a row: of its power-law fit, or why it has none.
type RowStatus string

const (
	RowSuccess    = RowStatus(metric.FitSuccess)
	RowFailed     = RowStatus(metric.FitFailed)
	RowDegenerate = RowStatus(metric.FitDegenerate)
	// RowRefused: the layer could not be analysed at this level.
	RowRefused RowStatus = "refused"
	// RowMissing: the run ended before this row was computed.
	RowMissing RowStatus = "missing"
)

// A Row is the analysis of one layer at one level.
type Row struct {
	Layer *Layer
	Level quant.Recipe

	Status RowStatus
	// Reason says why Status is not success.
	Reason string

	// Values are the metrics, in the order of metric.Columns. A number that does not
	// exist, such as the exponent of a failed fit, is NaN.
	Values []float64

	// Bits is how many bits a weight of the matrix takes at the level, scales and other
	// parameters included; 0 if it is not known.
	Bits float64
	// Scheme is the name of the scheme by which the level quantized the matrix: of a mixture,
	// the one of this tensor. It is empty if the level changes nothing.
	Scheme string
	// Note says what the scheme of the level made of the matrix where that is not plain, such
	// as another type that its rows allow.
	Note string

	// SHA256 is the hash of the stored bytes of the tensor, in hexadecimal digits; of a layer
	// that is quantized already, behind the parameters by which they are read.
	SHA256     string
	Method     spectrum.Method // that of the matrix of the layer that needed most
	TraceError float64         // largest relative error of the sum of the eigenvalues
	Seconds    float64         // that one worker took; 0 for the copies at other levels of a layer that is not quantized
	// Bytes is the memory that was taken when the row was computed: the stored tensor and
	// the buffers of the worker, which may be those of a larger layer before. It is 0
	// where Seconds is.
	Bytes int64

	// Eigenvalues are all eigenvalues in ascending order, if they were to be kept.
	Eigenvalues []float64
}

// Get returns the value of the column called name, NaN if it does not exist. It panics
// if there is no such column.
func (r *Row) Get(name string) float64 {
	i, ok := metric.Index(name)
	if !ok {
		panic("engine: no column " + name)
	}
	return r.Values[i]
}

// Set sets the value of the column called name. It panics if there is no such column.
func (r *Row) Set(name string, v float64) {
	i, ok := metric.Index(name)
	if !ok {
		panic("engine: no column " + name)
	}
	r.Values[i] = v
}

// The exponents that the theory of heavy-tailed self-regularization calls well-trained
// lie between OptimalLow and OptimalHigh.
const (
	OptimalLow  = 2.0
	OptimalHigh = 6.0
)

// Warning returns the reason of a row that has no exponent, or WeightWatcher's remark on
// the exponent: "over-trained" below OptimalLow, "under-trained" above OptimalHigh.
func (r *Row) Warning() string {
	alpha := r.Get("alpha")
	switch {
	case r.Reason != "":
		return r.Reason
	case alpha < OptimalLow:
		return "over-trained"
	case alpha > OptimalHigh:
		return "under-trained"
	}
	return ""
}

// UndeterminedGap is the difference of two distances D below which the data do not decide
// between the fits that have them.
const UndeterminedGap = 0.005

// Undetermined reports whether another tail, of at least 1.5 times as many eigenvalues or
// as few, fits about as well as the one that was chosen: alpha might as well be other.
func (r *Row) Undetermined() (other float64, ok bool) {
	return r.Get("alpha_other"), r.Status == RowSuccess && r.Get("other_gap") < UndeterminedGap
}

// Doubts says in words what makes the choice of xmin uncertain. Most rows have none.
func (r *Row) Doubts() []string {
	var doubts []string
	if r.Note != "" {
		doubts = append(doubts, "stored as "+r.Note)
	}
	if other, ok := r.Undetermined(); ok {
		doubts = append(doubts, fmt.Sprintf("xmin undetermined: %.2f or %.2f", r.Get("alpha"), other))
	}
	if left, ties := r.Get("xmin_ties_left_out"), r.Get("xmin_ties"); r.Status == RowSuccess && left > 0 {
		doubts = append(doubts, fmt.Sprintf("xmin tied: %g of %g equal eigenvalues are in the tail", ties-left, ties))
	}
	return doubts
}

// Computed reports whether the row has a spectrum.
func (r *Row) Computed() bool { return r.Status != RowRefused && r.Status != RowMissing }

// refusedRow returns a row without metrics.
func refusedRow(l *Layer, level quant.Recipe, status RowStatus, reason string) Row {
	return Row{Layer: l, Level: level, Status: status, Reason: reason, Values: metric.None()}
}

// A TensorRecord is what became of a tensor of which no row comes: it was refused, or has
// the contents of another one.
type TensorRecord struct {
	Tensor string
	SHA256 string // of its stored bytes, in hexadecimal digits
	Reason string // why it is refused; empty if it is a duplicate
}
