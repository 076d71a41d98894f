//go:build !unix

package main

import "github.com/rogpeppe/go-internal/testscript"

// systemCommands are the commands of scripts that need this kind of system: there are
// none.
var systemCommands map[string]func(*testscript.TestScript, bool, []string)
