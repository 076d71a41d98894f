// Package cpu tells which instruction sets the processor has, as far as the choice of
// kernels, those of this project and of OpenBLAS, depends on it.
package cpu

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

// Features lists the instruction sets that matter here and are present.
func Features() []string {
	var f []string
	add := func(has bool, name string) {
		if has {
			f = append(f, name)
		}
	}
	add(cpu.X86.HasAVX2, "avx2")
	add(cpu.X86.HasFMA, "fma")
	add(hasAVX512(), "avx512")
	add(cpu.X86.HasAVX512VNNI, "avx512vnni")
	add(cpu.ARM64.HasASIMD, "neon")
	add(cpu.ARM64.HasASIMDDP, "dotprod")
	add(cpu.ARM64.HasSVE, "sve")
	return f
}

// hasAVX512 reports the AVX-512 subsets that the SkylakeX kernels use.
func hasAVX512() bool {
	return cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512DQ &&
		cpu.X86.HasAVX512VL && cpu.X86.HasAVX512CD
}

// slowCores are the OpenBLAS kernel sets for processors without AVX2. An OpenBLAS
// that does not know a newer processor falls back to one of them.
var slowCores = map[string]bool{
	"Prescott": true, "Core2": true, "Penryn": true, "Dunnington": true, "Atom": true,
	"Nehalem": true, "Sandybridge": true, "Athlon": true, "Opteron": true,
	"Opteron_SSE3": true, "Barcelona": true, "Bobcat": true, "Bulldozer": true,
	"Piledriver": true, "Steamroller": true, "Generic": true, "Nano": true, "Katmai": true,
	"Coppermine": true, "Northwood": true, "Banias": true,
}

// BetterCore returns the OpenBLAS kernel set that this processor should run
// instead of core, or "" if core will do.
func BetterCore(core string) string {
	if runtime.GOARCH != "amd64" || !slowCores[core] {
		return ""
	}
	return bestCore(hasAVX512(), cpu.X86.HasAVX2 && cpu.X86.HasFMA)
}

func bestCore(avx512, avx2 bool) string {
	switch {
	case avx512:
		return "SkylakeX"
	case avx2:
		return "Haswell"
	}
	return ""
}
