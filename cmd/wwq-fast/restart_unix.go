//go:build unix

package main

import (
	"os"
	"syscall"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
)

// restarted marks a process that was started again by chooseKernels, so that it
// happens once at most.
const restarted = "WWQ_RESTARTED"

// chooseKernels starts the process again with OPENBLAS_CORETYPE set, if OpenBLAS
// does not know this processor and fell back to slow kernels, or if results are to be
// reproducible and it does not run the kernels for that. OpenBLAS reads the variable when
// it is loaded, before main, so the process must be started again. A value that the user
// has set is kept; engine.Run refuses it if results would not be reproducible.
func chooseKernels(t *cli.Terminal, reproducible bool) error {
	env := engine.Env()
	better := wantedCore(&env, reproducible)
	if better == "" || os.Getenv("OPENBLAS_CORETYPE") != "" || os.Getenv(restarted) != "" {
		return nil
	}
	// Setenv replaces an entry. If one were appended to os.Environ() instead, the first
	// of the two would count.
	os.Setenv("OPENBLAS_CORETYPE", better)
	os.Setenv(restarted, "1")
	self, err := os.Executable()
	if err == nil {
		err = syscall.Exec(self, os.Args, os.Environ())
	}
	t.Warn("cannot restart with OPENBLAS_CORETYPE=%s: %v", better, err)
	return nil
}

// wantedCore returns the kernels that OpenBLAS should run instead of those it does, or ""
// if they will do.
func wantedCore(env *engine.Environment, reproducible bool) string {
	if reproducible && env.Library.Library == "OpenBLAS" && env.Library.Core != engine.ReproducibleCore && env.Arch == "amd64" {
		return engine.ReproducibleCore
	}
	return env.BetterCore
}
