package report

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// A Context is what a row does not know of itself. One goroutine may use it at a time.
type Context struct {
	Model string    // the name of the model
	When  time.Time // the start of the run; if it is zero, the column timestamp is empty
	// Compat says that tables have what WeightWatcher writes.
	Compat bool

	tools map[string]string // by the names of schemes
}

// tool returns the tool that a scheme follows.
func (c *Context) tool(scheme string) string {
	name, known := c.tools[scheme]
	if !known {
		if c.tools == nil {
			c.tools = map[string]string{}
		}
		name = quant.Tool(scheme)
		c.tools[scheme] = name
	}
	return name
}

// A Column is one column of a table: a metric, or something of the layer, the level or
// the run.
type Column struct {
	metric.Column
	// Of columns that are no metrics, one of these is set.
	text   func(r *engine.Row, c *Context) string
	number func(r *engine.Row) float64
}

// described are the columns that are no metrics.
var described = []Column{
	{Column: metric.Column{Name: "layer_id", Kind: metric.Count, Doc: "Index of the layer among those analysed, in natural order of tensor names."},
		number: func(r *engine.Row) float64 { return float64(r.Layer.ID) }},
	{Column: metric.Column{Name: "name", Kind: metric.Text, Doc: "Last part of longname."},
		text: func(r *engine.Row, _ *Context) string { return r.Layer.Name() }},
	{Column: metric.Column{Name: "M", Kind: metric.Count, Doc: "Smaller dimension of the matrix."},
		number: func(r *engine.Row) float64 { return float64(r.Layer.M()) }},
	{Column: metric.Column{Name: "N", Kind: metric.Count, Doc: "Larger dimension of the matrix."},
		number: func(r *engine.Row) float64 { return float64(r.Layer.N()) }},
	{Column: metric.Column{Name: "Q", Doc: "N divided by M."},
		number: func(r *engine.Row) float64 { return float64(r.Layer.N()) / float64(r.Layer.M()) }},
	{Column: metric.Column{Name: "has_esd", Kind: metric.Flag, Doc: "Always true, as in WeightWatcher's tables, which leave out all other layers."}},
	{Column: metric.Column{Name: "layer_type", Kind: metric.Text, Doc: "dense, conv1d, conv2d or embedding."},
		text: func(r *engine.Row, _ *Context) string { return string(r.Layer.Type) }},
	{Column: metric.Column{Name: "longname", Kind: metric.Text, Doc: "Name of the tensor without .weight; [i] is added for the matrices of one tensor that are layers of their own."},
		text: func(r *engine.Row, _ *Context) string { return r.Layer.LongName }},
	{Column: metric.Column{Name: "num_evals", Kind: metric.Count, Doc: "Number of eigenvalues."},
		number: func(r *engine.Row) float64 { return float64(r.Layer.NumEvals()) }},
	{Column: metric.Column{Name: "rf", Kind: metric.Count, Doc: "Number of matrices of the layer: the kernel area of a convolution, else 1."},
		number: func(r *engine.Row) float64 { return float64(r.Layer.Slices) }},
	{Column: metric.Column{Name: "status", Kind: metric.Text, Doc: "success, failed, degenerate (the eigenvalues of the best tail differ by no more than rounding, or by less than 0.1 %) or refused (the layer could not be analysed)."},
		text: func(r *engine.Row, _ *Context) string { return string(r.Status) }},
	{Column: metric.Column{Name: "warning", Kind: metric.Text, Doc: "The reason if status is not success; else over-trained for alpha below 2, under-trained above 6, and what makes xmin uncertain: another tail that fits as well, or equal eigenvalues at xmin."},
		text: warning},
	{Column: metric.Column{Name: "bits_per_weight", Doc: "Bits that a weight takes at the level, scales and other parameters included."},
		number: func(r *engine.Row) float64 { return Known(r.Bits) }},
	{Column: metric.Column{Name: "scheme", Kind: metric.Text, Doc: "Scheme by which the level quantized the layer: of a mixture, the one of this layer; empty if the level changes nothing. Where rows ask for another type, warning says which it is."},
		text: func(r *engine.Row, _ *Context) string { return r.Scheme }},
	{Column: metric.Column{Name: "tool", Kind: metric.Text, Doc: "Tool and version whose convention the scheme follows; empty if it follows none."},
		text: func(r *engine.Row, c *Context) string { return c.tool(r.Scheme) }},
	{Column: metric.Column{Name: "model_name", Kind: metric.Text, Doc: "Name of the model."},
		text: func(_ *engine.Row, c *Context) string { return c.Model }},
	{Column: metric.Column{Name: "quantization", Kind: metric.Text, Doc: "Name of the level."},
		text: func(r *engine.Row, _ *Context) string { return quant.ShortName(r.Level) }},
	{Column: metric.Column{Name: "timestamp", Kind: metric.Text, Doc: "Start of the run; empty with --reproducible."},
		text: func(_ *engine.Row, c *Context) string { return timestamp(c.When) }},
}

