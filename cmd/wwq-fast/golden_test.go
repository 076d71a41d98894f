package main

import (
	"bytes"
	"encoding/json"
	"image/png"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/testsource"
	"github.com/wwq-fast/wwq-fast/internal/testgolden"
)

// float16 returns a tensor stored as float16, in which Gram matrices are the same by
// every route but for rounding.
func float16(name string, w []float32, shape ...int) testsource.Tensor {
	data := make([]byte, 2*len(w))
	checkpoint.F16.Encode(data, w)
	return testsource.Tensor{Name: name, DType: checkpoint.F16, Shape: shape, Data: data}
}

// mild returns weights with a spread that few-bit levels do not bring to zero: no two
// eigenvalues are equal by accident, so that every build chooses the same tails.
func mild(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 2))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(rng.NormFloat64() * 0.1 * math.Exp(0.3*rng.NormFloat64()))
	}
	return w
}

// goldenModel is a small model of everything that a run can meet.
func goldenModel() []testsource.Tensor {
	bad, eye, low := mild(7, 32*48), make([]float32, 12*20), mild(9, 36*20)
	bad[77] = float32(math.NaN())
	for i := range 12 {
		eye[i*20+i] = 0.5
	}
	for i := range 36 { // six columns repeat others
		copy(low[i*20+14:i*20+20], low[i*20:])
	}
	tensors := []testsource.Tensor{
		float16("layers.2.weight", mild(1, 32*48), 32, 48),
		float16("layers.10.weight", mild(2, 40*24), 40, 24),
		float16("embed.weight", mild(3, 30*20), 30, 20),
		float16("conv.weight", mild(4, 16*8*9), 16, 8, 3, 3),
		float16("nan.weight", bad, 32, 48),
		float16("twin.weight", mild(1, 32*48), 32, 48),
		float16("eye.weight", eye, 12, 20),
		float16("low.weight", low, 36, 20),
		float16("zero.weight", make([]float32, 20*30), 20, 30),
		float16("=sum.weight", mild(5, 15*60), 15, 60),
		float16("layers.2.bias", mild(6, 48), 48),
		float16("experts.up", mild(6, 2*16*24), 2, 16, 24),
		float16("small.weight", mild(8, 4*4), 4, 4),
	}
	return append(tensors, testsource.Tensor{Name: "codes.weight", DType: checkpoint.I8, Shape: []int{4, 4}, Data: make([]byte, 16)})
}

// volatile are the parts of outputs that are others in every run, on every machine or in
// every build, and what stands for them in golden files.
var volatile = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}`), "TIME"},
	{regexp.MustCompile(`(?m)^[0-9.]+ s on \d+ threads, eigenvalues by .*`), "T s on N threads, eigenvalues by E"},
	{regexp.MustCompile(`"wall_seconds":[0-9.e-]+`), `"wall_seconds":T`},
	// run.json
	{regexp.MustCompile(`(?s)"environment": \{.*?\n \},`), `"environment": {E},`},
	{regexp.MustCompile(`"started": "[^"]*"`), `"started": "TIME"`},
	{regexp.MustCompile(`"wall_seconds": [0-9.e-]+`), `"wall_seconds": T`},
	{regexp.MustCompile(`"(threads|layers_at_once)": \d+`), `"$1": N`},
	{regexp.MustCompile(`(?s) "warnings": \[.*?\],\n`), ""},
	{regexp.MustCompile(`"run": "[0-9a-f]{8}"`), `"run": "ID"`},
	{regexp.MustCompile(`rows/[0-9a-f]{8}\.jsonl`), "rows/ID.jsonl"},
	{regexp.MustCompile(` +"memory": \d+,?\n`), ""},
	{regexp.MustCompile(`"worker_bytes": \d+`), `"worker_bytes": N`},
	// rows
	{regexp.MustCompile(`"seconds":[0-9.e-]+`), `"seconds":T`},
	{regexp.MustCompile(`"bytes":\d+,"values"`), `"bytes":N,"values"`},
	{regexp.MustCompile(`(?m)^\{"outcome":.*\}$`), `{"outcome":O}`},
	// analysis_report.txt
	{regexp.MustCompile(`(?m)^wwq-fast [^,]*, go[^,]*, \S*$`), "wwq-fast V, G, P"},
	{regexp.MustCompile(`backend [^;]*; Gram matrix: backend [^;]*;`), "backend E; Gram matrix: backend E;"},
	{regexp.MustCompile(`(?m)^C library: .*$`), "C library: L"},
	{regexp.MustCompile(`layer-levels in [0-9.]+ s`), "layer-levels in T s"},
	{regexp.MustCompile(`(?m)^note: .*\n`), ""},
}

// traceErrors finds the relative errors of sums of eigenvalues, which are rounding alone.
var traceErrors = regexp.MustCompile(`("trace_error": ?|largest relative error )([0-9.e+-]+)`)

func settled(t *testing.T, text string) string {
	t.Helper()
	for _, v := range volatile {
		text = v.pattern.ReplaceAllString(text, v.with)
	}
	for _, m := range traceErrors.FindAllStringSubmatch(text, -1) {
		if e, err := strconv.ParseFloat(m[2], 64); err != nil || !(e >= 0 && e <= 1e-12) {
			t.Errorf("%s%s", m[1], m[2])
		}
	}
	return traceErrors.ReplaceAllString(text, "${1}0")
}

