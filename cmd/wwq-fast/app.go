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

	ucli "github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
)

// run is the whole program: it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signals(stderr)
	defer stop()
	app := newApp(stdout, stderr)
	args, err := arrange(app, args)
	if err == nil {
		err = app.RunContext(ctx, args)
	}
	if errors.Is(err, syscall.EPIPE) {
		return cli.OK // the reader of our output has seen enough
	}
	cli.Report(stderr, err)
	return cli.Code(err)
}

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
		fmt.Fprintln(stderr, "wwq-fast: stopping when the layers in progress are finished; press Ctrl-C again to stop now, without results")
		cancel(cause)
		<-c
		os.Exit(code)
	}()
	return ctx, func() { signal.Stop(c); cancel(nil) }
}

func newApp(stdout, stderr io.Writer) *ucli.App {
	ucli.VersionPrinter = func(c *ucli.Context) { printVersion(c.App.Writer) }
	app := &ucli.App{
		Name:      "wwq-fast",
		Usage:     "how quantization changes the spectra of a neural network's weights",
		UsageText: "wwq-fast COMMAND [flags] MODEL",
		Description: `MODEL is a .safetensors file, a folder with an index or with shards, or the id or address
of a model in the local Hugging Face cache (org/name, org/name@revision, org/name/folder).

Examples:
  wwq-fast analyze examples/gosrc-lm
  wwq-fast analyze Qwen/Qwen2.5-0.5B --quantizations fp16,4bit,4bit-asym -o out
  wwq-fast quantize examples/gosrc-lm --bits 4 -o gosrc-lm-4bit

Exit codes: 0 complete, 1 failed, 3 finished but some tensors were refused, 64 wrong
command line, 65 bad model, 75 disk full or I/O error, 130 and 143 interrupted.`,
		Version:         engine.Version,
		HideHelpCommand: true,
		Suggest:         true,
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
			err := &cli.UsageError{Message: fmt.Sprintf("no command %q", c.Args().First())}
			err.Hints = []string{"wwq-fast --help lists the commands"}
			if s := ucli.SuggestCommand(c.App.Commands, c.Args().First()); s != "" && c.Args().First() != "help" {
				err.Hints = []string{s}
			}
			return err
		},
		Commands: []*ucli.Command{
			analyzeCommand(), describeCommand(), quantizeCommand(), validateCommand(), compareCommand(), benchCommand(), envCommand(),
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

func usageError(c *ucli.Context, err error, _ bool) error {
	where := "wwq-fast"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != c.App.Name {
		where += " " + c.Command.Name
	}
	return &cli.UsageError{Message: err.Error(), Hints: []string{where + " --help lists the flags"}}
}

// arrange puts the flags of the command in args before its other arguments. A wish
// for help stands for all of them.
func arrange(app *ucli.App, args []string) ([]string, error) {
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
