package results

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// TestCutRows: a file of rows that ends anywhere, as that of a writer which was killed,
// has the rows before, and the run is interrupted.
func TestCutRows(t *testing.T) {
	w := begin(t, t.TempDir())
	defer w.Discard()
	plan := &engine.Plan{Tensors: w.run.Plan}
	want := rowsOf(plan, w.run.Options.Levels)[:2]
	for _, r := range want {
		if err := w.Row(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Tensor(engine.TensorRecord{Tensor: w.run.Plan[4].Name, SHA256: "ab", Reason: odd}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(outcome(t)); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(w.temp, w.run.RowFiles[0])
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(w.temp)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for n := len(data) - 1; n >= 0; n-- {
		if err := os.Truncate(name, int64(n)); err != nil {
			t.Fatal(err)
		}
		r := newReader(plan, w.run.Options.Levels)
		if err := r.file(root, w.run.RowFiles[0]); err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		lines := bytes.Count(data[:n], []byte{'\n'})
		if len(r.rows) != min(lines, len(want)) || len(r.records) != max(0, lines-len(want)) || !r.outcome(1).Interrupted {
			t.Fatalf("cut at %d, after %d lines: %d rows, %d records, outcome %+v", n, lines, len(r.rows), len(r.records), r.outcome(1))
		}
		for i := range r.rows {
			sameRow(t, &r.rows[i], &want[i])
		}
		// The folder as a whole, once for each line and around its end.
		if n == 0 || data[n-1] == '\n' || data[n] == '\n' {
			if res := open(t, w.temp); !res.Interrupted {
				t.Errorf("cut at %d: not interrupted", n)
			}
		}
	}
}

// TestDamagedRows: a line that is damaged in its middle is corrupt, or its numbers are
// those that stand there.
func TestDamagedRows(t *testing.T) {
	w := begin(t, t.TempDir())
	defer w.Discard()
	for _, r := range rowsOf(&engine.Plan{Tensors: w.run.Plan}, w.run.Options.Levels)[:2] {
		if err := w.Row(r); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(w.temp, w.run.RowFiles[0])
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.IndexByte(data, '\n')
	for n := range end {
		// What a writer that was killed has left, and another one has gone on behind.
		if err := os.WriteFile(name, append(bytes.Clone(data[:n]), data[end+1:]...), 0o666); err != nil {
			t.Fatal(err)
		}
		_, res, err := Open(w.temp)
		if n == 0 {
			if err != nil || res.Rows[0][0].Status != engine.RowMissing {
				t.Errorf("without the first line: %v", err)
			}
			continue
		}
		if !errors.Is(err, checkpoint.ErrCorrupt) || !strings.Contains(err.Error(), ".jsonl: line 1: ") {
			t.Fatalf("the first line cut at %d: %v", n, err)
		}
	}
}

// TestCutRun: a run.json that ends anywhere before its last brace is corrupt.
func TestCutRun(t *testing.T) {
	w := whole(t, t.TempDir())
	defer w.Discard()
	if _, err := w.Finish(outcome(t)); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(w.temp, runName)
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndexByte(data, '}')
	for n := len(data) - 1; n >= 0; n-- {
		if err := os.Truncate(name, int64(n)); err != nil {
			t.Fatal(err)
		}
		_, res, err := Open(w.temp)
		switch {
		case n > last && (err != nil || len(res.Rows) != 2):
			t.Errorf("cut at %d, behind the end: %v", n, err)
		case n <= last && (!errors.Is(err, checkpoint.ErrCorrupt) || !strings.Contains(err.Error(), "run.json: line ")):
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}
