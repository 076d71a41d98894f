package main

import (
	"errors"
	"io/fs"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// quantization is the command quantize and what its flags say.
type quantization struct {
	modelFlags
	dequantFlag
	layerFlags
	bits, out string
	overwrite bool
}

func (q *quantization) groups() []flagGroup {
	return []flagGroup{&q.modelFlags, &q.dequantFlag, &q.layerFlags}
}

func quantizeCommand() *ucli.Command {
	q := &quantization{}
	return &ucli.Command{
		Name:      "quantize",
		Usage:     "write a copy of a model with its weights quantized and dequantized",
		ArgsUsage: "[flags] MODEL --bits B -o OUT",
		Description: `The copy holds floating-point weights, in shards as the source; everything that is
not quantized is copied byte for byte. OUT is a folder, or a .safetensors file if the
source is one file.`,
		Flags: append(flagsOf(q.groups()...),
			&ucli.StringFlag{Name: "bits", Aliases: []string{"b"}, Destination: &q.bits, Usage: "the `LEVEL`: 2 to 16, 4bit-asym, fp16", Category: "quantization"},
			&ucli.StringFlag{Name: "output", Aliases: []string{"o"}, Destination: &q.out, Usage: "`OUT`, the folder or file to write", Category: "output"},
			&ucli.BoolFlag{Name: "overwrite", Destination: &q.overwrite, Usage: "replace output files that exist", Category: "output"}),
		Action: q.run,
	}
}

func (q *quantization) run(c *ucli.Context) error {
	t, arg, opts, err := begin(c, q.groups()...)
	if err != nil {
		return err
	}
	if q.bits == "" || q.out == "" {
		return &cli.UsageError{
			Message: "quantize needs --bits and --output",
			Hints:   []string{"wwq-fast quantize MODEL --bits 4 -o OUT"},
		}
	}
	level, err := quant.Parse(q.bits)
	if err != nil {
		return cli.Usagef("--bits: %v", err)
	}
	src, err := q.open(t, arg)
	if err != nil {
		return err
	}
	defer src.Close()
	sum, err := engine.Quantize(c.Context, src, q.out, level, opts, q.overwrite)
	if err != nil {
		if errors.Is(err, fs.ErrExist) {
			return &cli.UsageError{Message: err.Error(), Hints: []string{"--overwrite replaces it"}}
		}
		return err
	}
	if sum.Changed == 0 {
		t.Warn("no tensor was quantized: the copy is the same; wwq-fast describe says why")
	}
	t.Note("%d tensors at %s, %d copied as they were", sum.Changed, level.Name(), sum.Copied)
	for _, f := range sum.Files {
		t.Note("wrote %s", cli.OneLine(f))
	}
	return nil
}
