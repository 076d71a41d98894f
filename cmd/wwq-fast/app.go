package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
)

// run is the whole program: it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ignoreSignals()
	out, messages := cli.NewOutput(stdout), cli.NewMessages(stderr)
	ctx, stop := signals(messages)
	defer stop()
	app := newApp(out, messages)
	args, err := arrange(app, args)
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	code := cli.Code(err)
	cli.Report(messages, err)
	// A result that could not be printed is a failure, also if a function ignored the
	// error.
	if failed := out.Err(); failed != nil && !errors.Is(err, failed) {
		cli.Report(messages, failed)
		if code != cli.Interrupted && code != cli.Terminated {
			code = cli.Code(failed)
		}
	}
	return code
}

// signalWindow is how long after the first signal others are taken for the same one.
const signalWindow = 300 * time.Millisecond

// signals returns a context that the first SIGINT or SIGTERM cancels: the layers in
// progress are finished, which can take a while, and all finished rows are written. A
// second signal ends the process at once.
func signals(stderr io.Writer) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	c := make(chan os.Signal, 2)
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	go func() {
		s, ok := <-c
		if !ok {
			return
		}
		cause, code := context.Canceled, cli.Interrupted
		if s == syscall.SIGTERM {
			cause, code = cli.ErrTerminated, cli.Terminated
		}
		fmt.Fprintln(stderr, "wwq-fast: stopping, which can take as long as the layers in progress; press Ctrl-C again to stop at once")
		cancel(cause)
		// timeout(1) and shells signal the process, and at once its group: that is one.
		for first := time.Now(); ; {
			if _, ok := <-c; !ok || time.Since(first) > signalWindow {
				os.Exit(code)
			}
		}
	}()
	return ctx, func() { signal.Stop(c); cancel(nil) }
}

func newApp(stdout, stderr io.Writer) *ucli.App {
	ucli.VersionPrinter = func(c *ucli.Context) { printVersion(c.App.Writer) }
	app := &ucli.App{
		Name:      "wwq-fast",
		Usage:     "how quantization changes the spectra of a neural network's weights",
		UsageText: "wwq-fast COMMAND [flags] MODEL",
		Description: `MODEL is a .safetensors or GGUF file, a folder with an index or with shards, or the id or address
of a model in the local Hugging Face cache (org/name, org/name@revision, org/name/folder).

wwq-fast help COMMAND shows what a command does and its flags, wwq-fast version what is
installed.

Examples:
  wwq-fast analyze examples/gosrc-lm
  wwq-fast analyze Qwen/Qwen2.5-0.5B --quantizations fp16,4bit,4bit-asym -o out
  wwq-fast quantize examples/gosrc-lm --bits 4 -o gosrc-lm-4bit

Exit codes: 0 complete, 1 failed, 3 finished but some tensors were refused, 64 wrong
command line, 65 bad model, 75 disk full, I/O error or a folder that cannot be written, 130 and
143 interrupted.`,
		Version:         engine.Version,
		HideHelpCommand: true,
		Writer:          stdout,
		ErrWriter:       stderr,
		// Errors come back from Run; nothing below may end the process.
		ExitErrHandler:  func(*ucli.Context, error) {},
		CommandNotFound: func(*ucli.Context, string) {},
		OnUsageError:    usageError,
		Action: func(c *ucli.Context) error {
			if c.NArg() == 0 {
				return ucli.ShowAppHelp(c)
			}
			return noCommand(c.App, c.Args().First())
		},
		Commands: []*ucli.Command{
			analyzeCommand(), describeCommand(), quantizeCommand(),
			exportCommand(), validateCommand(), compareCommand(), schemesCommand(), benchCommand(), envCommand(),
		},
	}
	for _, c := range app.Commands {
		c.OnUsageError = usageError
		c.Flags = append(c.Flags, commonFlags()...)
	}
	return app
}

// commonFlags are those that every command has.
func commonFlags() []ucli.Flag {
	return []ucli.Flag{
		&ucli.StringFlag{Name: "color", Value: "auto", Usage: "`WHEN` to colour the output: auto, always, never", Category: "output"},
		&ucli.BoolFlag{Name: "quiet", Usage: "no progress and no notes", Category: "output"},
	}
}

// noCommand is the error about a command that does not exist.
func noCommand(app *ucli.App, name string) error {
	names := []string{"help", "version"}
	for _, c := range app.Commands {
		names = append(names, c.Name)
	}
	hint := "wwq-fast --help lists the commands"
	if near := cli.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return &cli.UsageError{Message: fmt.Sprintf("no command %q", name), Hints: []string{hint}}
}

