package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// levelFlags choose the levels.
type levelFlags struct {
	quantizations ucli.StringSlice
	rules         ucli.StringSlice
}

func (f *levelFlags) flags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringSliceFlag{Name: "quantizations", Aliases: []string{"q"}, Destination: &f.quantizations, DefaultText: engine.DefaultLevels + ", after stored if some weights are not float16",
			Usage: "`LEVELS`: stored, fp16, 2bit to 16bit (or 2 to 16), 4bit-asym, and the schemes that wwq-fast schemes lists, with commas between them; may be given again", Category: "quantization"},
		mapFlag(&f.rules),
	}
}

// mapFlag is the flag of a level that is made of rules.
func mapFlag(rules *ucli.StringSlice) ucli.Flag {
	return &ucli.StringSliceFlag{Name: "map", Destination: rules, Category: "quantization",
		Usage: "a level of `RULES`, pattern=scheme with commas between them, or the name of a file with one on each line; the first that matches a tensor counts, others stay as they are stored; may be given again"}
}

// mapLevel returns the level of rules, or of the file that has them.
func mapLevel(rules string) (quant.Recipe, error) {
	text, isFile := rules, false
	if info, err := os.Stat(rules); err == nil && info.Mode().IsRegular() {
		if info.Size() > maxMapBytes {
			return nil, cli.Usagef("--map: %s has %d bytes > limit %d", rules, info.Size(), maxMapBytes)
		}
		data, err := os.ReadFile(rules)
		if err != nil {
			return nil, err
		}
		text, isFile = string(data), true
	}
	r, err := quant.ParseMap(text)
	if err != nil {
		flag, hint := "--map", "wwq-fast schemes lists the schemes"
		switch {
		case isFile:
			flag += " " + cli.OneLine(rules)
		case !strings.Contains(rules, "="):
			hint = "there is no such file, and rules have an equals sign: 'lm_head=q6_k,*.down_proj=int8-row'"
		}
		return nil, &cli.UsageError{Message: fmt.Sprintf("%s: %v", flag, err), Hints: []string{hint}}
	}
	return r, nil
}

// maxMapBytes bounds a file of rules.
const maxMapBytes = 1 << 20

// parseLevels parses names of levels, and hints at the nearest one where there is none.
func parseLevels(flag string, names []string) ([]quant.Recipe, error) {
	levels, err := quant.ParseList(strings.Join(names, ","))
	if err == nil {
		return levels, nil
	}
	usage := &cli.UsageError{Message: fmt.Sprintf("%s: %v", flag, err)}
	for name := range strings.SplitSeq(strings.Join(names, ","), ",") {
		if _, err := quant.Parse(name); err != nil {
			usage.Hints = nearScheme(strings.TrimSpace(name))
			break
		}
	}
	return nil, usage
}

// sayAmbiguous notes which of the names of levels others use for something else.
func sayAmbiguous(t *cli.Terminal, names []string) {
	for name := range strings.SplitSeq(strings.Join(names, ","), ",") {
		if text := quant.Notice(name); text != "" {
			t.Note("%s", cli.OneLine(text))
		}
	}
}

// checkRules fails if a rule of a level matches no tensor of a plan.
func checkRules(levels []quant.Recipe, plan *engine.Plan) error {
	var names []string
	for i := range plan.Tensors {
		names = append(names, plan.Tensors[i].Name)
	}
	for _, level := range levels {
		if none := quant.Unmatched(level, names); len(none) > 0 {
			return &cli.UsageError{Message: fmt.Sprintf("--map: no tensor matches %s", checkpoint.Enumerate(none, 0)), Hints: []string{"wwq-fast describe lists the names; * stands for any text"}}
		}
	}
	return nil
}

// given reports whether levels were named.
func (f *levelFlags) given() bool {
	return len(f.quantizations.Value()) > 0 || len(f.rules.Value()) > 0
}

func (f *levelFlags) apply(o *engine.Options) (err error) {
	if !f.given() {
		return nil
	}
	if names := f.quantizations.Value(); len(names) > 0 {
		if o.Levels, err = parseLevels("--quantizations", names); err != nil {
			return err
		}
	} else {
		o.Levels = []quant.Recipe{quant.Stored}
	}
	for _, rules := range f.rules.Value() {
		level, err := mapLevel(rules)
		if err != nil {
			return err
		}
		if slices.Contains(o.Levels, level) {
			return cli.Usagef("--map: the same rules twice")
		}
		o.Levels = append(o.Levels, level)
	}
	return nil
}

// baselineFlag says which level changes are measured from.
type baselineFlag struct{ level string }

func (f *baselineFlag) flags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringFlag{Name: "baseline", Destination: &f.level, DefaultText: "the first that quantizes nothing",
			Usage: "`LEVEL` from which changes are measured", Category: "quantization"},
	}
}

func (f *baselineFlag) apply(o *engine.Options) (err error) {
	if f.level == "" {
		return nil
	}
	for _, level := range o.Levels {
		if f.level == level.Name() || f.level == quant.FileName(level) {
			o.Baseline = level
			return nil
		}
	}
	levels, err := parseLevels("--baseline", []string{f.level})
	if err != nil {
		return err
	}
	o.Baseline = levels[0]
	return nil
}
