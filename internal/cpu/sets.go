package cpu

import "golang.org/x/sys/cpu"

// Supports reports whether the processor and the operating system run code compiled for
// the instruction set called set. The names mean:
//
//	scalar, generic  what every machine has
//	avx2             AVX2, FMA and F16C
//	avxvnni          avx2 and AVX-VNNI
//	avx512           avx2 and AVX-512 F, BW, DQ, VL
//	avx512vnni       avx512 and AVX-512 VNNI
//	neon             Advanced SIMD of arm64
//	dotprod          neon and its 8-bit dot product
//
// No other name is supported.
func Supports(set string) bool {
	avx2 := cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasF16C
	avx512 := avx2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL
	switch set {
	case "scalar", "generic":
		return true
	case "avx2":
		return avx2
	case "avxvnni":
		return avx2 && cpu.X86.HasAVXVNNI
	case "avx512":
		return avx512
	case "avx512vnni":
		return avx512 && cpu.X86.HasAVX512VNNI
	case "neon":
		return cpu.ARM64.HasASIMD
	case "dotprod":
		return cpu.ARM64.HasASIMD && cpu.ARM64.HasASIMDDP
	}
	return false
}

// Usable returns the indices of the supported sets in names, in reverse order. Kernel
// packages list their sets from the portable one to the best, so the best comes first.
func Usable(names []string) []int {
	var places []int
	for i := len(names) - 1; i >= 0; i-- {
		if Supports(names[i]) {
			places = append(places, i)
		}
	}
	return places
}
