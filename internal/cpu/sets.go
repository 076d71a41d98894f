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

// Sets returns the supported sets of a kernel package, which lists names from the portable
// set to the best and whose type S counts the sets in that order. The best comes first.
func Sets[S ~int](names []string) []S {
	var sets []S
	for i := len(names) - 1; i >= 0; i-- {
		if Supports(names[i]) {
			sets = append(sets, S(i))
		}
	}
	return sets
}

// Names returns what name returns for 0, 1, 2 and so on, up to the first empty string: the
// names of the sets in a table of C.
func Names(name func(i int) string) []string {
	var names []string
	for i := 0; name(i) != ""; i++ {
		names = append(names, name(i))
	}
	return names
}
