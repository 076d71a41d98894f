package report

import (
	"bufio"
	"io"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/metric"
)

// kinds are the words for the kinds of columns.
var kinds = map[metric.Kind]string{metric.Number: "number", metric.Count: "count", metric.Text: "text", metric.Flag: "flag"}

// WriteMetrics writes docs/METRICS.md: what every column of every file means.
func WriteMetrics(w io.Writer) error {
	p := printer{bufio.NewWriter(w)}
	p.line("# Columns")
	p.line("")
	p.line("Every number that an analysis gives, by the file in which it stands; names and definitions")
	p.line("are those of WeightWatcher 0.7.5.5 where it has them. A number that does not exist is an")
	p.line("empty cell in tables and `null` in JSON, never a 0 or −1 in its place (but see")
	p.line("`--compat weightwatcher`), and infinite ones are `inf` and `-inf`.")

	p.heading("Layers", "`metrics/results_<level>.csv` has one line for each layer. Eigenvalues are those of W^T W; of a convolution\n"+
		"those of all its matrices together, and halved, as WeightWatcher has them.")
	p.columns(Columns(metric.Results))
	p.heading("Errors of quantization", "`metrics/quantization_errors.csv` has one line for each quantized layer and level.")
	p.columns(Columns(metric.Errors))
	p.heading("Levels", "`metrics/quantization_comparison.csv` has one line for each level.")
	p.columns(compared())
	p.heading("In the store only", "`rows/*.jsonl` has one object for each layer and level, with the metrics of the first two tables and these.")
	p.columns(Columns(metric.Store))
	return p.out.Flush()
}

// compared returns the columns of the comparison of levels, as far as they can be
// described.
func compared() []Column {
	var columns []Column
	for _, c := range comparison {
		columns = append(columns, Column{Column: metric.Column{Name: c.name, Kind: c.kind, Doc: c.doc}})
	}
	return columns
}

func (p printer) heading(title, file string) {
	p.line("\n## " + title + "\n\n" + file + "\n")
	p.line("| column | unit | kind | meaning |\n|---|---|---|---|")
}

func (p printer) columns(columns []Column) {
	for _, c := range columns {
		p.line("| `%s` | %s | %s | %s |", c.Name, c.Unit, kinds[c.Kind], strings.ReplaceAll(c.Doc, "|", `\|`))
	}
}
