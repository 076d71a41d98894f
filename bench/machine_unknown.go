//go:build !linux && !darwin

package bench

func cpuModel() string { return "" }
