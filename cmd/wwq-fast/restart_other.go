//go:build !unix

package main

import "github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"

// chooseKernels does nothing here: the result carries a warning if OpenBLAS runs
// slow kernels.
func chooseKernels(*cli.Terminal, bool) error { return nil }
