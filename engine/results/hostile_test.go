package results_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/metric"
	"github.com/wwq-fast/wwq-fast/engine/report"
	"github.com/wwq-fast/wwq-fast/engine/results"
)

// A run made by hand: one layer, two experts and a vector at two levels.
const (
	goodRun = `{"v":2,"run":"x","model":"m","model_name":"n","format":"f","files":[],
"options":{"quantizations":["fp16","4bit"],"keep_duplicates":true},
"row_files":["rows/x.jsonl"],
"plan":[
{"name":"a.weight","dtype":"F16","shape":[20,30],"file":"s","bytes":1200,"type":"dense","status":"planned","layers":[{"longname":"a","rows":20,"cols":30,"slices":1,"quantized":true}]},
{"name":"b.experts","dtype":"F16","shape":[2,20,30],"file":"s","bytes":2400,"type":"dense","status":"planned","layers":[
{"longname":"b[0]","rows":20,"cols":30,"slices":1,"quantized":true},{"longname":"b[1]","index":1,"rows":20,"cols":30,"slices":1,"quantized":true}]},
{"name":"c.bias","dtype":"F16","shape":[30],"file":"s","bytes":60,"status":"skipped","reason":"a vector"}
]}
`
	rowA = `{"row":{"tensor":"a.weight","layer":0,"longname":"a","quantization":"fp16","status":"success","sha256":"aa","method":"gram","trace_error":0,"seconds":1,"bytes":2,"values":{"alpha":3,"num_pl_spikes":4}}}
`
	rowB    = `{"tensor":{"name":"b.experts","sha256":"bb","reason":"no number"}}` + "\n"
	ended   = `{"outcome":{"environment":{},"started":"2026-03-04T05:06:07Z","wall_seconds":1.5,"threads":2,"layers_at_once":1,"interrupted":false}}` + "\n"
	goodAll = rowA + rowB + ended
)

// write writes a folder of results.
func write(t testing.TB, run, rows string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "rows"), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"run.json": run, "rows/x.jsonl": rows} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestHandMade(t *testing.T) {
	_, res, err := results.Open(write(t, goodRun, goodAll))
	if err != nil {
		t.Fatal(err)
	}
	a := res.Rows[0][0]
	if a.Get("alpha") != 3 || a.Get("num_pl_spikes") != 4 || a.Get("D") == a.Get("D") || res.Rows[1][0].Status != engine.RowMissing ||
		res.Rows[1][2].Status != engine.RowRefused || res.Count(engine.Refused) != 1 || res.Count(engine.Skipped) != 1 || res.Interrupted {
		t.Errorf("result %+v", res)
	}
	// Levels come in the order of tables, however they are written.
	_, res, err = results.Open(write(t, strings.Replace(goodRun, `"fp16","4bit"`, `"4bit","fp16"`, 1), goodAll))
	if err != nil || res.Levels[0].Name() != "fp16" || res.Rows[0][0].Get("alpha") != 3 {
		t.Errorf("levels %v, %v", res.Levels, err)
	}
	// Fields that are not known are left out, columns too.
	_, res, err = results.Open(write(t, strings.Replace(goodRun, `"v":2`, `"v":2,"later":{}`, 1), strings.Replace(goodAll, `"alpha":3`, `"alpha":3,"later":"x"`, 1)))
	if err != nil || res.Rows[0][0].Get("alpha") != 3 {
		t.Errorf("with a later field: %v", err)
	}
}

// layer is a layer of goodRun, as it stands there.
const layer = `"rows":20,"cols":30,"slices":1,"quantized":true}]},
{"name":"b.experts"`

