package quant_test

import (
	"testing"

	"github.com/wwq-fast/wwq-fast/engine/quant/testquant"
)

func TestConformance(t *testing.T) {
	for name, props := range map[string]testquant.Properties{
		"fp16": {Idempotent: 0},
		// The largest weight comes back to within one unit in the last place, and
		// moves the step by as much.
		"8bit": {Idempotent: 1e-6, Equivariant: true}, "5bit": {Idempotent: 1e-6, Equivariant: true},
		"4bit": {Idempotent: 1e-6, Equivariant: true}, "2bit": {Idempotent: 1e-6, Equivariant: true},
		"16bit":     {Idempotent: 1e-6, Equivariant: true},
		"8bit-asym": {Idempotent: 1e-6, Equivariant: true}, "4bit-asym": {Idempotent: 1e-6, Equivariant: true},
		"2bit-asym": {Idempotent: 1e-6, Equivariant: true},
	} {
		t.Run(name, func(t *testing.T) { testquant.Test(t, name, props) })
	}
}

// TestVectors: testdata/uniform.json was computed by the definition in the package
// documentation, every step rounded to float32, in another language.
func TestVectors(t *testing.T) { testquant.Vectors(t, "testdata/uniform.json") }
