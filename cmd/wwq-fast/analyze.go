package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/report"
	"github.com/wwq-fast/wwq-fast/engine/results"
	"github.com/wwq-fast/wwq-fast/engine/stats"
)

// analysis is the command analyze and what its flags say.
type analysis struct {
	compatFlag
	layerFlags
	limitFlags
	modelFlags
	levelFlags
	baselineFlag
	dequantFlag
	precisionFlag
	computeFlags
	outputFlags
	dir, name string
	overwrite bool
	remarks   []string // that were printed before the run
}

func (a *analysis) groups() []flagGroup {
	return []flagGroup{&a.compatFlag, &a.layerFlags, &a.limitFlags, &a.modelFlags, &a.levelFlags, &a.dequantFlag, &a.precisionFlag, &a.computeFlags}
}

func analyzeCommand() *ucli.Command {
	a := &analysis{}
	return &ucli.Command{
		Name:      "analyze",
		Usage:     "analyse the weight spectra of a model at several quantization levels",
		ArgsUsage: "[flags] MODEL",
		Description: `Reads each tensor once, quantizes and dequantizes it at each level, computes all
eigenvalues of W^T W and fits a power law. Prints a comparison of the levels and
writes CSV tables, a report, pictures and run.json to the output folder.

Examples:
  wwq-fast analyze examples/gosrc-lm
  wwq-fast analyze examples/gosrc-lm -q fp16,4bit -q 4bit-asym -o out
  wwq-fast analyze Qwen/Qwen2.5-0.5B --layers 'model.layers.0.*' --json`,
		Flags: slices.Concat(flagsOf(a.groups()...), a.baselineFlag.flags(), []ucli.Flag{
			&ucli.StringFlag{Name: "output-dir", Aliases: []string{"o"}, Destination: &a.dir, Value: "results", Usage: "`FOLDER` for the results", Category: "output"},
			&ucli.BoolFlag{Name: "overwrite", Destination: &a.overwrite, Usage: "replace the results of another model in the folder", Category: "output"},
			&ucli.StringFlag{Name: "model-name", Destination: &a.name, DefaultText: "as given", Usage: "`NAME` of the model in the tables", Category: "output"},
		}, a.outputFlags.flags()),
		Action: a.run,
	}
}

func (a *analysis) run(c *ucli.Context) error {
	t, arg, opts, err := begin(c, a.groups()...)
	if err != nil {
		return err
	}
	if err := chooseKernels(t, opts.Reproducible); err != nil {
		return err
	}
	src, err := a.open(t, arg)
	if err != nil {
		return err
	}
	defer src.Close()
	plan, err := engine.Describe(src, opts)
	if err != nil {
		return err
	}
	if err := checkSelection(plan); err != nil {
		return err
	}
	if !a.given() {
		opts.Levels = plan.DefaultLevels()
	}
	if err := a.baselineFlag.apply(&opts); err != nil {
		return err
	}
	if err := opts.Validate(); err != nil {
		return cli.Usagef("--baseline: %v", err)
	}
	sayAmbiguous(t, a.quantizations.Value())
	if err := checkRules(opts.Levels, plan); err != nil {
		return err
	}
	warnPlan(t, plan, &opts)
	a.remarks = plan.Remarks
	if a.dir == "" {
		return cli.Usagef("--output-dir is empty")
	}
	if a.name == "" {
		a.name = arg
	}
	// A run can take hours: find out now whether its results can be kept.
	if err := results.Check(a.dir, src, plan, a.overwrite); err != nil {
		return cannotKeep(err)
	}
	if err := checkSpace(plan, opts); err != nil {
		return err
	}
	store, err := results.Create(a.dir, engine.Source(src), plan, opts, results.Labels{Model: a.name, Compat: a.compatible(), Overwrite: a.overwrite})
	if err != nil {
		return cli.Unwritable(err)
	}
	return a.keep(c.Context, t, store, func(bar *cli.Progress, sink engine.Sink) (*engine.Outcome, error) {
		opts.Progress = func(p engine.Progress) { bar.Update(p.Done, p.Total, p.Work, p.Layer) }
		return engine.Run(c.Context, src, plan, opts, sink)
	})
}

// cannotKeep says what to do where results cannot be kept.
func cannotKeep(err error) error {
	if errors.Is(err, results.ErrAnotherModel) {
		return &cli.UsageError{Message: err.Error(), Hints: []string{"-o names another folder; --overwrite replaces what is there"}}
	}
	return cli.Unwritable(err)
}

