package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/open"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/internal/mem"
)

// A flagGroup is a group of flags that several commands have: a struct that the flags
// write to.
type flagGroup interface {
	flags() []ucli.Flag
	// apply sets the options that the flags stand for.
	apply(o *engine.Options) error
}

// flagsOf returns the flags of all groups.
func flagsOf(groups ...flagGroup) []ucli.Flag {
	var all []ucli.Flag
	for _, g := range groups {
		all = append(all, g.flags()...)
	}
	return all
}

// optionsOf returns the default options with those that the flags of all groups stand
// for.
func optionsOf(groups ...flagGroup) (engine.Options, error) {
	o := engine.DefaultOptions()
	for _, g := range groups {
		if err := g.apply(&o); err != nil {
			return o, err
		}
	}
	if err := o.Validate(); err != nil {
		return o, cli.Usagef("%v", err)
	}
	return o, nil
}

// begin does what every command on a model begins with: the terminal, the name of the
// model, the options.
func begin(c *ucli.Context, groups ...flagGroup) (t *cli.Terminal, model string, o engine.Options, err error) {
	if t, err = terminal(c); err != nil {
		return nil, "", o, err
	}
	if model, err = oneArgument(c, "model"); err != nil {
		return nil, "", o, err
	}
	if err = checkLeastSpace(); err != nil {
		return nil, "", o, err
	}
	o, err = optionsOf(groups...)
	return t, model, o, err
}

// layerFlags choose layers by name, and say which are quantized.
type layerFlags struct {
	layers                                          patterns
	allMatrices, quantizeEmbeddings, keepDuplicates bool
}

// patterns are the values of a flag that repeats and is not split at commas, which names
// may hold.
type patterns []string

func (p *patterns) Set(s string) error {
	*p = append(*p, s)
	return nil
}

func (p *patterns) String() string { return strings.Join(*p, " ") }

func (f *layerFlags) flags() []ucli.Flag {
	const category = "layers"
	return []ucli.Flag{
		&ucli.GenericFlag{Name: "layers", Value: &f.layers, DefaultText: "all", Usage: "only layers whose names match a `PATTERN`, such as 'model.layers.0.*': * is any text, all else is itself; the flag repeats", Category: category},
		&ucli.BoolFlag{Name: "all-matrices", Destination: &f.allMatrices, Hidden: true, Usage: "accepted for old scripts: every weight matrix is analysed", Category: category},
		&ucli.BoolFlag{Name: "keep-duplicates", Destination: &f.keepDuplicates, Usage: "count tied weights and repeated layers as often as they are stored", Category: category},
		&ucli.BoolFlag{Name: "quantize-embeddings", Destination: &f.quantizeEmbeddings, Usage: "quantize embeddings too", Category: category},
	}
}

func (f *layerFlags) apply(o *engine.Options) error {
	o.Layers, o.QuantizeEmbeddings = f.layers, f.quantizeEmbeddings
	o.KeepDuplicates = o.KeepDuplicates || f.keepDuplicates
	return nil
}

// limitFlags choose layers by type and size.
type limitFlags struct {
	include, exclude         ucli.StringSlice
	minEvals, maxEvals, maxN int
}

func (f *limitFlags) flags() []ucli.Flag {
	const category = "layers"
	return []ucli.Flag{
		&ucli.StringSliceFlag{Name: "include", Destination: &f.include, Usage: "only these `TYPES`: dense, conv1d, conv2d, conv3d, embedding", Category: category},
		&ucli.StringSliceFlag{Name: "exclude", Destination: &f.exclude, Usage: "not these `TYPES`", Category: category},
		&ucli.IntFlag{Name: "min-evals", Destination: &f.minEvals, Value: notSet, DefaultText: "10", Usage: "least `NUMBER` of eigenvalues of a layer; 0 is no limit", Category: category},
		&ucli.IntFlag{Name: "max-evals", Destination: &f.maxEvals, Value: notSet, DefaultText: "no limit", Usage: "largest `NUMBER` of eigenvalues of a layer; 0 is no limit", Category: category},
		&ucli.IntFlag{Name: "max-n", Aliases: []string{"max-N"}, Destination: &f.maxN, Value: notSet, DefaultText: "no limit", Usage: "largest larger `DIMENSION` of a layer; 0 is no limit", Category: category},
	}
}

// notSet is the value of a limit that was not given.
const notSet = math.MinInt

func (f *limitFlags) apply(o *engine.Options) error {
	for _, limit := range []struct {
		flag   int
		option *int
	}{{f.minEvals, &o.MinEvals}, {f.maxEvals, &o.MaxEvals}, {f.maxN, &o.MaxN}} {
		if limit.flag != notSet {
			*limit.option = limit.flag
		}
	}
	for _, t := range f.include.Value() {
		o.Include = append(o.Include, engine.LayerType(t))
	}
	for _, t := range f.exclude.Value() {
		o.Exclude = append(o.Exclude, engine.LayerType(t))
	}
	return nil
}

// modelFlags say which model is meant.
type modelFlags struct{ revision string }

func (f *modelFlags) flags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringFlag{Name: "revision", Destination: &f.revision, DefaultText: "main", Usage: "`REVISION` of a model id: branch, tag, commit or its beginning", Category: "model"},
	}
}

func (*modelFlags) apply(*engine.Options) error { return nil }

