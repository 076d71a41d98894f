package cli

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// FlagsFirst puts the flags of a command line before its other arguments, since
// urfave/cli stops reading flags at the first argument and would take those
// after it for arguments, without a word. Flags that are not known are left for
// urfave/cli to refuse. args does not hold the names of program and command. It
// fails if the last flag lacks its value.
func FlagsFirst(args []string, flags []cli.Flag) ([]string, error) {
	takesValue := map[string]bool{}
	for _, f := range flags {
		v, ok := f.(cli.DocGenerationFlag)
		for _, name := range f.Names() {
			takesValue[name] = ok && v.TakesValue()
		}
	}
	var first, rest []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		// A lone "-" is an argument by convention.
		if len(a) < 2 || a[0] != '-' {
			rest = append(rest, a)
			continue
		}
		first = append(first, a)
		name := strings.TrimLeft(a, "-")
		if !strings.Contains(name, "=") && takesValue[name] {
			if i++; i == len(args) {
				return nil, Usagef("flag needs an argument: %s", a)
			}
			first = append(first, args[i])
		}
	}
	return append(append(first, "--"), rest...), nil
}
