package main

import (
	"encoding/json"
	"fmt"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/internal/plainjson"
)

func schemesCommand() *ucli.Command {
	return &ucli.Command{
		Name:      "schemes",
		Usage:     "list the quantization schemes that analyze, quantize and validate take",
		ArgsUsage: "[flags] [NAME]",
		Description: `Each scheme follows one tool's convention and gives that tool's values. With NAME, only
what has NAME in its name, pattern or tool.

exact: "every value" is equal to what the tool's own code gives; "sum order" but for the
order in which the tool adds; "restated" was made from the tool's source, which was not
run; "own" follows no tool. docs/SCHEMES.md has the rules.

Names of patterns take numbers: intK-gG is int4-g128, int3-g64 and so on. @bf16, @f16 and
@f32 behind a name choose the type in which is computed, where a tool computes in that of
the weights.

Examples:
  wwq-fast schemes
  wwq-fast schemes ggml
  wwq-fast schemes --json`,
		Flags: []ucli.Flag{&ucli.BoolFlag{Name: "json", Usage: "JSON Lines instead of a table", Category: "output"}},
		Action: func(c *ucli.Context) error {
			t, err := terminal(c)
			if err != nil {
				return err
			}
			if c.NArg() > 1 {
				return cli.Usagef("schemes takes one name, not %d: %q", c.NArg(), c.Args().Slice())
			}
			all, err := descriptionsOf(c.Args().First())
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return printSchemesJSON(t, all)
			}
			w := t.NewTable(
				cli.Column{Head: "scheme"},
				cli.Column{Head: "bits", Right: true},
				cli.Column{Head: "exact", Spare: 2},
				cli.Column{Head: "follows", Long: true, Spare: 1},
				cli.Column{Head: "names of the family", Long: true, Spare: 3},
			)
			w.Listing = true
			for i, d := range all {
				names, tool := d.Pattern, d.Tool
				if i > 0 && all[i-1].Pattern == d.Pattern {
					names, tool = "", "" // of the family above
				}
				w.Row(d.Name, fmt.Sprintf("%.4g", d.BitsPerWeight), string(d.Class), tool, names)
			}
			_, err = fmt.Fprintln(t.Out, w.Render())
			return err
		},
	}
}

// descriptionsOf returns the schemes that have a text in one of the names of them.
func descriptionsOf(text string) ([]quant.Description, error) {
	all := quant.Descriptions()
	if text == "" {
		return all, nil
	}
	var some []quant.Description
	text = strings.ToLower(text)
	for _, d := range all {
		if strings.Contains(strings.ToLower(strings.Join(append(d.Aliases, d.Name, d.Pattern, d.Tool), " ")), text) {
			some = append(some, d)
		}
	}
	if len(some) == 0 {
		return nil, &cli.UsageError{Message: fmt.Sprintf("no scheme has %q in its name or tool", text), Hints: nearScheme(text)}
	}
	return some, nil
}

// nearScheme returns a hint on the name that is nearest to one that is not known.
func nearScheme(name string) []string {
	if near := cli.Nearest(strings.ToLower(name), quant.Names()); near != "" {
		return []string{fmt.Sprintf("did you mean %q?", near), "wwq-fast schemes lists all"}
	}
	return []string{"wwq-fast schemes lists all"}
}

func printSchemesJSON(t *cli.Terminal, all []quant.Description) error {
	enc := json.NewEncoder(plainjson.Writer{W: t.Out})
	enc.SetEscapeHTML(false)
	for _, d := range all {
		err := enc.Encode(map[string]any{
			"type": "scheme", "v": 1, "name": d.Name, "pattern": d.Pattern, "aliases": append([]string{}, d.Aliases...), "bits_per_weight": d.BitsPerWeight,
			"tool": d.Tool, "class": d.Class, "refuses": d.Refuses, "ambiguous": quant.Notice(d.Name),
		})
		if err != nil {
			return err
		}
	}
	return nil
}
