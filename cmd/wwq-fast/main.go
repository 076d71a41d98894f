// The wwq-fast command analyses how quantization changes the spectra of a
// checkpoint's weights. See package engine for the same as a library.
package main

import (
	"os"
)

func main() {
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}
