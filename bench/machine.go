package bench

import (
	"runtime"
	"strconv"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine"
)

// A Machine describes what measurements depend on: processor, libraries and settings. It
// contains no host names and no paths.
type Machine struct {
	CPU      string `json:"cpu"`   // model, family and stepping as far as they can be read
	Cores    int    `json:"cores"` // number of cores that the process may use
	CoresAll int    `json:"cores_all"`
	L3       int64  `json:"l3_bytes,omitempty"`
	Governor string `json:"governor,omitempty"` // frequency governor
	// BLASThreads is the number of threads that a call of the linked BLAS can use.
	BLASThreads int                `json:"blas_threads"`
	Env         engine.Environment `json:"env"`
}

// ThisMachine describes the machine on which the process runs.
func ThisMachine() Machine {
	m := Machine{
		CPU:         cpuModel(),
		Cores:       runtime.GOMAXPROCS(0),
		CoresAll:    max(allCores(), runtime.NumCPU()),
		L3:          lastLevelCache(),
		Governor:    governor(),
		BLASThreads: 1,
		Env:         engine.Env(),
	}
	if m.CPU == "" {
		m.CPU = "unknown " + runtime.GOARCH
	}
	return m
}

// Lines returns the fields of the machine as pairs of key and value, for the head of a
// report.
func (m *Machine) Lines() [][2]string {
	e := &m.Env
	commit := e.Revision
	if commit == "" {
		commit = "unknown"
	}
	lib := e.Library.Library
	if e.Library.Config != "" {
		lib = e.Library.Config
	}
	core := e.Library.Core
	if core == "" {
		core = "none"
	}
	if e.BetterCore != "" {
		core += " (slow here: " + e.BetterCore + " would fit)"
	}
	threads := "1 a call"
	if m.BLASThreads != 1 {
		threads = strconv.Itoa(m.BLASThreads) + " a call"
	}
	if e.Library.Parallel != "" {
		threads += ", " + e.Library.Parallel
	}
	lines := [][2]string{
		{"machine", m.CPU},
		{"cores", strconv.Itoa(m.Cores) + " used of " + strconv.Itoa(m.CoresAll)},
		{"governor", m.Governor},
		{"features", strings.Join(e.Features, " ")},
		{"go", e.Go + " " + e.OS + "/" + e.Arch},
		{"wwq-fast", e.Version + ", commit " + commit},
		{"library", lib},
		{"core", core},
		{"threads", threads},
		{"loops", e.QuantizeSIMD},
	}
	if m.Governor == "" {
		lines[2][1] = "not readable"
	}
	return lines
}
