package quant_test

import (
	"fmt"
	"log"

	"github.com/wwq-fast/wwq-fast/engine/quant"
)

// Quantize and dequantize a matrix of two rows with three bits.
func ExampleApply() {
	w := []float32{0.30, -0.12, 0.05, 0.21, -0.30, 0.16}
	dequantized := make([]float32, len(w))
	errors, err := quant.Apply(dequantized, w, 2, 3, "3bit")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.1f\n", dequantized)
	fmt.Printf("%d values, largest error %.2f, SNR %.1f dB\n", errors.Unique, errors.MaxAbs, errors.SNR)
	// Output:
	// [0.3 -0.1 0.0 0.2 -0.3 0.2]
	// 5 values, largest error 0.05, SNR 17.6 dB
}
