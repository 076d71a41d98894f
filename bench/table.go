package bench

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Write prints the report as text: the machine, and one table of all results.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	for _, l := range r.Machine.Lines() {
		fmt.Fprintf(&b, "%-10s %s\n", l[0], l[1])
	}
	b.WriteString("\n")
	rows := [][]string{{"suite", "case", "variant", "min", "median", "max", "runs", "rate", "", "speed"}}
	for i := range r.Results {
		rows = append(rows, r.Results[i].row(i > 0 && r.Results[i-1].sameCase(&r.Results[i])))
	}
	writeTable(&b, rows, []bool{3: true, 4: true, 5: true, 6: true, 7: true, 9: true})
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Result) sameCase(o *Result) bool { return r.Suite == o.Suite && r.Case == o.Case }

// row returns the cells of a result. If repeated is true, the cells that equal those of
// the line above are empty.
func (r *Result) row(repeated bool) []string {
	first := []string{r.Suite, strings.ReplaceAll(r.Case, "/", " ")}
	if repeated {
		first = []string{"", ""}
	}
	var rates []string
	for _, x := range r.Rates[min(1, len(r.Rates)):] {
		rates = append(rates, number(x.Value)+" "+x.Unit)
	}
	main := Rate{}
	if len(r.Rates) > 0 {
		main = r.Rates[0]
	}
	speed := ""
	if r.Speed > 0 {
		speed = fmt.Sprintf("%.2f × %s", r.Speed, r.Reference)
	}
	unit := strings.Join(append([]string{main.Unit}, rates...), ", ")
	return append(first, r.Variant, duration(r.Time.Min), duration(r.Time.Median), duration(r.Time.Max),
		fmt.Sprint(r.Time.Runs), number(main.Value), unit, speed)
}

// duration formats d with at least three digits, so that rounding does not hide
// differences of a few per cent.
func duration(d time.Duration) string {
	switch {
	case d < 100*time.Microsecond:
		return fmt.Sprintf("%.2f µs", float64(d)/1e3)
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.3f ms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.3f s", d.Seconds())
}

func number(x float64) string {
	switch {
	case x < 10:
		return fmt.Sprintf("%.2f", x)
	case x < 100:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

// writeTable writes rows in aligned columns; the first row is the header.
func writeTable(b *strings.Builder, rows [][]string, right []bool) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < len(right) && right[i] {
				line.WriteString(pad + cell + "  ")
			} else {
				line.WriteString(cell + pad + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		if n == 0 {
			total := -2
			for _, w := range widths {
				total += w + 2
			}
			b.WriteString(strings.Repeat("-", total) + "\n")
		}
	}
}
