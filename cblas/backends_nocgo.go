//go:build !cgo

package cblas

func available() []Backend { return []Backend{goBackend{}} }

// Library describes the linked C library: none in this build.
func Library() Info { return Info{Library: "none"} }

// LimitThreads does nothing in this build: pure Go BLAS calls of this package
// use the goroutines that Go gives them. The result undoes it.
func LimitThreads(int) (restore func()) { return func() {} }