// usageError is the error about flags that cannot be read.
func usageError(c *ucli.Context, err error, _ bool) error {
	where, flags := "wwq-fast", c.App.Flags
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != c.App.Name {
		where, flags = where+" "+c.Command.Name, c.Command.Flags
	}
	hints := []string{where + " --help lists the flags"}
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		name = strings.TrimLeft(name, "-")
		if near := cli.Nearest(name, namesOf(flags)); near != "" {
			hints = []string{fmt.Sprintf("did you mean --%s?", near)}
		} else if others := commandsWith(c.App, name); len(others) > 0 {
			dashes := "--"
			if len(name) == 1 {
				dashes = "-"
			}
			hints = append(hints, fmt.Sprintf("%s%s is a flag of %s", dashes, name, strings.Join(others, ", ")))
		}
	}
	return &cli.UsageError{Message: err.Error(), Hints: hints}
}

// namesOf returns all names of flags.
func namesOf(flags []ucli.Flag) []string {
	var names []string
	for _, f := range flags {
		names = append(names, f.Names()...)
	}
	return names
}

// commandsWith returns the commands that have a flag.
func commandsWith(app *ucli.App, flag string) []string {
	var names []string
	for _, c := range app.Commands {
		if slices.Contains(namesOf(c.Flags), flag) {
			names = append(names, c.Name)
		}
	}
	return names
}

// arrange puts the flags of the command in args before its other arguments. A wish
// for help stands for all of them. The words help and version stand for the flags.
func arrange(app *ucli.App, args []string) ([]string, error) {
	if len(args) > 1 && (args[1] == "help" || args[1] == "version") {
		return inWords(app, args)
	}
	for i := 1; i < len(args); i++ {
		if strings.HasPrefix(args[i], "-") {
			continue
		}
		if c := app.Command(args[i]); c != nil {
			rest := args[i+1:]
			if end := slices.Index(rest, "--"); end >= 0 {
				rest = rest[:end]
			}
			if slices.Contains(rest, "--help") || slices.Contains(rest, "-h") {
				return append(slices.Clone(args[:i+1]), "--help"), nil
			}
			ordered, err := cli.FlagsFirst(args[i+1:], c.Flags)
			return append(slices.Clone(args[:i+1]), ordered...), err
		}
		break
	}
	return args, nil
}

// inWords returns the flags for help and version in the place of these words.
func inWords(app *ucli.App, args []string) ([]string, error) {
	program, word, rest := args[0], args[1], args[2:]
	wishes := func(arg string) bool { return arg == "--help" || arg == "-h" }
	switch {
	case word == "version" && len(rest) == 0:
		return []string{program, "--version"}, nil
	case len(rest) == 0 || slices.ContainsFunc(rest, wishes):
		return []string{program, "--help"}, nil
	case word == "version":
		return nil, cli.Usagef("version takes no arguments: %q", rest)
	case len(rest) > 1:
		return nil, cli.Usagef("help takes one command, not %d: %q", len(rest), rest)
	case rest[0] == "help" || rest[0] == "version":
		return []string{program, "--help"}, nil
	case app.Command(rest[0]) == nil:
		return nil, noCommand(app, rest[0])
	}
	return []string{program, rest[0], "--help"}, nil
}

// terminal returns where a command writes.
func terminal(c *ucli.Context) (*cli.Terminal, error) {
	color := c.String("color")
	if !slices.Contains([]string{"auto", "always", "never"}, color) {
		return nil, cli.Usagef("--color %s: auto, always or never", color)
	}
	t := cli.NewTerminal(c.App.Writer, c.App.ErrWriter, color)
	t.Quiet = c.Bool("quiet")
	return t, nil
}

// oneArgument returns the only argument of a command, which its usage calls what.
func oneArgument(c *ucli.Context, what string) (string, error) {
	switch c.NArg() {
	case 0:
		return "", &cli.UsageError{
			Message: fmt.Sprintf("%s needs a %s", c.Command.Name, what),
			Hints:   []string{fmt.Sprintf("wwq-fast %s %s", c.Command.Name, c.Command.ArgsUsage)},
		}
	case 1:
		return c.Args().First(), nil
	}
	return "", cli.Usagef("%s takes one %s, not %d: %q", c.Command.Name, what, c.NArg(), c.Args().Slice())
}
