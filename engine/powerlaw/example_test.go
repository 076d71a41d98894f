package powerlaw_test

import (
	"fmt"
	"log"
	"math"

	"github.com/wwq-fast/wwq-fast/engine/powerlaw"
)

// The eigenvalues of a rank-deficient matrix: those that are zero up to rounding take no
// part in the fit.
func ExampleFitTail() {
	evals := []float64{3e-17, 0, -2e-17}
	for k := range 100 {
		quantile := float64(k) / 100
		evals = append(evals, math.Pow(1-quantile, -0.8)) // density exponent 1 + 1/0.8
	}
	fit, err := powerlaw.FitTail(evals)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("alpha = %.2f +- %.2f for the %d eigenvalues from %g on\n", fit.Alpha, fit.Sigma, fit.Tail, fit.XMin)
	fmt.Printf("Kolmogorov-Smirnov distance %.3f\n", fit.D)
	// Output:
	// alpha = 2.29 +- 0.13 for the 100 eigenvalues from 1 on
	// Kolmogorov-Smirnov distance 0.012
}