// hostileRuns are changes of goodRun, each with what the error says.
var hostileRuns = []struct{ name, old, new, says string }{
	{"no version", `"v":2,`, ``, "version 0 of the layout"},
	{"a later version", `"v":2`, `"v":3`, "version 3 of the layout"},
	{"a version that is none", `"v":2`, `"v":"2"`, "run.json"},
	{"another syntax", `"row_files"`, `row_files`, "run.json: line 3: invalid character"},
	{"cut", `]}` + "\n", ``, "run.json: line "},
	{"null", goodRun, `null`, "version 0"},
	{"a list", goodRun, `[]`, "run.json"},
	{"nothing", goodRun, ``, "run.json: line 1: unexpected end"},
	{"deep nesting", goodRun, `{"v":2,"x":` + strings.Repeat("[", 1<<20) + strings.Repeat("]", 1<<20) + `}`, "exceeded max depth"},
	{"no rows", `["rows/x.jsonl"]`, `[]`, "no file of rows"},
	{"rows null", `["rows/x.jsonl"]`, `null`, "no file of rows"},
	{"rows above", `rows/x.jsonl`, `../rows/x.jsonl`, `"../rows/x.jsonl" is no file of rows`},
	{"rows above, hidden", `rows/x.jsonl`, `rows/../../x.jsonl`, "is no file of rows"},
	{"rows from the root", `rows/x.jsonl`, `/rows/x.jsonl`, "is no file of rows"},
	{"rows that are the run", `rows/x.jsonl`, `run.json`, "is no file of rows"},
	{"rows that are a table", `rows/x.jsonl`, `metrics/x.csv`, "is no file of rows"},
	{"rows without a name", `rows/x.jsonl`, ``, "is no file of rows"},
	{"rows in a folder", `rows/x.jsonl`, `rows/y/x.jsonl`, "is no file of rows"},
	{"rows of another kind", `rows/x.jsonl`, `rows/x.txt`, "is no file of rows"},
	{"rows by another name", `rows/x.jsonl`, `rows//x.jsonl`, "is no file of rows"},
	{"rows with a line feed", `rows/x.jsonl`, `rows\n/x.jsonl`, `"rows\n/x.jsonl" is no file of rows`},
	{"rows twice", `["rows/x.jsonl"]`, `["rows/x.jsonl","rows/x.jsonl"]`, "named twice"},
	{"no levels", `["fp16","4bit"]`, `[]`, "no quantization level"},
	{"unknown level", `"4bit"`, `"4.5bit"`, "4.5bit"},
	{"a level twice", `"4bit"`, `"FP16"`, "level fp16 is given twice"},
	{"negative limit", `"keep_duplicates"`, `"min_evals":-1,"keep_duplicates"`, "cannot be negative"},
	{"huge limit", `"keep_duplicates"`, `"min_evals":1e99,"keep_duplicates"`, "min_evals"},
	{"options of another kind", `"keep_duplicates":true`, `"keep_duplicates":1`, "keep_duplicates"},
	{"a tensor twice", `"name":"b.experts"`, `"name":"a.weight"`, `tensor "a.weight" is in the plan twice`},
	{"a skipped tensor twice", `"name":"c.bias"`, `"name":"a.weight"`, `tensor "a.weight" is in the plan twice`},
	{"analysed in the plan", `"status":"planned"`, `"status":"analysed"`, `tensor "a.weight" is analysed in the plan`},
	{"refused in the plan", `"status":"planned"`, `"status":"refused"`, `tensor "a.weight" is refused in the plan`},
	{"unknown status", `"status":"skipped"`, `"status":"lost"`, `unknown status "lost"`},
	{"no status", `"status":"skipped",`, ``, `unknown status ""`},
	{"planned without layers", `"status":"skipped"`, `"status":"planned"`, "planned with 0 layers"},
	{"skipped with layers", `"status":"planned"`, `"status":"skipped"`, "skipped with 1 layers"},
	{"unknown type", `"type":"dense"`, `"type":"round"`, `unknown layer type "round"`},
	{"no matrix", layer, strings.Replace(layer, "20", "0", 1), "1 times 0×30"},
	{"0x0", layer, strings.Replace(layer, `"rows":20,"cols":30`, `"rows":0,"cols":0`, 1), "1 times 0×0"},
	{"negative", layer, strings.Replace(layer, `"rows":20,"cols":30`, `"rows":-20,"cols":-30`, 1), "1 times -20×-30"},
	{"negative elements", `"shape":[20,30]`, `"shape":[-20,-30]`, "-20 -30"},
	{"no slices", layer, strings.Replace(layer, `"slices":1`, `"slices":0`, 1), "0 times 20×30"},
	{"more than the tensor", layer, strings.Replace(layer, "20", "21", 1), "1 times 21×30 in the shape"},
	{"huge", layer, strings.Replace(layer, "20,", "4294967296,", 1), "in the shape"},
	{"beyond integers", layer, strings.Replace(layer, `"rows":20,"cols":30,"slices":1`, `"rows":4294967296,"cols":4294967296,"slices":4294967296`, 1), "in the shape"},
	{"a shape beyond integers", `"shape":[20,30]`, `"shape":[20,30,4294967296,4294967296,4294967296]`, "in the shape"},
	{"a shape of texts", `"shape":[20,30]`, `"shape":["20"]`, "shape"},
	{"a number beyond numbers", `"rows":20`, `"rows":1e999`, "rows"},
	{"a fraction", `"rows":20`, `"rows":20.5`, "rows"},
	{"unlike experts", `"index":1,"rows":20,"cols":30`, `"index":1,"rows":30,"cols":20`, "layer 1 is unlike layer 0"},
	{"experts of one name", `"longname":"b[1]"`, `"longname":"b[0]"`, `two layers are called "b[0]"`},
	{"negative bytes", `"bytes":60`, `"bytes":-60`, "-60 bytes"},
	{"a plan of texts", `"plan":[`, `"plan":["x",`, "run.json"},
	{"an outcome without end", `"format":"f"`, `"format":"f","wall_seconds":1e300`, "a run of 1e+300 seconds"},
	{"an outcome in the past", `"format":"f"`, `"format":"f","wall_seconds":-1`, "a run of -1 seconds"},
	{"tensors that are none", `"format":"f"`, `"format":"f","tensors":[{"name":"x","status":"lost"}]`, "unknown status"},
}

