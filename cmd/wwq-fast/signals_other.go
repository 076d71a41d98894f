//go:build !unix

package main

// ignoreSignals does nothing: there are none that end the process because of a write.
func ignoreSignals() {}
