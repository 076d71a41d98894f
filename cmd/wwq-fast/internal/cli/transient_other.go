//go:build !unix

package cli

func isTransient(error) bool { return false }
