package report_test

import (
	"bytes"
	"errors"
	"image/png"
	"io"
	"io/fs"
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

// writers are all functions that write a file, with a result large enough that every
// buffer between them and the writer fills before the end.
func writers(t *testing.T) map[string]func(io.Writer) error {
	t.Helper()
	res := handMade()
	summaries := report.Compare(report.FromResult(res, "m", false))
	for len(summaries) < 200 {
		summaries = append(summaries, summaries...)
	}
	large := *res
	for k := range res.Rows {
		for len(large.Rows[k]) < 200 {
			large.Rows[k] = append(large.Rows[k], large.Rows[k]...)
		}
	}
	tables := report.FromResult(&large, "m", false)
	all := map[string]func(io.Writer) error{
		"results":    func(w io.Writer) error { return report.WriteCSV(w, large.Rows[0], "m", large.Started, false) },
		"errors":     func(w io.Writer) error { return report.WriteErrorsCSV(w, &large) },
		"comparison": func(w io.Writer) error { return report.WriteComparisonCSV(w, summaries) },
		"run":        func(w io.Writer) error { return report.WriteRunJSON(w, &large, false) },
		"text":       func(w io.Writer) error { return report.WriteText(w, tables, summaries, &large, false) },
	}
	for _, name := range report.FigureNames()[:1] {
		all[name] = func(w io.Writer) error { return report.WriteFigure(w, name, tables[:1], summaries[:1]) }
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

// TestWriteFaults: whatever file cannot be written, Write and Rewrite fail, earlier files
// stay as they were and nothing temporary is left.
func TestWriteFaults(t *testing.T) {
	res := handMade()
	for _, tc := range []struct {
		blocked string // a regular file in the place of a folder
		plots   bool
	}{{"metrics", false}, {"plots", true}, {".", false}} {
		for name, write := range map[string]func(dir string, opts report.Options) ([]report.Summary, error){
			"Write": func(dir string, opts report.Options) ([]report.Summary, error) {
				return report.Write(dir, res, opts)
			},
			"Rewrite": report.Rewrite,
		} {
			if name == "Rewrite" && tc.blocked != "plots" {
				continue // there is nothing to read
			}
			dir := filepath.Join(t.TempDir(), "out")
			if name == "Rewrite" {
				if _, err := report.Write(dir, res, report.Options{Model: "m"}); err != nil {
					t.Fatal(err)
				}
			} else if tc.blocked != "." {
				if err := os.Mkdir(dir, 0o777); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, tc.blocked), []byte("in the way"), 0o666); err != nil {
				t.Fatal(err)
			}
			before := contents(t, dir)
			summaries, err := write(dir, report.Options{Model: "other", Plots: tc.plots})
			if err == nil || summaries != nil && name == "Rewrite" {
				t.Errorf("%s with a file at %s: %d summaries, error %v", name, tc.blocked, len(summaries), err)
			}
			if after := contents(t, dir); after != before {
				t.Errorf("%s with a file at %s leaves\n%s\nbefore\n%s", name, tc.blocked, after, before)
			}
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

// TestCheckWritable: a place where results cannot be is found before a run, and the
// question leaves nothing behind, neither there nor in the working folder.
func TestCheckWritable(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("file", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{
		"new": true, "deep/er": true, ".": true, filepath.Join(dir, "absolute"): true,
		"file": false, "file/below": false, filepath.Join(dir, "file"): false,
	} {
		err := report.CheckWritable(name)
		if (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
		if !ok && errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v does not say what is in the way", name, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestWritePictures: all pictures of a run are whole images of the size they say, with
// more on them than a background.
func TestWritePictures(t *testing.T) {
	dir := t.TempDir()
	if _, err := report.Write(dir, handMade(), report.Options{Model: "m", Plots: true}); err != nil {
		t.Fatal(err)
	}
	names := files(t, filepath.Join(dir, "plots"))
	want := slices.Sorted(slices.Values(report.FigureNames()))
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
		// The picture stored under a name is the one that is drawn by that name.
		var again bytes.Buffer
		tables := report.FromResult(handMade(), "m", false)
		if err := report.WriteFigure(&again, name, tables, report.Compare(tables)); err != nil || !bytes.Equal(again.Bytes(), data) {
			t.Errorf("%s: another picture than is drawn by that name (%v)", name, err)
		}
	}
}

// TestReadBack: what a spreadsheet would run is disarmed in the file, and comes back as
// it was.
func TestReadBack(t *testing.T) {
	dir := t.TempDir()
	if _, err := report.Write(dir, handMade(), report.Options{Model: "@hand"}); err != nil {
		t.Fatal(err)
	}
	tables, err := report.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		last := table.Records[len(table.Records)-1]
		if table.Model != "@hand" || last.LongName != "=e" {
			t.Errorf("%v: model %q, last layer %q", table.Level, table.Model, last.LongName)
		}
	}
	const header = "layer_id,longname,alpha,alpha_weighted,log_norm,log_spectral_norm,status,warning\n"
	for cell, want := range map[string]string{"'=a": "=a", "'-x": "-x", "'+x": "+x", "'@x": "@x", "'x": "'x", "'": "'", "x": "x"} {
		table, err := report.ReadCSV(strings.NewReader(header + "0," + cell + ",1,1,1,1,success,\n"))
		if err != nil || table.Records[0].LongName != want {
			t.Errorf("%q is read as %+v, %v; want %q", cell, table.Records, err, want)
		}
	}
}
