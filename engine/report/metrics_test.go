package report_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/report"
	"github.com/wwq-fast/wwq-fast/internal/testgolden"
)

// TestMetrics holds docs/METRICS.md to the columns that there are.
func TestMetrics(t *testing.T) {
	var b bytes.Buffer
	if err := report.WriteMetrics(&b); err != nil {
		t.Fatal(err)
	}
	testgolden.Text(t, "../../docs/METRICS.md", b.String(), 0)
	for _, c := range metric.Columns() {
		if n := strings.Count(b.String(), "\n| `"+c.Name+"` | "+c.Unit+" | "); n != 1 {
			t.Errorf("%s is described %d times", c.Name, n)
		}
	}
	for _, room := range []int{0, 100, b.Len() - 1} {
		if err := report.WriteMetrics(&fullWriter{room}); !errors.Is(err, errFull) {
			t.Errorf("with room for %d of %d bytes: %v", room, b.Len(), err)
		}
	}
}

// TestSentences: what columns mean is said in sentences, and no name is there twice in a
// table.
func TestSentences(t *testing.T) {
	for _, table := range []metric.Table{metric.Results, metric.Errors, metric.Store} {
		names := map[string]bool{}
		for _, c := range report.Columns(table) {
			if names[c.Name] || !strings.HasSuffix(c.Doc, ".") || strings.Contains(c.Doc, "\n") {
				t.Errorf("%s: %s: %q", table, c.Name, c.Doc)
			}
			names[c.Name] = true
		}
	}
}
