package main

import (
	"fmt"
	"runtime"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/mem"
)

// description is the command describe and what its flags say.
type description struct {
	compatFlag
	layerFlags
	limitFlags
	modelFlags
	precisionFlag
	json bool
}

func (d *description) groups() []flagGroup {
	return []flagGroup{&d.compatFlag, &d.layerFlags, &d.limitFlags, &d.modelFlags, &d.precisionFlag}
}

func describeCommand() *ucli.Command {
	d := &description{}
	return &ucli.Command{
		Name:      "describe",
		Usage:     "list every tensor of a model and what would be done with it",
		ArgsUsage: "[flags] MODEL",
		Description: `Reads headers only, and of models of up to 64 MiB the weights, too: tensors with weights
that are not finite are refused.

Examples:
  wwq-fast describe examples/gosrc-lm
  wwq-fast describe examples/gosrc-lm --layers '*mlp*' --json`,
		Flags: append(flagsOf(d.groups()...),
			&ucli.BoolFlag{Name: "json", Destination: &d.json, Usage: "JSON Lines instead of a table", Category: "output"}),
		Action: d.run,
	}
}

// probed is how many bytes of weights are read.
const probed = 64 << 20

func (d *description) run(c *ucli.Context) error {
	t, arg, opts, err := begin(c, d.groups()...)
	if err != nil {
		return err
	}
	src, err := d.open(t, arg)
	if err != nil {
		return err
	}
	defer src.Close()
	plan, err := engine.Describe(src, opts)
	if err != nil {
		return err
	}
	if err := plan.Probe(src, probed); err != nil {
		return err
	}
	warnPlan(t, plan, &opts)
	if d.json {
		return printPlanJSON(t.Out, plan)
	}
	w := t.NewTable(
		cli.Column{Head: "tensor", Long: true},
		cli.Column{Head: "dtype", Spare: 2},
		cli.Column{Head: "shape", Spare: 1},
		cli.Column{Head: "kind", Spare: 4},
		cli.Column{Head: "N", Right: true, Spare: 5},
		cli.Column{Head: "M", Right: true, Spare: 5},
		cli.Column{Head: "eigenvalues", Right: true, Spare: 3},
		cli.Column{Head: "status", Long: true},
	)
	w.Listing = true
	layers := 0
	for i := range plan.Tensors {
		ts := &plan.Tensors[i]
		shape := strings.Trim(strings.ReplaceAll(fmt.Sprint(ts.Shape), " ", "x"), "[]")
		row := []any{checkpoint.Printable(ts.Name), cli.OneLine(ts.StoredType()), shape, ts.Kind}
		if ts.Status != engine.Planned {
			w.Row(append(row, "", "", "", string(ts.Status)+": "+cli.OneLine(ts.Reason))...)
			continue
		}
		l := &ts.Layers[0]
		status := "quantized, analysed"
		if !l.Quantized {
			status = "analysed, not quantized: " + ts.Kept
		}
		if n := len(ts.Layers); n > 1 {
			status += fmt.Sprintf(" as %d layers", n)
		}
		w.Row(append(row, l.N(), l.M(), l.NumEvals(), status)...)
		layers += len(ts.Layers)
	}
	if _, err := fmt.Fprintln(t.Out, w.Render()); err != nil {
		return err
	}
	threads := runtime.GOMAXPROCS(0)
	_, err = fmt.Fprintln(t.Out, t.Wrap(fmt.Sprintf("%d tensors, %d layers to analyse; about %s of memory on %d threads, %s on one",
		len(plan.Tensors), layers, mem.Text(plan.PeakBytes(threads)), threads, mem.Text(plan.PeakBytes(1)))))
	return err
}
