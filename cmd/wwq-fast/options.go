package main

import (
	"fmt"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/open"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/internal/mem"
)

// selectionFlags choose the layers.
func selectionFlags() []ucli.Flag {
	const category = "layers"
	d := engine.DefaultOptions()
	return []ucli.Flag{
		&ucli.StringSliceFlag{Name: "layers", Usage: "only tensors whose names match one of these `GLOBS`, such as 'model.layers.0.*'", Category: category},
		&ucli.StringSliceFlag{Name: "include", Usage: "only these `TYPES`: dense, conv1d, conv2d, embedding", Category: category},
		&ucli.StringSliceFlag{Name: "exclude", Usage: "not these `TYPES`", Category: category},
		&ucli.BoolFlag{Name: "all-matrices", Usage: "also matrices whose names do not end in .weight, and 3-D tensors", Category: category},
		&ucli.BoolFlag{Name: "quantize-embeddings", Usage: "quantize embeddings too", Category: category},
		&ucli.IntFlag{Name: "min-evals", Value: d.MinEvals, Usage: "least `NUMBER` of eigenvalues of a layer; 0 is no limit", Category: category},
		&ucli.IntFlag{Name: "max-evals", Value: d.MaxEvals, Usage: "largest `NUMBER` of eigenvalues of a layer; 0 is no limit", Category: category},
		&ucli.IntFlag{Name: "max-n", Aliases: []string{"max-N"}, Value: d.MaxN, Usage: "largest larger `DIMENSION` of a layer; 0 is no limit", Category: category},
	}
}

// modelFlags say which model is meant.
func modelFlags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringFlag{Name: "revision", Usage: "`REVISION` of a model id: branch, tag or commit (default: main)", Category: "model"},
	}
}

func levelsFlag() ucli.Flag {
	return &ucli.StringFlag{Name: "quantizations", Aliases: []string{"q"}, Value: engine.DefaultLevels,
		Usage: "`LEVELS`: fp16, 2bit to 16bit (or 2 to 16), 4bit-asym and so on", Category: "quantization"}
}

func precisionFlag() ucli.Flag {
	return &ucli.StringFlag{Name: "precision", Value: string(spectrum.Double), Category: "computation",
		Usage: "`ARITHMETIC` of the spectra: double, or single: eigenvalues in float32 where no rank depends on it"}
}

func dequantFlag() ucli.Flag {
	return &ucli.StringFlag{Name: "dequant-dtype", Value: "source",
		Usage: "`TYPE` that dequantized weights are rounded to: source, f16, bf16, f32", Category: "quantization"}
}

// begin does what every command on a model begins with: the terminal, the name of
// the model, the options.
func begin(c *ucli.Context) (*cli.Terminal, string, engine.Options, error) {
	t, err := terminal(c)
	if err != nil {
		return nil, "", engine.Options{}, err
	}
	arg, err := oneArgument(c, "model")
	if err != nil {
		return nil, "", engine.Options{}, err
	}
	opts, err := options(c)
	return t, arg, opts, err
}

// options builds engine.Options from the flags that the command has.
func options(c *ucli.Context) (engine.Options, error) {
	o := engine.DefaultOptions()
	var err error
	if s := c.String("quantizations"); s != "" || c.IsSet("quantizations") {
		if o.Levels, err = quant.ParseLevels(s); err != nil {
			return o, cli.Usagef("--quantizations: %v", err)
		}
	}
	switch s := strings.ToLower(c.String("dequant-dtype")); s {
	case "", "source":
	case "f16", "fp16":
		o.DequantDType = checkpoint.F16
	case "bf16":
		o.DequantDType = checkpoint.BF16
	case "f32", "fp32":
		o.DequantDType = checkpoint.F32
	default:
		return o, cli.Usagef("--dequant-dtype %q: source, f16, bf16 or f32", s)
	}
	o.Layers = c.StringSlice("layers")
	for _, t := range c.StringSlice("include") {
		o.Include = append(o.Include, engine.LayerType(t))
	}
	for _, t := range c.StringSlice("exclude") {
		o.Exclude = append(o.Exclude, engine.LayerType(t))
	}
	o.AllMatrices = c.Bool("all-matrices")
	o.QuantizeEmbeddings = c.Bool("quantize-embeddings")
	if has(c, "min-evals") {
		o.MinEvals, o.MaxEvals, o.MaxN = c.Int("min-evals"), c.Int("max-evals"), c.Int("max-n")
	}
	o.Threads = c.Int("threads")
	o.Memory = mem.Available() / 10 * 8
	if size := c.String("memory"); size != "" {
		if o.Memory, err = mem.ParseSize(size); err != nil {
			return o, cli.Usagef("--memory: %v", err)
		}
	}
	o.Precision = spectrum.Precision(c.String("precision"))
	o.Reproducible = c.Bool("reproducible")
	if b := c.String("backend"); b != "" {
		if err := o.UseBackend(b); err != nil {
			return o, &cli.UsageError{Message: fmt.Sprintf("--backend: %v", err), Hints: []string{backendHint}}
		}
	}
	if err := o.Validate(); err != nil {
		return o, cli.Usagef("%v", err)
	}
	return o, nil
}

// backendHint says where the backends are that a build lacks.
const backendHint = "twostage, shim and netlib need a build with cgo, accelerate one on macOS; MKL and BLIS take the place of OpenBLAS in builds with -tags wwq_mkl or wwq_blas"

// has reports whether the command has the flag.
func has(c *ucli.Context, name string) bool {
	for _, f := range c.Command.Flags {
		for _, n := range f.Names() {
			if n == name {
				return true
			}
		}
	}
	return false
}

// openModel opens what the user named and says what was found where that is not
// plain.
func openModel(c *ucli.Context, t *cli.Terminal, arg string) (checkpoint.Source, error) {
	src, found, err := open.Open(arg, open.Options{Revision: c.String("revision")})
	if err != nil {
		return nil, err
	}
	if found.Notice != "" {
		t.Note("%s", cli.OneLine(found.Notice))
	}
	return src, nil
}
