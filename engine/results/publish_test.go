package results

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
)

// tree lists all files and folders below dir, hidden ones too, with what is in them.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&b, "%s %v\n", filepath.ToSlash(rel), d.Type())
		if d.Type().IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b.Write(data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// names lists all files and folders below dir, one a line.
func names(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); rel != "." {
			all = append(all, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

// text returns what writes a text.
func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// rendered adds a table and a picture that say label.
func rendered(label string) func(Add) error {
	return func(add Add) error {
		if err := add("metrics/results_fp16.csv", text(label)); err != nil {
			return err
		}
		return add("plots/a.png", text(label))
	}
}

// finish finishes a run and publishes it.
func finish(t *testing.T, w *Writer, render func(Add) error) error {
	t.Helper()
	if _, err := w.Finish(&engine.Outcome{}); err != nil {
		t.Fatal(err)
	}
	err := w.Publish(render)
	w.Discard()
	return err
}

// TestPublish: a run takes the place of an earlier one, file by file, and leaves nothing
// else behind.
func TestPublish(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "deep", "out")
	for _, label := range []string{"first", "second"} {
		w := whole(t, dir)
		if _, _, err := Open(dir); label == "first" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("an unfinished run is read as a finished one: %v", err)
		}
		if err := finish(t, w, rendered(label)); err != nil {
			t.Fatal(err)
		}
		want := "metrics\nmetrics/results_fp16.csv\nplots\nplots/a.png\nrows\n" + w.run.RowFiles[0] + "\nrun.json"
		if got := names(t, dir); got != want {
			t.Errorf("%s: files\n%s, want\n%s", label, got, want)
		}
		run, res, err := Open(dir)
		if err != nil || run.ID != w.run.ID || len(res.Rows) != 2 || run.ModelName != "+"+odd {
			t.Errorf("%s: run %+v, %v", label, run, err)
		}
		if data, _ := os.ReadFile(filepath.Join(dir, "plots", "a.png")); string(data) != label {
			t.Errorf("the picture is %q, want %q", data, label)
		}
	}
}

// TestPublishBesideOthers: what is no file of the earlier run stays.
func TestPublishBesideOthers(t *testing.T) {
	dir := t.TempDir()
	w := whole(t, dir)
	if err := finish(t, w, rendered("first")); err != nil {
		t.Fatal(err)
	}
	for _, mine := range []string{"rows/mine.txt", "plots/mine.png", "metrics/results_mine.csv"} {
		if err := os.WriteFile(below(dir, mine), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	second := whole(t, dir)
	if err := finish(t, second, rendered("second")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{second.run.RowFiles[0], "rows/mine.txt", "plots/mine.png", "metrics/results_mine.csv"} {
		if !strings.Contains(names(t, dir), name) {
			t.Errorf("%s is gone", name)
		}
	}
	if strings.Contains(names(t, dir), w.run.RowFiles[0]) {
		t.Error("the rows of the first run are left")
	}
}

// TestPublishFails: whatever cannot be made, or put in its place, the earlier run stays as
// it was, and nothing temporary is left.
func TestPublishFails(t *testing.T) {
	broken := errors.New("broken")
	for name, tc := range map[string]struct {
		blocked string // a folder in the place of a file
		render  func(Add) error
	}{
		"the rendering": {"", func(add Add) error {
			if err := rendered("second")(add); err != nil {
				return err
			}
			if err := add("other/deep/x.txt", text("x")); err != nil {
				return err
			}
			return broken
		}},
		"one file":     {"", func(add Add) error { return add("other/x", func(io.Writer) error { return broken }) }},
		"a table":      {"metrics/results_fp16.csv", rendered("second")},
		"run.json":     {"run.json", rendered("second")},
		"another file": {"rows.txt", func(add Add) error { return add("rows.txt/x/y", func(io.Writer) error { return broken }) }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := finish(t, whole(t, dir), rendered("first")); err != nil {
				t.Fatal(err)
			}
			if tc.blocked != "" {
				_ = os.Remove(filepath.Join(dir, tc.blocked))
				if err := os.MkdirAll(filepath.Join(dir, tc.blocked, "x"), 0o777); err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t, dir)
			w := whole(t, dir)
			if err := finish(t, w, tc.render); err == nil || tc.blocked == "" && !errors.Is(err, broken) {
				t.Errorf("error %v", err)
			}
			if after := tree(t, dir); after != before {
				t.Errorf("it leaves\n%s\nbefore\n%s", after, before)
			}
			// The same is true of renderings of a run that stays.
			if err := Publish(dir, tc.render); err == nil && tc.blocked != "run.json" {
				t.Error("files were published")
			} else if after := tree(t, dir); err != nil && after != before {
				t.Errorf("files alone leave\n%s\nbefore\n%s", after, before)
			}
		})
	}
}

// TestPublishTwice: files alone appear beside a run, which stays as it was.
func TestPublishTwice(t *testing.T) {
	dir := t.TempDir()
	if err := finish(t, whole(t, dir), rendered("first")); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(filepath.Join(dir, runName))
	if err := Publish(dir, rendered("again")); err != nil {
		t.Fatal(err)
	}
	after, _ := os.ReadFile(filepath.Join(dir, runName))
	table, _ := os.ReadFile(filepath.Join(dir, "metrics", "results_fp16.csv"))
	if string(before) != string(after) || string(table) != "again" {
		t.Errorf("table %q", table)
	}
	open(t, dir)
}

// TestDiscard: a run that is not published leaves nothing, not even the folders that were
// made for it, but what was there before.
func TestDiscard(t *testing.T) {
	top := t.TempDir()
	w := whole(t, filepath.Join(top, "new", "out"))
	if !strings.Contains(names(t, top), "new/out/.run-"+w.run.ID+"/rows/"+w.run.ID+".jsonl") {
		t.Errorf("an unfinished run is\n%s", names(t, top))
	}
	w.Discard()
	w.Discard()
	if left := names(t, top); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
	if err := os.Mkdir(filepath.Join(top, "there"), 0o777); err != nil {
		t.Fatal(err)
	}
	w = whole(t, filepath.Join(top, "there"))
	if _, err := w.Finish(&engine.Outcome{}); err != nil {
		t.Fatal(err)
	}
	w.Discard()
	if left := names(t, top); left != "there" {
		t.Errorf("left behind:\n%s", left)
	}
	// A run beside it is not touched.
	w, other := whole(t, filepath.Join(top, "there")), whole(t, filepath.Join(top, "there"))
	w.Discard()
	open(t, other.temp)
	other.Discard()
}

// TestCreateFails: where nothing can be written, there is an error at once, and nothing is
// left.
func TestCreateFails(t *testing.T) {
	top := t.TempDir()
	if err := os.WriteFile(filepath.Join(top, "file"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(top, "closed"), 0o555); err != nil {
		t.Fatal(err)
	}
	before := tree(t, top)
	places := []string{"file", "file/out", "file/deep/out", "new/" + strings.Repeat("x", 300)}
	if os.Geteuid() != 0 {
		places = append(places, "closed", "closed/out")
	}
	for _, place := range places {
		src, opts, plan := planned(t)
		dir := filepath.Join(top, filepath.FromSlash(place))
		if w, err := Create(dir, engine.Source(src), plan, opts, Labels{}); err == nil || w != nil {
			t.Errorf("%s: a run was begun", place)
		}
		if err := Check(dir, src, plan, false); err == nil {
			t.Errorf("%s: it says that results can be written", place)
		}
		if _, _, err := Open(dir); err == nil {
			t.Errorf("%s: a run was read", place)
		}
		if after := tree(t, top); after != before {
			t.Errorf("%s: it leaves\n%s\nbefore\n%s", place, after, before)
		}
	}
	src, _, plan := planned(t)
	if err := Check(filepath.Join(top, "a", "b"), src, plan, false); err != nil {
		t.Error(err)
	}
	if after := tree(t, top); after != before {
		t.Errorf("the check leaves\n%s\nbefore\n%s", after, before)
	}
}

// TestOld: tables alone, and run.json of the first layout, are results of version 0.1.0,
// whatever the folder is called.
func TestOld(t *testing.T) {
	for _, folder := range []string{"old", "a[b]c*?\\d"} {
		dir := filepath.Join(t.TempDir(), folder)
		if err := os.MkdirAll(filepath.Join(dir, "metrics"), 0o777); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(dir); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrOld) {
			t.Errorf("a folder without results: %v", err)
		}
		if err := os.WriteFile(filepath.Join(dir, "metrics", "results_4bit.csv"), nil, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(dir); !errors.Is(err, ErrOld) || !strings.Contains(err.Error(), dir) {
			t.Errorf("tables alone: %v", err)
		}
		if err := os.WriteFile(filepath.Join(dir, runName), []byte(`{"v":1}`), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(dir); !errors.Is(err, ErrOld) {
			t.Errorf("the first layout: %v", err)
		}
	}
}

// eachLayer calls f for the layers of a tensor.
func eachLayer(ts *engine.TensorStatus, f func(*engine.Layer)) {
	for j := range ts.Layers {
		f(&ts.Layers[j])
	}
}
