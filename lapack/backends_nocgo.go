//go:build !cgo

package lapack

func available() []Backend { return []Backend{goBackend{}} }
