package main

import (
	"fmt"
	"runtime"

	"github.com/wwq-fast/wwq-fast/cmd/wwq-fast/internal/cli"
	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/internal/mem"
)

// What a run reserves besides its memory, measured: for each thread of the system an arena
// of the C library and a stack, and the steps in which the Go runtime reserves more. There
// are some threads more than cores.
const (
	threadSpace  = (64 + 8) << 20
	spareThreads = 8
	runtimeSpace = 256 << 20
)

// checkSpace fails if the address space of the process is limited to less than the plan
// needs. Neither the Go runtime nor the libraries survive a refused reservation.
func checkSpace(plan *engine.Plan, opts engine.Options) error {
	limit, used := mem.AddressSpace()
	threads := opts.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return spaceError(limit, used, plan.PeakBytes(threads), threads)
}

// checkLeastSpace is checkSpace before anything is known of the work.
func checkLeastSpace() error {
	limit, used := mem.AddressSpace()
	return spaceError(limit, used, 0, 1)
}

// spaceError is checkSpace with what is known as parameters.
func spaceError(limit, used, peak int64, threads int) error {
	need := used + peak + runtimeSpace + int64(threads+spareThreads)*threadSpace
	if limit == 0 || limit >= need {
		return nil
	}
	return cli.Limited(fmt.Errorf("the address space is limited to %s, the command needs about %s of it", mem.Text(limit), mem.Text(need)),
		fmt.Sprintf("ulimit -v unlimited, or ulimit -v %d: it counts what is reserved, not what is used; --memory limits that, --threads lowers both", need>>10))
}
