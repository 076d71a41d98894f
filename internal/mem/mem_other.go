//go:build !linux

package mem

func available() int64 { return 0 }

func addressSpace() (limit, used int64) { return 0, 0 }
