package bench

import "golang.org/x/sys/unix"

func cpuModel() string {
	name, _ := unix.Sysctl("machdep.cpu.brand_string")
	return name
}