// hostileRows are changes of goodAll, each with what the error says.
var hostileRows = []struct{ name, old, new, says string }{
	{"not JSON", rowA, "row\n", "line 1: invalid character"},
	{"an empty line", rowB, "\n", "line 2: unexpected end"},
	{"null", rowB, "null\n", "line 2: neither a row"},
	{"nothing", rowB, "{}\n", "line 2: neither a row"},
	{"unknown", rowB, `{"note":{}}` + "\n", "line 2: neither a row"},
	{"two in one", rowB, strings.Replace(rowB, "{", `{"outcome":{},`, 1), "line 2: neither a row nor a tensor nor an outcome, or more"},
	{"two lines in one", "\n" + rowB, rowB, "line 1: invalid character"},
	{"deep nesting", rowB, `{"row":` + strings.Repeat(`{"row":`, 1<<17) + "\n", "line 2: "},
	{"a long line", rowB, strings.Repeat("x", 17<<20) + "\n", "line 2: longer than 16777216 bytes"},
	{"a long line without end", rowB + ended, strings.Repeat("x", 17<<20), "line 2: longer than 16777216 bytes"},
	{"unknown tensor", `"a.weight"`, `"\u001bz"`, `line 1: layer 0 of tensor "\x1bz" is not in the plan`},
	{"a skipped tensor", `"a.weight"`, `"c.bias"`, `line 1: layer 0 of tensor "c.bias" is not in the plan`},
	{"a record of a skipped tensor", `"b.experts"`, `"c.bias"`, `line 2: tensor "c.bias" is not in the plan`},
	{"a later layer", `"layer":0`, `"layer":1`, `line 1: layer 1 of tensor "a.weight" is not in the plan`},
	{"a negative layer", `"layer":0`, `"layer":-1`, `line 1: layer -1 of tensor "a.weight" is not in the plan`},
	{"a fraction of a layer", `"layer":0`, `"layer":0.5`, "line 1: "},
	{"a huge layer", `"layer":0`, `"layer":99999999999999999999`, "line 1: "},
	{"another name", `"longname":"a"`, `"longname":"b"`, `line 1: layer 0 of tensor "a.weight" is called "b"`},
	{"unknown level", `"fp16"`, `"8bit"`, `line 1: level "8bit" is not among the options`},
	{"no level", `"quantization":"fp16",`, ``, `line 1: level "" is not among the options`},
	{"unknown status", `"success"`, `"fine"`, `line 1: unknown status "fine"`},
	{"a missing row", `"success"`, `"missing"`, `line 1: unknown status "missing"`},
	{"no status", `"status":"success",`, ``, `line 1: unknown status ""`},
	{"a row twice", rowB, rowA, `line 2: layer 0 of tensor "a.weight" at fp16 is there twice`},
	{"a record twice", rowB, rowB + rowB, `line 3: tensor "b.experts" has rows, or a record, already`},
	{"a record and a row", rowB, strings.Replace(rowB, "b.experts", "a.weight", 1), `line 2: tensor "a.weight" has rows, or a record, already`},
	{"a row after the record", rowB, rowB + strings.NewReplacer("a.weight", "b.experts", `"a"`, `"b[0]"`, "aa", "bb").Replace(rowA), `line 3: layer 0 of tensor "b.experts" at fp16 is there twice`},
	{"other contents", rowB, strings.NewReplacer("fp16", "4bit", "aa", "ab").Replace(rowA), `line 2: the hash of tensor "a.weight" is "ab", in other rows "aa"`},
	{"no hash", `"sha256":"aa",`, ``, `line 1: the hash of tensor "a.weight" is ""`},
	{"a record without hash", `"sha256":"bb",`, ``, `line 2: tensor "b.experts" has no hash`},
	{"no values", `,"values":{"alpha":3,"num_pl_spikes":4}`, ``, "line 1: a row without values"},
	{"values null", `{"alpha":3,"num_pl_spikes":4}`, `null`, "line 1: values are null"},
	{"a list of values", `{"alpha":3,"num_pl_spikes":4}`, `[3,4]`, "line 1: "},
	{"a value that is a text", `"alpha":3`, `"alpha":"3"`, `line 1: column "alpha": "3" is no number`},
	{"a value that is true", `"alpha":3`, `"alpha":true`, `line 1: column "alpha": "true" is no number`},
	{"a value of values", `"alpha":3`, `"alpha":[3]`, `line 1: column "alpha": "[3]" is no number`},
	{"a value beyond numbers", `"alpha":3`, `"alpha":1e999`, "line 1: "},
	{"a value that is infinite", `"alpha":3`, `"alpha":Infinity`, "line 1: "},
	{"half a count", `"num_pl_spikes":4`, `"num_pl_spikes":4.5`, `line 1: column "num_pl_spikes": 4.5 is no count`},
	{"a huge count", `"num_pl_spikes":4`, `"num_pl_spikes":1e300`, `line 1: column "num_pl_spikes": 1e+300 is no count`},
	{"a negative huge count", `"num_pl_spikes":4`, `"num_pl_spikes":-1e300`, `line 1: column "num_pl_spikes": -1e+300 is no count`},
	{"an infinite count", `"num_pl_spikes":4`, `"num_pl_spikes":"inf"`, `line 1: column "num_pl_spikes": +Inf is no count`},
	{"negative time", `"seconds":1`, `"seconds":-1`, "line 1: -1 seconds"},
	{"negative bytes", `"bytes":2`, `"bytes":-2`, "line 1: 1 seconds, -2 bytes"},
	{"a negative error", `"trace_error":0`, `"trace_error":-1`, "line 1: 1 seconds, 2 bytes, error -1"},
	{"rows after the end", ended, ended + strings.Replace(rowA, "fp16", "4bit", 1), "line 4: it follows the outcome"},
	{"two ends", ended, ended + ended, "line 4: it follows the outcome"},
	{"an endless run", `"wall_seconds":1.5`, `"wall_seconds":1e300`, "line 3: a run of 1e+300 seconds"},
	{"a run backwards", `"wall_seconds":1.5`, `"wall_seconds":-1e-9`, "line 3: a run of -1e-09 seconds"},
	{"negative threads", `"threads":2`, `"threads":-2`, "line 3: a run on -2 threads"},
	{"negative layers", `"layers_at_once":1`, `"layers_at_once":-1`, "line 3: a run on 2 threads and -1 layers"},
	{"no time", `"2026-03-04T05:06:07Z"`, `"yesterday"`, "line 3: "},
}

