// Package engine analyses how quantization changes the spectra of a checkpoint's
// weights.
package engine
