// Package testsource is the conformance suite for readers of checkpoints. Each
// format package runs [Test] from its tests. The package is imported by tests
// only.
package testsource
