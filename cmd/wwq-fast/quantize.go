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
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// quantization is the command quantize and what its flags say.
type quantization struct {
	modelFlags
	dequantFlag
	layerFlags
	bits, out string
	rules     ucli.StringSlice
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
not quantized is copied byte for byte, and so are configuration, tokenizer and code of
a folder. A tensor whose shape the scheme does not take is copied, too, and named with
the reason; then the exit code is 3. The metadata say the level and the source. OUT is a folder, or a .safetensors
file if the source is one file.

Examples:
  wwq-fast quantize examples/gosrc-lm --bits 4 -o gosrc-lm-4bit
  wwq-fast quantize model.safetensors --bits 8bit-asym --dequant-dtype f32 -o 8bit.safetensors`,
		Flags: append(flagsOf(q.groups()...),
			&ucli.StringFlag{Name: "bits", Aliases: []string{"b", "scheme"}, Destination: &q.bits, Usage: "the `LEVEL`: 2 to 16, 4bit-asym, fp16, or a scheme that wwq-fast schemes lists", Category: "quantization"},
			mapFlag(&q.rules),
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
	level, err := q.level(t)
	if err != nil {
		return err
	}
	src, err := q.open(t, arg)
	if err != nil {
		return err
	}
	defer src.Close()
	if plan, err := engine.Describe(src, opts); err != nil {
		return err
	} else if err := checkRules([]quant.Recipe{level}, plan); err != nil {
		return err
	}
	sum, err := engine.Quantize(c.Context, src, q.out, level, opts, q.overwrite)
	switch file := (*checkpoint.FileError)(nil); {
	case errors.Is(err, fs.ErrExist):
		return &cli.UsageError{Message: err.Error(), Hints: []string{"--overwrite replaces it"}}
	case errors.Is(err, checkpoint.ErrOutput):
		return &cli.UsageError{Message: err.Error(), Hints: []string{"name another folder with --output"}}
	case err != nil && (!errors.As(err, &file) || strings.HasPrefix(file.File, q.out)):
		return cli.Unwritable(err) // files that are read are named below the model
	case err != nil:
		return err
	}
	if sum.Changed.Tensors == 0 {
		t.Warn("no tensor was quantized: the copy is the same; wwq-fast describe says why")
	}
	sayRewritten(t, quant.ShortName(level), &sum)
	if sum.Refused.Tensors > 0 {
		return cli.ErrPartial
	}
	return nil
}

// level returns what the flags say is to be done.
func (q *quantization) level(t *cli.Terminal) (quant.Recipe, error) {
	rules := q.rules.Value()
	if q.bits != "" && len(rules) > 0 || len(rules) > 1 {
		return nil, cli.Usagef("quantize writes one level: --bits, --scheme or --map, once")
	}
	if q.bits == "" && len(rules) == 0 || q.out == "" {
		return nil, &cli.UsageError{
			Message: "quantize needs --bits (or --scheme, or --map) and --output",
			Hints:   []string{"wwq-fast quantize MODEL --bits 4 -o OUT"},
		}
	}
	if len(rules) > 0 {
		return mapLevel(rules[0])
	}
	levels, err := parseLevels("--scheme", []string{q.bits})
	if err != nil {
		return nil, err
	}
	if len(levels) > 1 {
		return nil, cli.Usagef("--bits: one level, not %d", len(levels))
	}
	if levels[0] == quant.Stored {
		return nil, cli.Usagef("--bits: stored leaves weights as they are: there is nothing to write")
	}
	sayAmbiguous(t, []string{q.bits})
	return levels[0], nil
}

// sayRewritten says in numbers what was quantized, what stayed as it was and why, and
// which files were written.
func sayRewritten(t *cli.Terminal, level string, sum *engine.RewriteSummary) {
	all := sum.Changed.Parameters + sum.Copied.Parameters
	count := func(n engine.Tally) string {
		return fmt.Sprintf("%d %s with %d parameters (%.1f %%)", n.Tensors, plural(n.Tensors, "tensor"), n.Parameters, 100*float64(n.Parameters)/float64(max(all, 1)))
	}
	t.Note("%s: %s quantized", level, count(sum.Changed))
	if sum.Copied.Tensors > 0 {
		t.Note("copied as they were: %s", count(sum.Copied))
	}
	for _, r := range sum.Reasons {
		t.Note("  %s: %s", count(r.Tally), cli.OneLine(r.Text))
	}
	for _, note := range sum.Notes {
		t.Note("%s", cli.OneLine(note))
	}
	const most = 30 // files that are named
	for _, f := range sum.Files[:min(most, len(sum.Files))] {
		t.Note("wrote %s", cli.OneLine(f))
	}
	if more := len(sum.Files) - most; more > 0 {
		t.Note("wrote %d more %s", more, plural(more, "file"))
	}
}

// plural returns the word for n things.
func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
