//go:build !unix

package cli

func isTransient(error) bool { return false }

// limitHint returns no hint: the limit is one of Unix.
func limitHint(error) string { return "" }
