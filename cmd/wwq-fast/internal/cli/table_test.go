package cli

import (
	"strings"
	"testing"
)

// TestTable: where there is no terminal a table has 80 columns and leaves out what is
// least important; a list is whole; names are never cut there.
func TestTable(t *testing.T) {
	var out screen
	term := NewTerminal(&out, &out, "never")
	render := func(listing bool, cells ...any) string {
		w := term.NewTable(Column{Head: "name", Long: true}, Column{Head: "a", Spare: 1}, Column{Head: "b", Spare: 2, Right: true}, Column{Head: "c", Spare: 2}, Column{Head: "d"})
		w.Listing = listing
		w.Row(cells...)
		lines := strings.Split(w.Render(), "\n")
		return strings.TrimRight(lines[len(lines)-1], " ")
	}
	wide := strings.Repeat("x", 40)
	for _, tc := range []struct {
		listing bool
		cells   []any
		want    string
	}{
		{false, []any{"n", "1", 2, "3", 4}, " n     1  2  3  4"},
		{false, []any{"n", "1", wide, "3", wide}, " n     1  " + wide},
		{true, []any{"n", "1", wide, "3", wide}, " n     1  " + wide + "  3  " + wide},
		{false, []any{wide + wide, "1", "2", "3", "4"}, " " + wide + wide + "  4"},
		{false, []any{"n"}, " n"},
	} {
		if got := render(tc.listing, tc.cells...); got != tc.want {
			t.Errorf("%v: %q, want %q", tc.cells, got, tc.want)
		}
	}
}
