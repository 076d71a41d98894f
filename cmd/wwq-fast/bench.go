package main

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/bench"
	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
)

func benchCommand() *ucli.Command {
	model := bench.DefaultSyntheticConfig()
	return &ucli.Command{
		Name:      "bench",
		Usage:     "measure every backend of this build on this machine",
		ArgsUsage: "[flags]",
		Description: `Runs the backends in turn, in one process and on the same matrices, and prints the
median of the runs of each and its speed relative to the linked library. Use it to
choose a --backend. The default set takes about three minutes; close other programs.

Suites: ` + strings.Join(bench.Names(), ", ") + `.

Examples:
  wwq-fast bench
  wwq-fast bench --suite eigenvalues,whole
  wwq-fast bench --suite whole --hidden 4096 --kv 1024 --mlp 14336`,
		Flags: []ucli.Flag{
			&ucli.StringFlag{Name: "suite", Value: strings.Join(bench.Names(), ","), Usage: "comma-separated `LIST` of suites", Category: "selection"},
			&ucli.BoolFlag{Name: "full", Usage: "larger matrices and models: about an hour", Category: "selection"},
			&ucli.IntFlag{Name: "threads", Aliases: []string{"t"}, DefaultText: "1, and all cores", Usage: "`NUMBER` of threads of each BLAS call, and of each whole analysis", Category: "computation"},
			&ucli.IntFlag{Name: "rounds", DefaultText: "5; 15 for quantize with --full, 3 for whole", Usage: "least `NUMBER` of runs of each variant", Category: "computation"},
			&ucli.IntFlag{Name: "hidden", Value: model.Hidden, Usage: "`WIDTH` of the synthetic model", Category: "model"},
			&ucli.IntFlag{Name: "kv", Value: model.KV, Usage: "`WIDTH` of its keys and values", Category: "model"},
			&ucli.IntFlag{Name: "mlp", Value: model.MLP, Usage: "`WIDTH` of its feed-forward layers", Category: "model"},
			&ucli.IntFlag{Name: "blocks", Value: model.Blocks, Usage: "`NUMBER` of its blocks", Category: "model"},
			&ucli.StringFlag{Name: "export", Usage: "write the matrices to `FOLDER`, for other programs, and measure nothing", Category: "output"},
			&ucli.BoolFlag{Name: "json", Usage: "JSON Lines on standard output instead of the table", Category: "output"},
		},
		Action: benchmark,
	}
}

func benchmark(c *ucli.Context) error {
	t, err := terminal(c)
	if err != nil {
		return err
	}
	if c.NArg() > 0 {
		return cli.Usagef("bench takes no arguments: %q", c.Args().Slice())
	}
	if err := checkLeastSpace(); err != nil {
		return err
	}
	cfg, err := benchConfig(c)
	if err != nil {
		return err
	}
	if err := chooseKernels(t, false); err != nil {
		return err
	}
	if dir := c.String("export"); dir != "" {
		return cli.Unwritable(bench.Export(c.Context, dir, cfg))
	}
	cfg.EachTiming(func(timing *bench.Timing) {
		timing.Progress = func(suite string, done, total int, _ string) {
			if done == 0 {
				t.Note("measuring %s: %d cases", suite, total)
			}
		}
	})
	report, err := bench.Run(c.Context, cfg)
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	// What was measured before an interruption is printed all the same.
	var writeErr error
	if c.Bool("json") {
		writeErr = printBenchJSON(t.Out, &report)
	} else {
		writeErr = report.Write(t.Out)
	}
	return errors.Join(err, writeErr)
}

// benchConfig returns the configuration that the flags give.
func benchConfig(c *ucli.Context) (bench.Config, error) {
	cfg := bench.DefaultConfig()
	if c.Bool("full") {
		cfg = bench.FullConfig()
	}
	cfg.Suites = strings.Split(strings.ReplaceAll(c.String("suite"), " ", ""), ",")
	if c.IsSet("threads") {
		n := c.Int("threads")
		if n < 1 || n > runtime.NumCPU() {
			return cfg, cli.Usagef("--threads %d: 1 to %d on this machine", n, runtime.NumCPU())
		}
		cfg.SetThreads(n)
	}
	if c.IsSet("rounds") {
		n := c.Int("rounds")
		cfg.EachTiming(func(t *bench.Timing) { t.Rounds, t.MaxRounds = n, max(n, t.MaxRounds) })
	}
	if c.IsSet("hidden") || c.IsSet("kv") || c.IsSet("mlp") || c.IsSet("blocks") {
		m := bench.DefaultSyntheticConfig()
		m.Hidden, m.KV, m.MLP, m.Blocks = c.Int("hidden"), c.Int("kv"), c.Int("mlp"), c.Int("blocks")
		cfg.Whole.Models, cfg.Read.Model = []bench.SyntheticConfig{m}, m
	}
	if err := cfg.Validate(); err != nil {
		return cfg, cli.Usagef("%v", err)
	}
	return cfg, nil
}

// printBenchJSON writes the machine, a line for each result, and a summary.
// Durations are in seconds.
func printBenchJSON(w io.Writer, r *bench.Report) error {
	j := newJSONLines(w)
	m := &r.Machine
	j.line("machine", map[string]any{
		"cpu": m.CPU, "cores": m.Cores, "cores_all": m.CoresAll, "governor": m.Governor,
		"blas_threads": m.BLASThreads, "env": m.Env,
	})
	for i := range r.Results {
		x := &r.Results[i]
		params := map[string]string{}
		for _, p := range x.Params {
			params[p.Key] = p.Value
		}
		j.line("result", map[string]any{
			"suite": x.Suite, "case": x.Case, "params": params, "key": x.Key, "variant": x.Variant,
			"min": x.Time.Min.Seconds(), "median": x.Time.Median.Seconds(), "max": x.Time.Max.Seconds(), "runs": x.Time.Runs,
			"rates": x.Rates, "speed": x.Speed, "reference": x.Reference,
		})
	}
	j.line("summary", map[string]any{"results": len(r.Results), "core": m.Env.Library.Core})
	return j.err
}
