package report_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/report"
	"github.com/wwq-fast/wwq-fast/internal/testgolden"
)

// files returns the paths of all files below dir, relative to it.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestGolden holds every file that is written of a result made by hand to a golden
// one. Only means, deviations and correlations are computed here: 1e-13.
func TestGolden(t *testing.T) {
	for name, compat := range map[string]bool{"plain": false, "compat": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := report.Write(dir, handMade(), report.Options{Model: "@hand-made", Compat: compat}); err != nil {
				t.Fatal(err)
			}
			names := files(t, dir)
			if want := 7; len(names) != want {
				t.Errorf("wrote %q, want %d files", names, want)
			}
			for _, file := range names {
				data, err := os.ReadFile(filepath.Join(dir, file))
				if err != nil {
					t.Fatal(err)
				}
				testgolden.Text(t, filepath.Join("testdata", name, file), string(data), 1e-13)
			}
			// compare makes the same tables of the same files; of the report it makes what
			// follows from tables.
			table := filepath.Join(dir, "metrics", "quantization_comparison.csv")
			before, _ := os.ReadFile(table)
			text, _ := os.ReadFile(filepath.Join(dir, "analysis_report.txt"))
			if _, err := report.Rewrite(dir, report.Options{Compat: compat}); err != nil {
				t.Fatal(err)
			}
			if after, _ := os.ReadFile(table); string(after) != string(before) {
				t.Errorf("written again from the tables:\n%s\nwant\n%s", after, before)
			}
			again, _ := os.ReadFile(filepath.Join(dir, "analysis_report.txt"))
			part, _, _ := strings.Cut(string(text), "\nHOW IT WAS COMPUTED")
			if got, ok := strings.CutPrefix(string(again), part); !ok || strings.TrimSpace(got) != strings.Repeat("=", 80) {
				t.Errorf("report written again from the tables:\n%s", again)
			}
		})
	}
}