// keep runs the analysis, publishes what it has finished and prints it.
func (a *analysis) keep(ctx context.Context, t *cli.Terminal, store *results.Writer, run func(*cli.Progress, engine.Sink) (*engine.Outcome, error)) error {
	// Nearly all memory is buffers that live as long as the run; collecting early
	// costs nothing and keeps the process to what describe predicts.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(20)
	}
	bar := t.NewProgress()
	sink, stream := engine.Sink(store), (*rowStream)(nil)
	if a.json {
		stream = newRowStream(t.Out, store, a.name, a.compatible())
		sink = stream
	}
	outcome, runErr := run(bar, sink)
	bar.Stop()
	kept := false // rows that were not published
	defer func() {
		if kept {
			store.Close()
		} else {
			store.Discard()
		}
	}()
	switch {
	case errors.Is(runErr, engine.ErrBudget):
		return cli.Usagef("--memory: %v", runErr)
	case errors.Is(runErr, engine.ErrNotReproducible):
		return cli.Usagef("--reproducible: %v", runErr)
	case outcome == nil:
		return runErr
	}
	kept = true
	res, err := store.Finish(outcome)
	if err != nil {
		return unpublished(store, err)
	}
	if !res.Env.Cgo {
		t.Note("pure-Go build without a C BLAS: the same results, several times slower")
	}
	for _, w := range res.Warnings {
		if !slices.Contains(a.remarks, w) {
			t.Warn("%s", w)
		}
	}
	publish, more, dir := store.Publish, store.PublishMore, a.dir
	if res.Interrupted {
		publish, more, dir = store.PublishUnfinished, store.PublishUnfinished, store.Dir()
	}
	opts := report.Options{Model: a.name, Compat: a.compatible()}
	var summaries []stats.Summary
	if err := publish(func(add results.Add) error {
		summaries, err = report.Render(res, opts, add)
		return err
	}); err != nil {
		// What was computed is printed all the same, also if the run was interrupted.
		return errors.Join(a.print(t, res, report.Compare(res, opts), stream, ""), unpublished(store, err))
	}
	kept = res.Interrupted
	if err := a.print(t, res, summaries, stream, dir); err != nil {
		return err
	}
	var pictureErr error
	if !a.noPlots && ctx.Err() == nil {
		pictureErr = more(func(add results.Add) error { return report.RenderPictures(res, opts, add) })
	}
	if errors.Is(pictureErr, results.ErrReplaced) {
		t.Note("%s: its pictures are not drawn", cli.OneLine(pictureErr.Error()))
		pictureErr = nil
	}
	switch {
	case runErr != nil:
		return runErr
	case ctx.Err() != nil: // when the rows were finished, before the pictures were
		return context.Cause(ctx)
	case pictureErr != nil:
		return fmt.Errorf("the tables are complete, the pictures are not: %w", pictureErr)
	case res.Partial():
		return cli.ErrPartial
	}
	return nil
}

// unpublished says where the rows of a run are that could not be published.
func unpublished(store *results.Writer, err error) error {
	hints := []string{fmt.Sprintf("the finished rows are in %[1]s; wwq-fast compare %[1]s makes the tables from them", cli.OneLine(store.Dir()))}
	if errors.Is(err, results.ErrAnotherModel) {
		return &cli.UsageError{Message: err.Error(), Hints: hints}
	}
	return &cli.HintedError{Err: cli.Unwritable(err), Hints: hints}
}

// print prints a result, which is in the folder dir, or nowhere if dir is empty.
func (a *analysis) print(t *cli.Terminal, res *engine.Result, summaries []stats.Summary, stream *rowStream, dir string) error {
	var err error
	if stream != nil {
		err = stream.end(res, summaries)
	} else {
		err = printComparison(t, summaries, res)
	}
	if err != nil {
		return err
	}
	for i := range res.Tensors {
		if ts := &res.Tensors[i]; ts.Status == engine.Refused {
			t.Warn("%s: tensor %q refused: %s", checkpoint.Printable(ts.File), ts.Name, ts.Reason)
		}
	}
	switch {
	case dir == "":
		return nil // not published
	case res.Interrupted:
		missing, all := 0, 0
		for k := range res.Rows {
			all += len(res.Rows[k])
			missing += len(res.Rows[k]) - len(stats.Reached(res.Rows[k]))
		}
		t.Warn("INTERRUPTED: %d of %d rows are finished; they and their tables are in %s, and %s is as it was",
			all-missing, all, cli.OneLine(filepath.Clean(dir)), cli.OneLine(filepath.Clean(a.dir)))
	case !a.json:
		t.Note("results are in %s", filepath.Clean(dir))
	}
	return nil
}

// warnPlan says what is remarkable in a checkpoint, what a plan leaves out, and which
// patterns match nothing.
func warnPlan(t *cli.Terminal, plan *engine.Plan, opts *engine.Options) {
	for _, remark := range plan.Remarks {
		t.Warn("%s", remark)
	}
	for _, pattern := range plan.Unmatched(opts) {
		t.Warn("--layers %s matches no tensor", checkpoint.Printable(pattern))
	}
	if left := plan.LeftOut().String(); left != "" {
		t.Warn("%s", cli.OneLine(left))
	}
}

// checkSelection fails if there is nothing to analyse: an empty table would hide
// that every tensor was skipped, and why. The reason named is the one of most weights.
func checkSelection(plan *engine.Plan) error {
	if len(plan.Layers()) > 0 {
		return nil
	}
	left := plan.LeftOut()
	reason, hints := "none of them holds weights", []string{"wwq-fast describe lists every tensor with the reason"}
	chosen := 0
	for i := range plan.Tensors {
		if plan.Tensors[i].Chosen {
			chosen++
		}
	}
	switch {
	case len(left.Groups) > 0:
		g := &left.Groups[0]
		reason = fmt.Sprintf("%d of them, with %.0f %% of the parameters, because: %s", g.Tensors, 100*float64(g.Parameters)/float64(left.Parameters), g.Reason)
		if g.Flag != "" {
			hints = append([]string{g.Flag + " adds them"}, hints...)
		}
	case chosen > 0:
		reason = fmt.Sprintf("%d of them because: the name matches no --layers pattern, or the type is left out", chosen)
	}
	return &cli.HintedError{Err: fmt.Errorf("no layer to analyse: all %d tensors are skipped, %s", len(plan.Tensors), reason), Hints: hints}
}
