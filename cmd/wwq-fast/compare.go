package main

import (
	"errors"
	"io/fs"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/report"
	"github.com/wwq-fast/wwq-fast/engine/results"
	"github.com/wwq-fast/wwq-fast/engine/stats"
)

// comparison is the command compare and what its flags say.
type comparison struct {
	compatFlag
	baselineFlag
	outputFlags
}

func compareCommand() *ucli.Command {
	x := &comparison{}
	return &ucli.Command{
		Name:      "compare",
		Usage:     "make the tables, the report and the pictures of a run again from its rows",
		ArgsUsage: "[flags] RESULTS",
		Description: `Reads run.json and the rows that it names, which hold every number of the run, and
writes the tables, the report and the pictures as analyze does.

Examples:
  wwq-fast compare results
  wwq-fast compare results --compat weightwatcher --no-plots`,
		Flags:  append(flagsOf(&x.compatFlag, &x.baselineFlag), x.outputFlags.flags()...),
		Action: x.run,
	}
}

func (x *comparison) run(c *ucli.Context) error {
	t, err := terminal(c)
	if err != nil {
		return err
	}
	dir, err := oneArgument(c, "results folder")
	if err != nil {
		return err
	}
	if err := x.check(); err != nil {
		return err
	}
	run, res, err := results.Open(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return checkpoint.NotFoundf("%s: no results: there is no run.json, or rows that it names are missing", cli.OneLine(dir))
	case errors.Is(err, results.ErrOld):
		return checkpoint.Unsupportedf("%w", err)
	case err != nil:
		return err
	}
	if err := x.baselineFlag.apply(&res.Options); err != nil {
		return err
	}
	if err := res.Options.Validate(); err != nil {
		return cli.Usagef("--baseline: %v", err)
	}
	opts := report.Options{Model: run.ModelName, Compat: x.compatible() || run.Compat}
	var summaries []stats.Summary
	if err := run.Publish(dir, func(add results.Add) error {
		summaries, err = report.Render(res, opts, add)
		return err
	}); err != nil {
		return cli.Unwritable(err)
	}
	if x.json {
		err = printSummariesJSON(t.Out, summaries)
	} else {
		err = printComparison(t, summaries, res)
	}
	if err == nil && !x.noPlots {
		err = run.Publish(dir, func(add results.Add) error { return report.RenderPictures(res, opts, add) })
	}
	if err == nil && res.Partial() {
		return cli.ErrPartial
	}
	return err
}
