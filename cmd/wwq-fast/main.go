// The wwq-fast command analyses how quantization changes the spectra of a
// checkpoint's weights. Package engine is the library behind it.
package main

import (
	"os"
)

func main() {
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}
