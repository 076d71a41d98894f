package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

// exporting is the command export and what its flags say.
type exporting struct {
	modelFlags
	out, dtype string
	overwrite  bool
}

func exportCommand() *ucli.Command {
	e := &exporting{}
	return &ucli.Command{
		Name:      "export",
		Usage:     "write a model, quantized or not, as floating-point numbers in one safetensors file",
		ArgsUsage: "[flags] MODEL -o OUT.safetensors",
		Description: `Numbers are written as they are stored, and weights in codes (of GGUF, say) as the float32
numbers that they stand for, so that nothing is lost. Names stay as they are. With --dtype
all floating-point tensors are written in that type, and it is said where values were
rounded. If a tensor cannot be read it is named, and the exit code is 3.

Examples:
  wwq-fast export model-Q4_K_M.gguf -o model.safetensors
  wwq-fast export model-Q4_K_M.gguf -o model.safetensors --dtype bf16`,
		Flags: append(flagsOf(&e.modelFlags),
			&ucli.StringFlag{Name: "output", Aliases: []string{"o"}, Destination: &e.out, Usage: "`OUT`, the file to write", Category: "output"},
			&ucli.StringFlag{Name: "dtype", Destination: &e.dtype, Value: "source", Usage: "`TYPE` of floating-point tensors: source, f32, f16, bf16", Category: "output"},
			&ucli.BoolFlag{Name: "overwrite", Destination: &e.overwrite, Usage: "replace a file that exists", Category: "output"}),
		Action: e.run,
	}
}

func (e *exporting) run(c *ucli.Context) error {
	t, arg, _, err := begin(c, &e.modelFlags)
	if err != nil {
		return err
	}
	if e.out == "" {
		return &cli.UsageError{Message: "export needs --output", Hints: []string{"wwq-fast export MODEL -o OUT.safetensors"}}
	}
	dtype, ok := dequantTypes[strings.ToLower(e.dtype)]
	if !ok {
		return cli.Usagef("--dtype %q: source, f32, f16 or bf16", e.dtype)
	}
	src, err := e.open(t, arg)
	if err != nil {
		return err
	}
	defer src.Close()
	sum, err := engine.Export(c.Context, src, e.out, dtype, e.overwrite)
	switch file := (*checkpoint.FileError)(nil); {
	case errors.Is(err, fs.ErrExist):
		return &cli.UsageError{Message: err.Error(), Hints: []string{"--overwrite replaces it"}}
	case errors.Is(err, checkpoint.ErrOutput):
		return &cli.UsageError{Message: err.Error(), Hints: []string{"name another file with --output"}}
	case err != nil && errors.As(err, &file) && file.File == e.out:
		return cli.Unwritable(err)
	case err != nil:
		return err
	}
	count := func(n engine.Tally) string {
		return fmt.Sprintf("%d %s with %d parameters", n.Tensors, plural(n.Tensors, "tensor"), n.Parameters)
	}
	t.Note("copied as they are: %s", count(sum.Copied))
	if sum.Decoded.Tensors > 0 {
		t.Note("written as other numbers than they are stored: %s", count(sum.Decoded))
	}
	if sum.Rounded.Tensors > 0 {
		t.Warn("values were rounded in %s", count(sum.Rounded))
	}
	t.Note("wrote %s", cli.OneLine(e.out))
	for _, r := range sum.LeftOut {
		t.Warn("left out: %s (%s)", count(r.Tally), cli.OneLine(r.Text))
	}
	if len(sum.LeftOut) > 0 {
		return cli.ErrPartial
	}
	return nil
}