// TestHostile: files that no writer writes are corrupt or not supported, and the error
// says where, on few lines.
func TestHostile(t *testing.T) {
	check := func(name, run, rows, file, says string) {
		_, res, err := results.Open(write(t, run, rows))
		if err == nil || res != nil || !errors.Is(err, checkpoint.ErrCorrupt) && !errors.Is(err, checkpoint.ErrUnsupported) {
			t.Errorf("%s: error %v", name, err)
		} else if !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), says) || len(err.Error()) > 1000 {
			t.Errorf("%s: error %v, want %s: … %s", name, err, file, says)
		}
	}
	for _, tc := range hostileRuns {
		if !strings.Contains(goodRun, tc.old) {
			t.Fatalf("%s: the run does not have %s", tc.name, tc.old)
		}
		check(tc.name, strings.Replace(goodRun, tc.old, tc.new, 1), goodAll, "run.json: ", tc.says)
	}
	for _, tc := range hostileRows {
		if !strings.Contains(goodAll, tc.old) {
			t.Fatalf("%s: the rows do not have %s", tc.name, tc.old)
		}
		check(tc.name, goodRun, strings.Replace(goodAll, tc.old, tc.new, 1), "/rows/x.jsonl: ", tc.says)
	}
}

// FuzzOpen: whatever a folder holds, it opens as a result that can be rendered, or there
// is an error of a class.
func FuzzOpen(f *testing.F) {
	f.Add([]byte(goodRun), []byte(goodAll))
	for _, tc := range hostileRuns {
		if len(tc.new) < 1<<16 {
			f.Add([]byte(strings.Replace(goodRun, tc.old, tc.new, 1)), []byte(goodAll))
		}
	}
	for _, tc := range hostileRows {
		if len(tc.new) < 1<<16 {
			f.Add([]byte(goodRun), []byte(strings.Replace(goodAll, tc.old, tc.new, 1)))
		}
	}
	f.Fuzz(func(t *testing.T, run, rows []byte) {
		read, res, err := results.Open(write(t, string(run), string(rows)))
		if err != nil {
			if !errors.Is(err, checkpoint.ErrCorrupt) && !errors.Is(err, checkpoint.ErrUnsupported) && !errors.Is(err, results.ErrOld) && !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("an error without class: %v", err)
			}
			return
		}
		consistent(t, read, res)
	})
}

// consistent fails the test if a result does not hold together.
func consistent(t *testing.T, run *results.Run, res *engine.Result) {
	t.Helper()
	layers := 0
	for i := range res.Tensors {
		layers += len(res.Tensors[i].Layers)
	}
	if len(res.Rows) != len(res.Levels) || len(res.Tensors) != len(run.Plan) {
		t.Fatalf("%d tables for %d levels, %d tensors for %d", len(res.Rows), len(res.Levels), len(res.Tensors), len(run.Plan))
	}
	for k := range res.Rows {
		if len(res.Rows[k]) != layers {
			t.Fatalf("%d rows for %d layers", len(res.Rows[k]), layers)
		}
		for i := range res.Rows[k] {
			r := &res.Rows[k][i]
			if r.Layer.ID != i || r.Level != res.Levels[k] || len(r.Values) != len(metric.Columns()) || r.Layer.NumEvals() < 1 {
				t.Fatalf("row %d at level %d is %+v", i, k, r)
			}
		}
	}
	if _, err := report.Render(res, report.Options{Compat: run.Compat}, func(_ string, write func(io.Writer) error) error { return write(io.Discard) }); err != nil {
		t.Fatal(err)
	}
}