// warning returns what there is to be said against a row. WeightWatcher knows no doubts.
func warning(r *engine.Row, c *Context) string {
	var all []string
	if w := r.Warning(); w != "" {
		all = append(all, w)
	}
	if !c.Compat {
		all = append(all, r.Doubts()...)
	}
	return strings.Join(all, "; ")
}

// Tables begin with these columns, in this order; those of other metrics follow.
var leading = map[metric.Table][]string{
	// WeightWatcher's 32 default columns in its order, then the three that the
	// published study added.
	metric.Results: {
		"layer_id", "name", "D", "M", "N", "Q", "alpha", "alpha_weighted", "entropy", "has_esd",
		"lambda_max", "layer_type", "log_alpha_norm", "log_norm", "log_spectral_norm", "longname",
		"matrix_rank", "norm", "num_evals", "num_pl_spikes", "rank_loss", "rf", "sigma",
		"spectral_norm", "stable_rank", "status", "sv_max", "sv_min", "warning", "weak_rank_loss",
		"xmax", "xmin", "model_name", "quantization", "timestamp",
	},
	metric.Errors: {"quantization", "longname"},
}

// trailing are the columns at the end of tables that are no metrics.
var trailing = map[metric.Table][]string{
	metric.Results: {"bits_per_weight", "scheme", "tool"},
	metric.Errors:  {"bits_per_weight", "scheme", "tool"},
}

// Columns returns the columns of a table in its order.
func Columns(table metric.Table) []Column {
	var columns []Column
	for _, name := range leading[table] {
		columns = append(columns, find(name))
	}
	for _, c := range metric.Columns() {
		if c.Table == table && !slices.Contains(leading[table], c.Name) {
			columns = append(columns, Column{Column: c})
		}
	}
	for _, name := range trailing[table] {
		columns = append(columns, find(name))
	}
	return columns
}

// find returns the column called name.
func find(name string) Column {
	for _, c := range described {
		if c.Name == name {
			return c
		}
	}
	i, ok := metric.Index(name)
	if !ok {
		panic("report: no column " + name)
	}
	return Column{Column: metric.Columns()[i]}
}

// value returns the number of a column that is one, NaN if it does not exist.
func (c *Column) value(r *engine.Row) float64 {
	if c.number != nil {
		return c.number(r)
	}
	return r.Get(c.Name)
}

// Cell returns what a CSV file has for a row: nothing for a number that does not exist.
func (c *Column) Cell(r *engine.Row, of *Context) string {
	switch c.Kind {
	case metric.Text:
		return escape(c.text(r, of))
	case metric.Flag:
		return "True"
	case metric.Count:
		if x := c.value(r); !math.IsNaN(x) {
			return strconv.Itoa(int(x))
		}
		return ""
	}
	return number(c.value(r))
}

// JSON returns what a JSON object has for a row: a string, a boolean, a number, or nil
// for one that does not exist. Infinite numbers are strings.
func (c *Column) JSON(r *engine.Row, of *Context) any {
	switch c.Kind {
	case metric.Text:
		return c.text(r, of)
	case metric.Flag:
		return true
	}
	return JSONNumber(c.value(r))
}

// JSONNumber returns what JSON has for a number: nil for one that does not exist, and the
// strings inf and -inf for infinite ones.
func JSONNumber(x float64) any {
	switch {
	case math.IsNaN(x):
		return nil
	case math.IsInf(x, 0):
		return number(x)
	}
	return x
}

// Fields returns the columns of a table for a row, by name, as JSON has them.
func Fields(table metric.Table, r *engine.Row, of *Context) map[string]any {
	fields := map[string]any{}
	for _, c := range Columns(table) {
		fields[c.Name] = c.JSON(r, of)
	}
	return fields
}

func timestamp(when time.Time) string {
	if when.IsZero() {
		return ""
	}
	return when.Format("2006-01-02T15:04:05.000000")
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

// escape makes a string from a file fit for a cell. What holds characters that are not
// printable, which control terminals or change the order of text, is quoted as
// checkpoint.Printable does. What a spreadsheet would read as a formula gets an apostrophe.
func escape(s string) string {
	if s == "" {
		return ""
	}
	switch s = checkpoint.Printable(s); s[0] {
	case '=', '+', '-', '@':
		return "'" + s
	}
	return s
}
