package spectrum_test

import (
	"fmt"
	"log"

	"github.com/wwq-fast/wwq-fast/engine/spectrum"
)

// The singular values of a matrix of three rows and two columns.
func ExampleOf() {
	sp, err := spectrum.Of(3, 2, []float32{
		3, 0,
		0, 2,
		4, 0,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("singular values %.1f, eigenvalues of the Gram matrix %.1f, by %s\n", sp.Sigma, sp.Lambda, sp.Method)
	// Output:
	// singular values [2.0 5.0], eigenvalues of the Gram matrix [4.0 25.0], by gram
}
