package results

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// stored is a checkpoint whose tensors hold one byte each, repeated.
type stored struct {
	headers
	fill map[string]byte
}

func (s stored) ReadTensor(dst []byte, t *checkpoint.Tensor) error {
	for i := range dst {
		dst[i] = s.fill[t.Name]
	}
	return nil
}

// publishOf publishes a run of src at the given levels in dir.
func publishOf(t *testing.T, dir string, src stored, levels string, labels Labels, render func(Add) error) error {
	t.Helper()
	opts := engine.DefaultOptions()
	var err error
	if opts.Levels, err = quant.ParseList(levels); err != nil {
		t.Fatal(err)
	}
	plan, err := engine.Describe(src, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(dir, src, plan, labels.Overwrite); err != nil {
		return err
	}
	w, err := Create(dir, engine.Source(src), plan, opts, labels)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	for i := range plan.Tensors {
		ts := &plan.Tensors[i]
		for j := range ts.Layers {
			for _, level := range opts.Levels {
				data := make([]byte, ts.Size)
				_ = src.ReadTensor(data, &ts.Tensor)
				sum := sha256.Sum256(data)
				row := engine.Row{Layer: &ts.Layers[j], Level: level, Status: engine.RowSuccess, Values: metric.None(), SHA256: hex.EncodeToString(sum[:])}
				if err := w.Row(row); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if _, err := w.Finish(&engine.Outcome{}); err != nil {
		t.Fatal(err)
	}
	return w.Publish(render)
}

// tables renders a table for each level, and a picture.
func tables(levels ...string) func(Add) error {
	return func(add Add) error {
		for _, l := range levels {
			if err := add("metrics/results_"+l+".csv", text(l)); err != nil {
				return err
			}
		}
		return add("plots/"+levels[0]+".png", text("picture"))
	}
}

// TestAnotherModel: the results of another model are not replaced, and another model is one
// whose tensors have other bytes, whatever it is called.
func TestAnotherModel(t *testing.T) {
	dir := t.TempDir()
	one := stored{headers{tensor("a.weight", 20, 30), tensor("b.weight", 24, 30)}, map[string]byte{"a.weight": 1, "b.weight": 2}}
	if err := publishOf(t, dir, one, "fp16,4bit", Labels{Model: "m"}, tables("fp16", "4bit")); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	for name, src := range map[string]stored{
		"other weights":         {one.headers, map[string]byte{"a.weight": 1, "b.weight": 3}},
		"other tensors":         {headers{tensor("c.weight", 20, 30)}, nil},
		"the same and others":   {headers{tensor("a.weight", 20, 30), tensor("c.weight", 24, 30)}, map[string]byte{"a.weight": 9}},
		"another shape, by far": {headers{tensor("a.weight", 30, 20)}, map[string]byte{"a.weight": 4}},
	} {
		err := publishOf(t, dir, src, "fp16", Labels{Model: "m"}, tables("fp16"))
		if !errors.Is(err, ErrAnotherModel) || !strings.Contains(err.Error(), `"m"`) {
			t.Errorf("%s: %v", name, err)
		}
		if after := tree(t, dir); after != before {
			t.Errorf("%s leaves\n%s\nbefore\n%s", name, after, before)
		}
	}
	// The same model under another name, with other levels: nothing of the first run stays.
	if err := publishOf(t, dir, one, "fp16,2bit", Labels{Model: "n"}, tables("2bit")); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); strings.Contains(got, "4bit") || strings.Contains(got, "fp16") || !strings.Contains(got, "results_2bit.csv") {
		t.Errorf("files\n%s", got)
	}
	other := stored{one.headers, map[string]byte{"a.weight": 7}}
	if err := publishOf(t, dir, other, "fp16", Labels{Model: "o", Overwrite: true}, tables("fp16")); err != nil {
		t.Errorf("overwritten: %v", err)
	}
	if got := names(t, dir); strings.Contains(got, "2bit") {
		t.Errorf("files\n%s", got)
	}
	// What cannot be read may be anything.
	if err := os.WriteFile(filepath.Join(dir, runName), []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := publishOf(t, dir, other, "fp16", Labels{}, tables("fp16")); !errors.Is(err, ErrAnotherModel) {
		t.Errorf("a broken run.json: %v", err)
	}
}

// TestLateDifference: a model that differs in none of the tensors that are looked at
// beforehand is found when all are hashed.
func TestLateDifference(t *testing.T) {
	dir := t.TempDir()
	src := stored{nil, map[string]byte{}}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		src.headers = append(src.headers, tensor(name+".weight", 20, 30+len(src.headers)))
	}
	if err := publishOf(t, dir, src, "fp16", Labels{}, tables("fp16")); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	src.fill["e.weight"] = 1
	if err := publishOf(t, dir, src, "fp16", Labels{}, tables("fp16")); !errors.Is(err, ErrAnotherModel) || !strings.Contains(err.Error(), "e.weight") {
		t.Errorf("error %v", err)
	}
	if after := tree(t, dir); after != before {
		t.Errorf("it leaves\n%s\nbefore\n%s", after, before)
	}
}

// TestUnfinishedStays: an unfinished run stays beside a finished one with tables of its own, as
// long as no finished one has all of it. One that is being written is left alone.
func TestUnfinishedStays(t *testing.T) {
	dir := t.TempDir()
	if err := finish(t, whole(t, dir), rendered("finished")); err != nil {
		t.Fatal(err)
	}
	before := tree(t, dir)
	w := whole(t, dir)
	if _, err := w.Finish(&engine.Outcome{Interrupted: true}); err != nil {
		t.Fatal(err)
	}
	if err := w.PublishUnfinished(rendered("unfinished")); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(below(w.Dir(), "metrics/results_fp16.csv")); string(got) != "unfinished" {
		t.Errorf("the table of the unfinished run is %q", got)
	}
	open(t, w.Dir())
	open(t, dir)

	// As long as its writer lives, it is not touched.
	if err := tidy(dir); err != nil {
		t.Fatal(err)
	}
	other := whole(t, dir)
	if err := finish(t, other, rendered("again")); err != nil {
		t.Fatal(err)
	}
	open(t, w.Dir())
	w.Close()

	// Another checkpoint's run does not take its place, a run of its own does.
	empty := begin(t, dir)
	empty.Close()
	last := whole(t, dir)
	if _, err := os.Stat(empty.Dir()); err == nil {
		t.Error("an unfinished run without rows is left")
	}
	if _, err := os.Stat(w.Dir()); err != nil {
		t.Error("an unfinished run with rows is gone")
	}
	if err := finish(t, last, rendered("finished")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(w.Dir()); err == nil {
		t.Error("an unfinished run is left beside a finished one that has all of it")
	}
	if strings.Count(tree(t, dir), "\n") != strings.Count(before, "\n") {
		t.Errorf("left\n%s", names(t, dir))
	}
}

// TestMixture: a process that dies while it publishes leaves a journal, and what is opened
// then is one run.
func TestMixture(t *testing.T) {
	dir := t.TempDir()
	if err := finish(t, whole(t, dir), rendered("first")); err != nil {
		t.Fatal(err)
	}
	// As if the process had died after the first of two files.
	for name, content := range map[string]string{
		"metrics/results_fp16.csv": "second", "plots/.wwq-x-1.tmp": "second",
		journalName: `{"steps":[{"temp":"metrics/.wwq-x-0.tmp","path":"metrics/results_fp16.csv"},{"temp":"plots/.wwq-x-1.tmp","path":"plots/a.png"}]}`,
	} {
		if err := os.WriteFile(below(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir)
	for _, name := range []string{"metrics/results_fp16.csv", "plots/a.png"} {
		if got, _ := os.ReadFile(below(dir, name)); string(got) != "second" {
			t.Errorf("%s is %q", name, got)
		}
	}
	if strings.Contains(names(t, dir), ".wwq-") || strings.Contains(names(t, dir), journalName) {
		t.Errorf("left\n%s", names(t, dir))
	}
}
