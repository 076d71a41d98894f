package main

import (
	"errors"
	"io/fs"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

func quantizeCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "quantize",
		Usage:     "write a copy of a model with its weights quantized and dequantized",
		ArgsUsage: "[flags] MODEL --bits B -o OUT",
		Description: `The copy holds floating-point weights, in shards as the source; everything that is
not quantized is copied byte for byte. OUT is a folder, or a .safetensors file if the
source is one file.`,
		Flags: append(modelFlags(),
			&ucli.StringFlag{Name: "bits", Aliases: []string{"b"}, Usage: "the `LEVEL`: 2 to 16, 4bit-asym, fp16", Category: "quantization"},
			dequantFlag(),
			&ucli.StringSliceFlag{Name: "layers", Usage: "only tensors whose names match one of these `GLOBS`", Category: "layers"},
			&ucli.BoolFlag{Name: "all-matrices", Usage: "also matrices whose names do not end in .weight, and 3-D tensors", Category: "layers"},
			&ucli.BoolFlag{Name: "quantize-embeddings", Usage: "quantize embeddings too", Category: "layers"},
			&ucli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`OUT`, the folder or file to write", Category: "output"},
			&ucli.BoolFlag{Name: "overwrite", Usage: "replace output files that exist", Category: "output"},
		),
		Action: quantize,
	}
}

func quantize(c *ucli.Context) error {
	t, arg, opts, err := begin(c)
	if err != nil {
		return err
	}
	if c.String("bits") == "" || c.String("output") == "" {
		return &cli.UsageError{
			Message: "quantize needs --bits and --output",
			Hints:   []string{"wwq-fast quantize MODEL --bits 4 -o OUT"},
		}
	}
	level, err := quant.ParseLevel(c.String("bits"))
	if err != nil {
		return cli.Usagef("--bits: %v", err)
	}
	src, err := openModel(c, t, arg)
	if err != nil {
		return err
	}
	defer src.Close()
	q, err := engine.Quantize(c.Context, src, c.String("output"), level, opts, c.Bool("overwrite"))
	if err != nil {
		if errors.Is(err, fs.ErrExist) {
			return &cli.UsageError{Message: err.Error(), Hints: []string{"--overwrite replaces it"}}
		}
		return err
	}
	if q.Changed == 0 {
		t.Warn("no tensor was quantized: the copy is the same; wwq-fast describe says why")
	}
	t.Note("%d tensors at %s, %d copied as they were", q.Changed, level, q.Copied)
	for _, f := range q.Files {
		t.Note("wrote %s", cli.OneLine(f))
	}
	return nil
}
