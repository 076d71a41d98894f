//go:build !linux

package bench

func allCores() int { return 0 }

func lastLevelCache() int64 { return 0 }

func governor() string { return "" }

func resetPeak() {}

func peakMemory() int64 { return 0 }
