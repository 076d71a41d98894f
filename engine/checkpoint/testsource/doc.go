// Package testsource is the conformance suite for readers of checkpoints. The tests of
// each format package call [Test]. Only tests import this package.
package testsource
