package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/report"
)

func compareCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "compare",
		Usage:     "make the tables, the report and the pictures again from the CSV files of a run",
		ArgsUsage: "[flags] RESULTS",
		Description: `Joins all metrics/results_*.csv of the folder, also those of earlier runs. How the
numbers were computed and which tensors were left out is not in those files, and so not
in the report that is made again; run.json keeps it.`,
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: "compat", Usage: "'weightwatcher' if the files were written so", Category: "output"},
			&ucli.BoolFlag{Name: "no-plots", Usage: "do not draw pictures", Category: "output"},
			&ucli.BoolFlag{Name: "json", Usage: "JSON Lines on standard output instead of the table", Category: "output"},
		},
		Action: compare,
	}
}

func compare(c *ucli.Context) error {
	t, err := terminal(c)
	if err != nil {
		return err
	}
	dir, err := oneArgument(c, "results folder")
	if err != nil {
		return err
	}
	compat, err := compatFlag(c)
	if err != nil {
		return err
	}
	summaries, err := report.Rewrite(dir, report.Options{Compat: compat, Plots: !c.Bool("no-plots")})
	if errors.Is(err, fs.ErrNotExist) {
		return checkpoint.NotFoundf("%s: no results: there is no %s", dir, filepath.Join("metrics", "results_*.csv"))
	}
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	if c.Bool("json") {
		return printSummariesJSON(t.Out, summaries)
	}
	return printComparison(t, summaries, nil)
}
