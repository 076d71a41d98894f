package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/report"
	"github.com/wwq-fast/wwq-fast/engine/results"
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
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return checkpoint.NotFoundf("%s: a file, not a folder of results", cli.OneLine(dir))
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return checkpoint.NotFoundf("%s: no such folder", cli.OneLine(dir))
	}
	run, res, err := results.Open(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(results.Unfinished(dir)) > 0:
		return &cli.HintedError{Err: checkpoint.NotFoundf("%s: no finished run, but unfinished ones", cli.OneLine(dir)),
			Hints: []string{"wwq-fast compare " + cli.OneLine(strings.Join(results.Unfinished(dir), " or "))}}
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
	published := run.Publish(dir, func(add results.Add) error {
		_, err := report.Render(res, opts, add)
		return err
	})
	// The table is printed whether the files could be written or not.
	summaries := report.Compare(res, opts)
	if x.json {
		err = printSummariesJSON(t.Out, summaries)
	} else {
		err = printComparison(t, summaries, res)
	}
	if err := errors.Join(err, cli.Unwritable(published)); err != nil {
		return err
	}
	if !x.noPlots {
		err = cli.Unwritable(run.Publish(dir, func(add results.Add) error { return report.RenderPictures(res, opts, add) }))
	}
	if err == nil && res.Partial() {
		return cli.ErrPartial
	}
	return err
}
