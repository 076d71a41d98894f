package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// validation is the command validate and what its flags say.
type validation struct {
	layerFlags
	limitFlags
	modelFlags
	levelFlags
}

func (v *validation) groups() []flagGroup {
	return []flagGroup{&v.layerFlags, &v.limitFlags, &v.modelFlags, &v.levelFlags}
}

func validateCommand() *ucli.Command {
	v := &validation{}
	return &ucli.Command{
		Name:      "validate",
		Usage:     "check the quantizer against what theory says of its errors",
		ArgsUsage: "[flags] [MODEL]",
		Description: `For each level: no more values than it has, no error above half a step, and every
weight as the definition of the level has it; of schemes without such bounds the errors
are measured only, tests hold them to the tools' own values. Beside the
signal-to-noise ratio stands what theory gives for many small steps. A note says where errors are not spread
evenly over a step (root mean square 1/sqrt(12) = 0.289 steps) though weights are larger
than a step, as those on a grid, with heavy tails, or few, are. Levels that quantize nothing
are left out. Without MODEL, on synthetic weights,
Gaussian and heavy-tailed.

Examples:
  wwq-fast validate
  wwq-fast validate examples/gosrc-lm -q 8bit,4bit-asym`,
		Flags:  flagsOf(v.groups()...),
		Action: v.run,
	}
}

func (v *validation) run(c *ucli.Context) error {
	t, err := terminal(c)
	if err != nil {
		return err
	}
	if err := checkLeastSpace(); err != nil {
		return err
	}
	opts, err := optionsOf(v.groups()...)
	if err != nil {
		return err
	}
	var src checkpoint.Source
	if c.NArg() > 0 {
		arg, err := oneArgument(c, "model")
		if err != nil {
			return err
		}
		if src, err = v.open(t, arg); err != nil {
			return err
		}
		defer src.Close()
	}
	if !slices.ContainsFunc(opts.Levels, func(l quant.Recipe) bool { return !l.Reference() }) {
		return cli.Usagef("-q: levels that quantize nothing have nothing to check")
	}
	if src == nil && (len(opts.Layers) > 0 || len(opts.Include) > 0 || len(opts.Exclude) > 0) {
		return cli.Usagef("--layers, --include and --exclude choose among the layers of a model, and none is named")
	}
	checks, err := engine.Validate(c.Context, src, opts)
	if err != nil {
		return err
	}
	if len(checks) == 0 {
		return &cli.HintedError{
			Err:   errors.New("nothing to check: no quantized layer at a uniform level"),
			Hints: []string{"wwq-fast describe lists every tensor with the reason"},
		}
	}
	return printChecks(t, checks)
}

// countCell formats a count, which may not be known.
func countCell(n int) string {
	if n <= 0 {
		return "–"
	}
	return strconv.Itoa(n)
}

// printChecks prints one line a check, and fails if one of them does.
func printChecks(t *cli.Terminal, checks []engine.Check) error {
	w := t.NewTable(
		cli.Column{Head: "tensor", Long: true},
		cli.Column{Head: "level"},
		cli.Column{Head: "bits", Right: true, Spare: 6},
		cli.Column{Head: "values", Right: true, Spare: 4},
		cli.Column{Head: "of", Right: true, Spare: 4},
		cli.Column{Head: "step", Right: true, Spare: 5},
		cli.Column{Head: "max error / step", Right: true, Spare: 2},
		cli.Column{Head: "rms error / step", Right: true, Spare: 1},
		cli.Column{Head: "SNR dB", Right: true, Spare: 3},
		cli.Column{Head: "theory dB", Right: true, Spare: 7},
		cli.Column{Head: "verdict", Long: true},
	)
	w.Listing = true
	failed, refused, measured := 0, 0, 0
	for i := range checks {
		k := &checks[i]
		verdict, snr := "pass", k.Errors.SNR
		if !k.Bounded {
			verdict = "measured"
		}
		if k.Note != "" {
			verdict += "; " + k.Note
		}
		switch {
		case k.Refused != "":
			verdict, snr = "refused: "+k.Refused, math.NaN()
			refused++
		case !k.Passed():
			verdict = "FAIL: " + strings.Join(k.Failures, "; ")
			failed++
		case !k.Bounded:
			measured++
		}
		w.Row(
			checkpoint.Printable(k.Tensor), quant.ShortName(k.Level), numberCell("%.4g", k.Bits), countCell(k.Errors.Unique), countCell(k.Values), numberCell("%.6g", k.Scale),
			numberCell("%.4f", k.MaxError), numberCell("%.4f", k.RMSError), numberCell("%.2f", snr), numberCell("%.2f", k.Theory), verdict,
		)
	}
	also := ""
	if measured > 0 {
		also = fmt.Sprintf(", %d only measured", measured)
	}
	if _, err := fmt.Fprintf(t.Out, "%s\n%d checks, %d failed, %d refused%s\n", w.Render(), len(checks), failed, refused, also); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, len(checks))
	}
	if refused > 0 {
		return cli.ErrPartial
	}
	return nil
}
