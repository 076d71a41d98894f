package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/report"
)

func analyzeCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "analyze",
		Usage:     "analyse the weight spectra of a model at several quantization levels",
		ArgsUsage: "[flags] MODEL",
		Description: `Reads each tensor once, quantizes and dequantizes it at each level, computes all
eigenvalues of W^T W and fits a power law. Prints a comparison of the levels and
writes CSV tables, a report, pictures and run.json to the output folder.`,
		Flags: append(append(selectionFlags(), modelFlags()...),
			levelsFlag(), dequantFlag(), precisionFlag(),
			&ucli.IntFlag{Name: "threads", Aliases: []string{"t"}, Usage: "`NUMBER` of cores to use (default: all); results do not depend on it", Category: "computation"},
			&ucli.StringFlag{Name: "backend", Usage: "`NAME` of the eigenvalue backend; wwq-fast env lists them", Category: "computation"},
			&ucli.BoolFlag{Name: "reproducible", Usage: "the same bytes in all tables on every x86-64 processor with AVX2, at some cost on newer ones", Category: "computation"},
			&ucli.StringFlag{Name: "memory", Usage: "most memory to take, such as `SIZE` 24G (default: 80 % of what is free)", Category: "computation"},
			&ucli.StringFlag{Name: "output-dir", Aliases: []string{"o"}, Value: "results", Usage: "`FOLDER` for the results", Category: "output"},
			&ucli.StringFlag{Name: "model-name", Usage: "`NAME` of the model in the tables (default: as given)", Category: "output"},
			&ucli.StringFlag{Name: "compat", Usage: "'weightwatcher' writes and averages failed fits as -1, as the published study did", Category: "output"},
			&ucli.BoolFlag{Name: "no-plots", Usage: "do not draw pictures", Category: "output"},
			&ucli.BoolFlag{Name: "json", Usage: "JSON Lines on standard output instead of the table", Category: "output"},
		),
		Action: analyze,
	}
}

func analyze(c *ucli.Context) error {
	t, arg, opts, err := begin(c)
	if err != nil {
		return err
	}
	compat, err := compatFlag(c)
	if err != nil {
		return err
	}
	if err := chooseKernels(t, opts.Reproducible); err != nil {
		return err
	}
	src, err := openModel(c, t, arg)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := checkSelection(src, opts); err != nil {
		return err
	}
	dir := c.String("output-dir")
	if dir == "" {
		return cli.Usagef("--output-dir is empty")
	}
	// A run can take hours: find out now whether its results can be kept.
	if err := report.CheckWritable(dir); err != nil {
		return err
	}

	// Nearly all memory is buffers that live as long as the run; collecting early
	// costs nothing and keeps the process to what describe predicts.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(20)
	}
	bar := t.NewProgress("reading")
	opts.Progress = func(p engine.Progress) { bar.Update(p.Done, p.Total, p.Work, p.Layer) }
	res, runErr := engine.Analyze(c.Context, src, opts)
	bar.Stop()
	if errors.Is(runErr, engine.ErrBudget) {
		return cli.Usagef("--memory: %v", runErr)
	}
	if errors.Is(runErr, engine.ErrNotReproducible) {
		return cli.Usagef("--reproducible: %v", runErr)
	}
	if res == nil {
		return runErr
	}
	if !res.Env.Cgo {
		t.Note("pure-Go build without a C BLAS: the same results, several times slower")
	}
	for _, w := range res.Warnings {
		t.Warn("%s", w)
	}
	name := c.String("model-name")
	if name == "" {
		name = arg
	}
	summaries, err := report.Write(dir, res, report.Options{Model: name, Compat: compat, Plots: !c.Bool("no-plots")})
	if err != nil {
		return err // an interruption is no excuse for not keeping what is finished
	}
	if c.Bool("json") {
		err = printResultJSON(t.Out, res, summaries, name, compat)
	} else {
		err = printComparison(t, summaries, res)
	}
	if err != nil {
		return err
	}
	for i := range res.Tensors {
		if ts := &res.Tensors[i]; ts.Status == engine.Refused {
			t.Warn("%s: tensor %q refused: %s", ts.File, ts.Name, cli.OneLine(ts.Reason))
		}
	}
	if !c.Bool("json") {
		t.Note("results are in %s", filepath.Clean(dir))
	}
	switch {
	case runErr != nil:
		return runErr
	case res.Partial():
		return cli.ErrPartial
	}
	return nil
}

// checkSelection fails if there is nothing to analyse: an empty table would hide
// that every tensor was skipped, and why.
func checkSelection(src checkpoint.Source, opts engine.Options) error {
	plan, err := engine.Describe(src, opts)
	if err != nil || len(plan.Layers()) > 0 {
		return err
	}
	count, most := map[string]int{}, ""
	for i := range plan.Tensors {
		reason := plan.Tensors[i].Reason
		if count[reason]++; count[reason] > count[most] {
			most = reason
		}
	}
	return &cli.HintedError{
		Err:   fmt.Errorf("no layer to analyse: all %d tensors are skipped, %d of them because: %s", len(plan.Tensors), count[most], most),
		Hints: []string{"wwq-fast describe lists every tensor with the reason"},
	}
}

func compatFlag(c *ucli.Context) (bool, error) {
	switch s := c.String("compat"); s {
	case "":
		return false, nil
	case "weightwatcher":
		return true, nil
	default:
		return false, cli.Usagef("--compat %q: only weightwatcher is known", s)
	}
}
