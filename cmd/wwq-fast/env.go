package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/internal/plainjson"
)

func envCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "env",
		Usage:     "show versions, backends, kernels, threads and instruction sets",
		ArgsUsage: "[flags]",
		Description: `Reports of speed and of errors should come with it.

Examples:
  wwq-fast env
  wwq-fast env --json`,
		Flags: []ucli.Flag{&ucli.BoolFlag{Name: "json", Usage: "one JSON object", Category: "output"}},
		Action: func(c *ucli.Context) error {
			t, err := terminal(c)
			if err != nil {
				return err
			}
			if c.NArg() > 0 {
				return cli.Usagef("env takes no arguments: %q", c.Args().Slice())
			}
			if err := chooseKernels(t, false); err != nil {
				return err
			}
			e := engine.Env()
			if c.Bool("json") {
				enc := json.NewEncoder(plainjson.Writer{W: t.Out})
				enc.SetIndent("", "  ")
				return enc.Encode(e)
			}
			printEnv(t.Out, &e)
			return nil
		},
	}
}

func printEnv(w io.Writer, e *engine.Environment) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-18s %s\n", name, value)
		}
	}
	yes := map[bool]string{true: "on", false: "off"}
	line("wwq-fast", e.Version)
	line("revision", e.Revision)
	line("go", e.Go+" "+e.OS+"/"+e.Arch)
	line("cgo", yes[e.Cgo])
	line("cpus", fmt.Sprint(e.CPUs))
	line("cpu features", strings.Join(e.Features, " "))
	line("quantize loops", e.QuantizeSIMD)
	line("twostage loops", e.EigenSIMD)
	line("integer loops", e.IntegerSIMD)
	line("eigenvalues", e.LAPACK+" (of "+strings.Join(e.LAPACKAll, ", ")+")")
	line("gram", e.BLAS+" (of "+strings.Join(e.BLASAll, ", ")+")")
	line("C library", e.Library.Library)
	line("configuration", e.Library.Config)
	line("kernels", e.Library.Core)
	if e.BetterCore != "" {
		line("", "slow on this processor: set OPENBLAS_CORETYPE="+e.BetterCore)
	}
	line("parallel", e.Library.Parallel)
	if e.Library.Threads > 0 {
		line("library threads", fmt.Sprintf("%d now, 1 for each call during an analysis", e.Library.Threads))
	}
}

// printVersion is what --version shows.
func printVersion(w io.Writer) {
	e := engine.Env()
	fmt.Fprintf(w, "wwq-fast %s (%s, cgo %v, %s %s, loops %s)\n", e.Version, e.Go, e.Cgo, e.Library.Library, e.Library.Core, e.QuantizeSIMD)
}
