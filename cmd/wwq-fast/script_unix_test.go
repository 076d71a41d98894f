//go:build unix

package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/testterminal"
)

// systemCommands are the commands of scripts that need this kind of system.
var systemCommands = map[string]func(*testscript.TestScript, bool, []string){
	"fifo": func(ts *testscript.TestScript, _ bool, args []string) {
		ts.Check(syscall.Mkfifo(ts.MkAbs(args[0]), 0o644))
	},
	"terminal": onTerminal,
}

// onTerminal runs a command on a terminal, holds it to what testterminal.Record wants, and
// writes what is on the screen in the end to the file screen, and all that was written to
// the file session: terminal COLUMNS[:RESIZED] COMMAND ARGS.
func onTerminal(ts *testscript.TestScript, _ bool, args []string) {
	before, after, _ := strings.Cut(args[0], ":")
	columns, err := strconv.Atoi(before)
	ts.Check(err)
	resized := 0
	if after != "" {
		resized, err = strconv.Atoi(after)
		ts.Check(err)
	}
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"LC_ALL=C.UTF-8"}
	for _, name := range []string{"PATH", "HOME", "TERM", "TMPDIR", "SAMPLE", "HF_HUB_CACHE"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	s, err := testterminal.Record(cmd, columns, resized, true)
	if s != nil {
		ts.Check(os.WriteFile(ts.MkAbs("screen"), []byte(strings.Join(s.Screen.Lines(), "\n")+"\n"), 0o666))
		ts.Check(os.WriteFile(ts.MkAbs("session"), s.Raw, 0o666))
		ts.Logf("%s", strings.Join(s.Screen.Lines(), "\n"))
		ts.Check(s.Err)
	}
	ts.Check(err)
	// What was printed before the width changed may have been broken anew.
	if after == "" && s.Screen.Wrapped() > 0 {
		ts.Fatalf("a line is wider than the terminal")
	}
}
