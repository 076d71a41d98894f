package report_test

import (
	"bytes"
	"errors"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/report"
)

var errFull = errors.New("no room")

// fullWriter takes room bytes, and no more.
type fullWriter struct{ room int }

func (w *fullWriter) Write(b []byte) (int, error) {
	n := min(len(b), w.room)
	w.room -= n
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

// writers are the functions that write each file, with a result large enough that every
// buffer between them and the writer fills before the end.
func writers(t *testing.T) map[string]func(io.Writer) error {
	t.Helper()
	large := handMade()
	for k := range large.Rows {
		for len(large.Rows[k]) < 200 {
			large.Rows[k] = append(large.Rows[k], large.Rows[k]...)
		}
	}
	for len(large.Levels) < 200 {
		large.Levels = append(large.Levels, large.Levels...)
		large.Rows = append(large.Rows, large.Rows...)
	}
	all := map[string]func(io.Writer) error{}
	if _, err := report.Render(large, report.Options{Model: "m", Plots: false}, func(name string, write func(io.Writer) error) error {
		all[name] = write
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(all) != 6 {
		t.Fatalf("%d files", len(all))
	}
	return all
}

// TestFullWriter: a writer that takes nothing, half, or all but the last byte has its
// error handed on by everything that writes.
func TestFullWriter(t *testing.T) {
	for name, write := range writers(t) {
		var all bytes.Buffer
		if err := write(&all); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if all.Len() < 10000 {
			t.Errorf("%s: only %d bytes", name, all.Len())
		}
		for _, room := range []int{0, 100, all.Len() / 2, all.Len() - 1} {
			if err := write(&fullWriter{room}); !errors.Is(err, errFull) {
				t.Errorf("%s: with room for %d of %d bytes: %v", name, room, all.Len(), err)
			}
		}
		if err := write(&fullWriter{all.Len()}); err != nil {
			t.Errorf("%s: with room for all: %v", name, err)
		}
	}
}

// TestWriteFaults: whatever file cannot be written, Write fails, earlier files stay as
// they were and nothing temporary is left.
func TestWriteFaults(t *testing.T) {
	res := handMade()
	for _, tc := range []struct {
		blocked string // a regular file in the place of a folder
		plots   bool
	}{{"metrics", false}, {"plots", true}, {".", false}} {
		dir := filepath.Join(t.TempDir(), "out")
		if tc.blocked != "." {
			if err := os.Mkdir(dir, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		if tc.blocked == "plots" {
			if _, err := report.Write(dir, res, report.Options{Model: "m"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, tc.blocked), []byte("in the way"), 0o666); err != nil {
			t.Fatal(err)
		}
		before := contents(t, dir)
		summaries, err := report.Write(dir, res, report.Options{Model: "other", Plots: tc.plots})
		if err == nil || summaries != nil {
			t.Errorf("with a file at %s: %d summaries, error %v", tc.blocked, len(summaries), err)
		}
		if after := contents(t, dir); after != before {
			t.Errorf("with a file at %s leaves\n%s\nbefore\n%s", tc.blocked, after, before)
		}
	}
}

// contents lists all files below dir, hidden ones too, with what is in them.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	for _, name := range files(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(name + "\n" + string(data) + "\n")
	}
	return b.String()
}

// TestWritePictures: all pictures of a run are whole images of the size they say, with
// more on them than a background.
func TestWritePictures(t *testing.T) {
	dir := t.TempDir()
	if _, err := report.Write(dir, handMade(), report.Options{Model: "m", Plots: true}); err != nil {
		t.Fatal(err)
	}
	names := files(t, filepath.Join(dir, "plots"))
	want := []string{
		"alpha_comparison_boxplot.png", "alpha_distributions.png", "alpha_statistics_summary.png",
		"layerwise_alpha_comparison.png", "spectral_norms_comparison.png",
	}
	if !slices.Equal(names, want) {
		t.Errorf("pictures %q, want %q", names, want)
	}
	seen := map[string]string{}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(dir, "plots", name))
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[string(data)]; ok {
			t.Errorf("%s is the same picture as %s", name, other)
		}
		seen[string(data)] = name
		img, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		colors := map[[3]uint32]bool{}
		b := img.Bounds()
		for y := b.Min.Y; y < b.Max.Y; y += 3 {
			for x := b.Min.X; x < b.Max.X; x += 3 {
				r, g, b, _ := img.At(x, y).RGBA()
				colors[[3]uint32{r, g, b}] = true
			}
		}
		if b.Dx() < 1000 || b.Dy() < 700 || len(colors) < 10 {
			t.Errorf("%s: %d x %d pixels in %d colours", name, b.Dx(), b.Dy(), len(colors))
		}
	}
}
