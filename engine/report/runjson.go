package report

import (
	"cmp"
	"encoding/json"
	"io"
	"math"
	"time"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// runFile is run.json: what was run, on what, how, and what became of every
// tensor. Fields may be added, never given another meaning.
type runFile struct {
	Version     int                `json:"v"`
	Model       string             `json:"model"`
	Format      string             `json:"format"`
	Files       []fileEntry        `json:"files"`
	Options     optionsEntry       `json:"options"`
	Environment engine.Environment `json:"environment"`
	Started     time.Time          `json:"started"`
	WallSeconds float64            `json:"wall_seconds"`
	Threads     int                `json:"threads"`
	Workers     int                `json:"layers_at_once"`
	BLASThreads int                `json:"blas_threads_per_call"`
	Interrupted bool               `json:"interrupted"`
	Warnings    []string           `json:"warnings,omitempty"`
	Tensors     []tensorEntry      `json:"tensors"`
	Rows        []rowEntry         `json:"rows"`
}

type fileEntry struct {
	Name         string `json:"name"`
	Bytes        int64  `json:"bytes"`
	HeaderSHA256 string `json:"header_sha256"`
}

type optionsEntry struct {
	Levels             []string           `json:"quantizations"`
	MinEvals           int                `json:"min_evals"`
	MaxEvals           int                `json:"max_evals"`
	MaxN               int                `json:"max_n"`
	Layers             []string           `json:"layers,omitempty"`
	Include            []engine.LayerType `json:"include,omitempty"`
	Exclude            []engine.LayerType `json:"exclude,omitempty"`
	AllMatrices        bool               `json:"all_matrices"`
	QuantizeEmbeddings bool               `json:"quantize_embeddings"`
	DequantDType       string             `json:"dequant_dtype"`
	Precision          string             `json:"precision"`
	Reproducible       bool               `json:"reproducible"`
	Compat             bool               `json:"compat_weightwatcher"`
}

type tensorEntry struct {
	Name   string        `json:"name"`
	DType  string        `json:"dtype"`
	Shape  []int         `json:"shape"`
	File   string        `json:"file"`
	Type   string        `json:"type,omitempty"`
	Status engine.Status `json:"status"`
	Reason string        `json:"reason,omitempty"`
}

type rowEntry struct {
	Layer       int              `json:"layer_id"`
	LongName    string           `json:"longname"`
	Level       string           `json:"quantization"`
	Status      engine.FitStatus `json:"status"`
	Reason      string           `json:"reason,omitempty"`
	Method      string           `json:"method,omitempty"`
	TraceError  float64          `json:"trace_error"`
	RunnerD     *float64         `json:"runner_up_D"`
	RunnerAlpha *float64         `json:"runner_up_alpha"`
}

// WriteRunJSON writes run.json. Numbers that do not exist are null.
func WriteRunJSON(w io.Writer, res *engine.Result, compat bool) error {
	o := &res.Options
	f := runFile{
		Version: 1, Model: res.Source.Path, Format: res.Source.Format,
		Environment: res.Env, Started: res.Started, WallSeconds: res.Elapsed.Seconds(),
		Threads: res.Threads, Workers: res.Workers, BLASThreads: 1, Interrupted: res.Interrupted, Warnings: res.Warnings,
		Options: optionsEntry{
			MinEvals: o.MinEvals, MaxEvals: o.MaxEvals, MaxN: o.MaxN, Layers: o.Layers,
			Include: o.Include, Exclude: o.Exclude, AllMatrices: o.AllMatrices,
			QuantizeEmbeddings: o.QuantizeEmbeddings, DequantDType: "source", Compat: compat,
			Precision: cmp.Or(string(o.Precision), string(spectrum.Double)), Reproducible: o.Reproducible,
		},
	}
	if o.DequantDType != checkpoint.InvalidDType {
		f.Options.DequantDType = o.DequantDType.String()
	}
	for _, l := range res.Levels {
		f.Options.Levels = append(f.Options.Levels, l.String())
	}
	for _, s := range res.Source.Files {
		f.Files = append(f.Files, fileEntry{s.Name, s.Size, s.HeaderSHA256})
	}
	for i := range res.Tensors {
		t := &res.Tensors[i]
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		f.Tensors = append(f.Tensors, tensorEntry{t.Name, t.StoredType(), shape, t.File, string(t.Type), t.Status, t.Reason})
	}
	for k := range res.Rows {
		for i := range res.Rows[k] {
			r := &res.Rows[k][i]
			f.Rows = append(f.Rows, rowEntry{
				Layer: r.Layer.ID, LongName: r.Layer.LongName, Level: r.Level.String(), Status: r.Status, Reason: r.Reason,
				Method: string(r.Method), TraceError: r.TraceError,
				RunnerD: nullable(r.Runner), RunnerAlpha: nullable(r.RunnerAlpha),
			})
		}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(f)
}

func nullable(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}
