package cli

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// FlagsFirst puts the flags of a command line before its other arguments, since
// urfave/cli stops reading flags at the first argument and would take those
// after it for arguments, without a word. Nor does urfave/cli take two names of one flag
// in a command line: the second becomes the first. Flags that are not known are left for
// urfave/cli to refuse. args does not hold the names of program and command. It fails if
// the last flag lacks its value.
func FlagsFirst(args []string, flags []cli.Flag) ([]string, error) {
	takesValue, spelt, of := map[string]bool{}, map[string]string{}, map[string]string{}
	for _, f := range flags {
		v, ok := f.(cli.DocGenerationFlag)
		for _, name := range f.Names() {
			takesValue[name], of[name] = ok && v.TakesValue(), f.Names()[0]
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
		name, value, valued := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if flag := of[name]; flag != "" && spelt[flag] == "" {
			spelt[flag] = a[:len(a)-len(strings.TrimLeft(a, "-"))] + name
		} else if flag != "" {
			if a = spelt[flag]; valued {
				a += "=" + value
			}
		}
		first = append(first, a)
		if !valued && takesValue[name] {
			if i++; i == len(args) {
				return nil, Usagef("flag needs an argument: %s", a)
			}
			first = append(first, args[i])
		}
	}
	return append(append(first, "--"), rest...), nil
}
