package cli

import (
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// A Column is a column of a [Table].
type Column struct {
	Head  string
	Right bool // aligned to the right, as numbers are
	// Spare columns are left out where the terminal is too narrow, those with the largest
	// number first; those with the same number go together. A column with 0 is never left
	// out.
	Spare int
	// Long columns hold names: on a terminal they are shortened, at the front, if nothing
	// more can be left out.
	Long bool
}

// A Table is printed in as many columns as the terminal has.
type Table struct {
	// Listing says that the table is a list that programs may search: where there is no
	// terminal it is printed whole.
	Listing bool

	term    *Terminal
	columns []Column
	rows    [][]string
}

// NewTable returns a table with these columns.
func (t *Terminal) NewTable(columns ...Column) *Table { return &Table{term: t, columns: columns} }

// Row appends a row. Cells that it does not give are empty.
func (t *Table) Row(cells ...any) {
	row := make([]string, len(t.columns))
	for j, c := range cells {
		row[j] = fmt.Sprint(c)
	}
	t.rows = append(t.rows, row)
}

// padding is what a column takes besides its cells.
const padding = 2

// Render returns the table without a newline at its end.
func (t *Table) Render() string {
	room := t.term.Width()
	widths := make([]int, len(t.columns))
	for j := range t.columns {
		widths[j] = text.StringWidthWithoutEscSequences(t.columns[j].Head)
		for _, row := range t.rows {
			widths[j] = max(widths[j], text.StringWidthWithoutEscSequences(row[j]))
		}
		room -= widths[j] + padding
	}
	shown := make([]bool, len(t.columns))
	for j := range shown {
		shown[j] = true
	}
	if t.Listing && !t.term.Interactive() {
		room = 0
	}
	for room < 0 {
		most := 0
		for j := range t.columns {
			if shown[j] {
				most = max(most, t.columns[j].Spare)
			}
		}
		if most == 0 {
			break
		}
		for j := range t.columns {
			if t.columns[j].Spare == most {
				shown[j] = false
				room += widths[j] + padding
			}
		}
	}
	if room < 0 && t.term.Interactive() {
		t.shorten(widths, shown, -room)
	}
	return t.render(widths, shown)
}

// leastLong is the least width to which a long column is shortened.
const leastLong = 10

// shorten takes columns away from the widest of the long columns.
func (t *Table) shorten(widths []int, shown []bool, excess int) {
	for ; excess > 0; excess-- {
		widest := -1
		for j := range t.columns {
			if shown[j] && t.columns[j].Long && widths[j] > leastLong && (widest < 0 || widths[j] > widths[widest]) {
				widest = j
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

func (t *Table) render(widths []int, shown []bool) string {
	w := table.NewWriter()
	style := table.StyleLight
	style.Format.Header = text.FormatDefault
	style.Options.DrawBorder = false
	style.Options.SeparateColumns = false
	if t.term.Color {
		style.Color.Header = text.Colors{text.Bold}
	}
	w.SetStyle(style)
	var head table.Row
	var configs []table.ColumnConfig
	for j, c := range t.columns {
		if !shown[j] {
			continue
		}
		head = append(head, c.Head)
		if c.Right {
			configs = append(configs, table.ColumnConfig{Number: len(head), Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	w.SetColumnConfigs(configs)
	w.AppendHeader(head)
	for _, cells := range t.rows {
		var row table.Row
		for j, cell := range cells {
			if shown[j] {
				row = append(row, shorten(cell, widths[j]))
			}
		}
		w.AppendRow(row)
	}
	return w.Render()
}

// Wrap breaks a sentence at spaces so that it fits the terminal, if there is one.
func (t *Terminal) Wrap(s string) string {
	if !t.Interactive() {
		return s
	}
	return wrap(s, t.Width())
}

// wrap breaks a line between words where it is wider than the given number of columns.
func wrap(s string, columns int) string {
	if text.StringWidthWithoutEscSequences(s) <= columns {
		return s
	}
	return text.WrapSoft(s, columns)
}