// open opens what the user named and says what was found where that is not plain.
func (f *modelFlags) open(t *cli.Terminal, arg string) (checkpoint.Source, error) {
	src, found, err := open.Open(arg, open.Options{Revision: f.revision})
	if err != nil {
		return nil, err
	}
	if found.Notice != "" {
		t.Note("%s", cli.OneLine(found.Notice))
	}
	if noted, ok := src.(checkpoint.Noted); ok {
		for _, note := range noted.Notes() {
			t.Note("%s", cli.OneLine(note))
		}
	}
	return src, nil
}

// compatFlag asks for what another tool does.
type compatFlag struct{ compat string }

func (f *compatFlag) flags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringFlag{Name: "compat", Destination: &f.compat, Category: "output",
			Usage: "`TOOL` to follow: weightwatcher selects layers, counts ties and writes failed fits as WeightWatcher does (docs/SCRIPTING.md)"},
	}
}

// compatible reports whether WeightWatcher is to be followed.
func (f *compatFlag) compatible() bool { return f.compat != "" }

func (f *compatFlag) check() error {
	if !slices.Contains([]string{"", "weightwatcher"}, f.compat) {
		return cli.Usagef("--compat %q: only weightwatcher is known", f.compat)
	}
	return nil
}

// apply comes before the limits, which may be given beside it.
func (f *compatFlag) apply(o *engine.Options) error {
	if f.compatible() {
		o.LikeWeightWatcher()
	}
	return f.check()
}

// dequantFlag says what dequantized weights are rounded to.
type dequantFlag struct{ dtype string }

// dequantTypes are the values of the flag.
var dequantTypes = map[string]checkpoint.DType{
	"source": checkpoint.InvalidDType,
	"f16":    checkpoint.F16, "fp16": checkpoint.F16,
	"bf16": checkpoint.BF16,
	"f32":  checkpoint.F32, "fp32": checkpoint.F32,
}

func (f *dequantFlag) flags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringFlag{Name: "dequant-dtype", Destination: &f.dtype, Value: "source",
			Usage: "`TYPE` that dequantized weights are rounded to: source, f16, bf16, f32", Category: "quantization"},
	}
}

func (f *dequantFlag) apply(o *engine.Options) error {
	d, ok := dequantTypes[strings.ToLower(f.dtype)]
	if !ok && f.dtype != "" {
		return cli.Usagef("--dequant-dtype %q: source, f16, bf16 or f32", f.dtype)
	}
	o.DequantDType = d
	return nil
}

// precisionFlag chooses the arithmetic of spectra.
type precisionFlag struct{ precision string }

func (f *precisionFlag) flags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringFlag{Name: "precision", Destination: &f.precision, Value: string(spectrum.Double), Category: "computation",
			Usage: "`ARITHMETIC` of the spectra: double, or single: eigenvalues in float32 where no rank depends on it"},
	}
}

func (f *precisionFlag) apply(o *engine.Options) error {
	o.Precision = spectrum.Precision(f.precision)
	return nil
}

// computeFlags say on what to compute.
type computeFlags struct {
	threads         int
	backend, memory string
	reproducible    bool
}

func (f *computeFlags) flags() []ucli.Flag {
	const category = "computation"
	return []ucli.Flag{
		&ucli.IntFlag{Name: "threads", Aliases: []string{"t"}, Destination: &f.threads, DefaultText: "all cores", Usage: "`NUMBER` of cores to use; results do not depend on it", Category: category},
		&ucli.StringFlag{Name: "backend", Destination: &f.backend, DefaultText: engine.Env().LAPACK, Usage: "`NAME` of the eigenvalue backend; wwq-fast env lists them", Category: category},
		&ucli.BoolFlag{Name: "reproducible", Destination: &f.reproducible, Usage: "the same bytes in all tables on every x86-64 processor with AVX2, at some cost on newer ones", Category: category},
		&ucli.StringFlag{Name: "memory", Destination: &f.memory, DefaultText: "80 % of what is free", Usage: "most memory to take, a `SIZE` such as 24G", Category: category},
	}
}

func (f *computeFlags) apply(o *engine.Options) (err error) {
	o.Threads, o.Reproducible = f.threads, f.reproducible
	o.Memory = mem.Available() / 10 * 8
	if f.memory != "" {
		if o.Memory, err = mem.ParseSize(f.memory); err != nil {
			return cli.Usagef("--memory: %v", err)
		}
	}
	if f.backend != "" {
		if err := o.UseBackend(f.backend); err != nil {
			return &cli.UsageError{Message: fmt.Sprintf("--backend: %v", err), Hints: []string{backendHint}}
		}
	}
	return nil
}

// backendHint says where the backends are that a build lacks.
const backendHint = "twostage, shim and netlib need a build with cgo, accelerate one on macOS; MKL and BLIS take the place of OpenBLAS in builds with -tags wwq_mkl or wwq_blas"

// outputFlags say how results are written.
type outputFlags struct{ noPlots, json bool }

func (f *outputFlags) flags() []ucli.Flag {
	const category = "output"
	return []ucli.Flag{
		&ucli.BoolFlag{Name: "no-plots", Destination: &f.noPlots, Usage: "do not draw pictures", Category: category},
		&ucli.BoolFlag{Name: "json", Destination: &f.json, Usage: "JSON Lines on standard output instead of the table", Category: category},
	}
}