// command runs the program and returns its exit code and standard output.
func command(t *testing.T, args ...string) (int, string) {
	t.Helper()
	// A program started again would be the test.
	t.Setenv("WWQ_RESTARTED", "1")
	var out, notes bytes.Buffer
	code := run(append([]string{"wwq-fast"}, args...), &out, &notes)
	if code != cli.OK && code != cli.Partial {
		t.Fatalf("%q: exit code %d, %s", args, code, &notes)
	}
	return code, out.String()
}

// TestGoldenRun holds all that a run writes and prints to golden files: 1e-9 for numbers,
// which follow from eigenvalues with errors of 1e-14.
func TestGoldenRun(t *testing.T) {
	golden, err := filepath.Abs("testdata/golden")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("m.safetensors", testsource.Safetensors(goldenModel(), nil), 0o666); err != nil {
		t.Fatal(err)
	}
	for name, flags := range map[string][]string{
		"plain":  nil,
		"compat": {"--compat", "weightwatcher", "--model-name", "+other", "--quantize-embeddings", "--all-matrices", "--min-evals", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			args := slices.Concat([]string{"analyze", "m.safetensors", "-q", "3bit,4bit-asym,fp16,4bit", "-o", name}, flags)
			code, table := command(t, append(args, "--no-plots")...)
			if code != cli.Partial {
				t.Errorf("exit code %d", code)
			}
			_, lines := command(t, append(args, "--json")...)
			outputs := map[string]string{"table.txt": table, "lines.json": sorted(lines)}
			err := filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				data, err := os.ReadFile(path)
				if filepath.Ext(path) != ".png" {
					rel, _ := filepath.Rel(name, path)
					text := string(data)
					if rel = filepath.ToSlash(rel); strings.HasPrefix(rel, "rows/") {
						// Rows stand in the order in which they were finished.
						rel, text = "rows.jsonl", sorted(text)
					}
					outputs[rel] = text
				} else if _, err := png.Decode(bytes.NewReader(data)); err != nil {
					t.Errorf("%s: %v", path, err)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			want := []string{
				"analysis_report.txt", "lines.json", "metrics/quantization_comparison.csv", "metrics/quantization_errors.csv",
				"metrics/results_3bit.csv", "metrics/results_4bit-asym.csv", "metrics/results_4bit.csv", "metrics/results_fp16.csv",
				"rows.jsonl", "run.json", "table.txt",
			}
			if names := slices.Sorted(maps.Keys(outputs)); !slices.Equal(names, want) {
				t.Errorf("files %q, want %q", names, want)
			}
			pictures, _ := filepath.Glob(filepath.Join(name, "plots", "*.png"))
			if len(pictures) != 5 {
				t.Errorf("pictures %q", pictures)
			}
			for file, text := range outputs {
				testgolden.Text(t, filepath.Join(golden, name, filepath.FromSlash(file)), settled(t, text), 1e-9)
			}
		})
	}
	_, described := command(t, "describe", "--json", "m.safetensors")
	described = regexp.MustCompile(`"(threads|memory_bytes)":\d+`).ReplaceAllString(described, `"$1":N`)
	testgolden.Text(t, filepath.Join(golden, "describe.json"), described, 0)
	checkEnvironment(t, filepath.Join("plain", "run.json"))
}

// sorted returns lines, which come in the order in which rows were finished, in that of the
// alphabet.
func sorted(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

// checkEnvironment holds the environment in run.json to what env prints.
func checkEnvironment(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, text := command(t, "env", "--json")
	var record struct{ Environment map[string]any }
	var want map[string]any
	if err := json.Unmarshal(data, &record); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	for _, env := range []map[string]any{record.Environment, want} {
		if library, ok := env["library"].(map[string]any); ok {
			delete(library, "threads") // one in an analysis
		}
	}
	if diff := cmp.Diff(want, record.Environment); diff != "" {
		t.Errorf("env and run.json (-want +got):\n%s", diff)
	}
	if !strings.Contains(text, `"lapack"`) {
		t.Errorf("env: %s", text)
	}
}

// TestStoredTypes: weights that every type holds exactly give the same tables to the last
// digit, whichever type they are stored in.
func TestStoredTypes(t *testing.T) {
	t.Chdir(t.TempDir())
	w, tables := mild(11, 64*96), map[string]string{}
	for i, v := range w {
		// Seven binary digits.
		f, e := math.Frexp(float64(v))
		w[i] = float32(math.Ldexp(math.Round(f*128)/128, e))
	}
	for _, d := range []checkpoint.DType{checkpoint.F32, checkpoint.F16, checkpoint.BF16, checkpoint.F64} {
		data := make([]byte, len(w)*d.Bits()/8)
		d.Encode(data, w)
		tensors := []testsource.Tensor{{Name: "a.weight", DType: d, Shape: []int{64, 96}, Data: data}}
		if err := os.WriteFile("m.safetensors", testsource.Safetensors(tensors, nil), 0o666); err != nil {
			t.Fatal(err)
		}
		command(t, "analyze", "m.safetensors", "-q", "fp16,8,4-asym,2", "--dequant-dtype", "bf16", "--no-plots", "-o", "out", "--overwrite")
		paths, _ := filepath.Glob("out/metrics/*.csv")
		if len(paths) != 6 {
			t.Errorf("tables %q", paths)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			text := settled(t, string(data))
			if want, ok := tables[path]; ok && text != want {
				t.Errorf("%s of weights stored as %v:\n%s\nas F32:\n%s", path, d, text, want)
			} else if !ok {
				tables[path] = text
			}
		}
	}
}
