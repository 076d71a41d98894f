package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
)

func TestCode(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{ErrPartial, 3},
		{Usagef("x"), 64},
		{checkpoint.Corruptf("x"), 65},
		{checkpoint.NotFoundf("x"), 65},
		{fmt.Errorf("write: %w", syscall.ENOSPC), 75},
		{fmt.Errorf("x: %w", context.Canceled), 130},
		{fmt.Errorf("x: %w", ErrTerminated), 143},
		{errors.Join(syscall.ENOSPC, context.Canceled), 130},
	} {
		if got := Code(tc.err); got != tc.want {
			t.Errorf("Code(%v) = %d, want %d", tc.err, got, tc.want)
		}
	}
}

func TestFlagsFirst(t *testing.T) {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}}, &cli.BoolFlag{Name: "json"}, &cli.IntFlag{Name: "threads"},
		&cli.StringSliceFlag{Name: "layers"},
	}
	for in, want := range map[string]string{
		"M":                       "-- M",
		"M -o out":                "-o out -- M",
		"--json M --threads 2":    "--json --threads 2 -- M",
		"M --output=out extra":    "--output=out -- M extra",
		"M --layers a --layers b": "--layers a --layers b -- M",
		"M -- --json":             "-- M --json",
		"--output - M":            "--output - -- M",
		"-":                       "-- -",
		"-o a M --output b":       "-o a -o b -- M",
		"--output=a M -o=b -o c":  "--output=a --output=b --output c -- M",
		"M --unknown x":           "--unknown -- M x",
	} {
		if got, err := FlagsFirst(strings.Fields(in), flags); err != nil || !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%q became %q, %v, want %q", in, got, err, want)
		}
	}
	if got, err := FlagsFirst([]string{"M", "-o"}, flags); Code(err) != Usage {
		t.Errorf("a flag without its value became %q, %v", got, err)
	}
}

func TestReport(t *testing.T) {
	var b bytes.Buffer
	Report(&b, &UsageError{Message: "bad\nthing \x1b[31m", Hints: []string{"try this"}})
	if want := "wwq-fast: error: bad thing ?[31m\nwwq-fast: hint: try this\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	b.Reset()
	for _, err := range []error{nil, ErrPartial, context.Canceled, ErrTerminated} {
		Report(&b, err)
	}
	if b.Len() > 0 {
		t.Errorf("silent endings printed %q", b.String())
	}
}
