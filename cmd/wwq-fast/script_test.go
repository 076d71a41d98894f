package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wwq-fast/wwq-fast/cblas"
	"github.com/wwq-fast/wwq-fast/internal/cpu"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"wwq-fast": func() { os.Exit(run(os.Args, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the stories in testdata/script. Besides the usual commands
// they have
//
//	model KIND PATH                    write a small model or a hostile file
//	code N COMMAND                     run a command, which ends with exit code N
//	fifo PATH                          make a named pipe
//	terminal COLUMNS[:RESIZED] COMMAND run a command on a terminal, see onTerminal
//
// The last two are of systems of the family of Unix.
func TestScripts(t *testing.T) {
	sample, err := filepath.Abs("../../examples/gosrc-lm")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("SAMPLE", sample)
			e.Setenv("HF_HUB_CACHE", filepath.Join(e.WorkDir, "hub"))
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch library := cblas.Library().Library; cond {
			case "root":
				return os.Geteuid() == 0, nil
			case "race":
				return raced, nil
			case "openblas":
				return library == "OpenBLAS", nil
			case "reproducible":
				return library == "none" || library == "OpenBLAS" && slices.Contains(cpu.Features(), "avx2"), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: withSystem(map[string]func(*testscript.TestScript, bool, []string){
			"model": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(os.WriteFile(ts.MkAbs(args[1]), makeModel(ts, args[0]), 0o644))
			},
			"code": exitCode,
		}),
	})
}

// withSystem adds the commands of this kind of system.
func withSystem(commands map[string]func(*testscript.TestScript, bool, []string)) map[string]func(*testscript.TestScript, bool, []string) {
	maps.Copy(commands, systemCommands)
	return commands
}

// exitCode runs a command and compares its exit code: code N COMMAND ARGS.
func exitCode(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// entry is a tensor of a small model.
type entry struct {
	name  string
	shape []int
	data  []float32
}

// weights returns Gaussian weights with a few large ones.
func weights(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := make([]float32, n)
	for i := range w {
		w[i] = float32(rng.NormFloat64() * 0.02 * math.Exp(rng.NormFloat64()))
	}
	return w
}

func constant(v float32, n int) []float32 {
	w := make([]float32, n)
	for i := range w {
		w[i] = v
	}
	return w
}

func makeModel(ts *testscript.TestScript, kind string) []byte {
	good := entry{"a.weight", []int{32, 48}, weights(1, 32*48)}
	bad := entry{"b.weight", []int{32, 48}, weights(2, 32*48)}
	switch kind {
	case "good":
		return file(good, entry{"a.bias", []int{48}, weights(3, 48)})
	case "nan":
		bad.data[77] = float32(math.NaN())
	case "inf":
		bad.data[77] = float32(math.Inf(-1))
	case "overflow":
		bad.data[77] = 1e6
	case "zero":
		bad.data = constant(0, len(bad.data))
	case "constant":
		bad.data = constant(0.5, len(bad.data))
	case "thin":
		bad = entry{"b.weight", []int{1, 400}, weights(4, 400)}
	case "empty":
		bad = entry{"b.weight", []int{0, 48}, nil}
	case "twins":
		bad.data = good.data
	case "escape":
		bad.name = "b\x1b[31m\n=1.weight"
	case "bidi":
		bad.name = "=b\u202egpj.\u2066x\u2069\u200b\u009b31m\u061c.weight"
		bad.data[77] = float32(math.NaN())
		good.name = "a\u202e\u200f\x1b[2J\x07.weight"
	case "conv":
		bad = entry{"conv.weight", []int{16, 8, 3, 3}, weights(5, 16*8*9)}
	case "experts":
		bad = entry{"mlp.experts.gate_up_proj", []int{3, 16, 24}, weights(6, 3*16*24)}
	case "many":
		var all []entry
		for i := range 60 {
			all = append(all, entry{fmt.Sprintf("layers.%d.weight", i), []int{256, 300}, weights(uint64(10+i), 256*300)})
		}
		return file(all...)
	case "truncated":
		b := file(good)
		return b[:len(b)-100]
	case "header-zero":
		return make([]byte, 8)
	case "header-huge":
		return append([]byte{0, 0, 0, 0, 0, 0, 0, 0x80}, "{}"...)
	case "header-beyond":
		return append([]byte{0xff, 0xff, 0, 0, 0, 0, 0, 0}, "{}"...)
	case "overlap":
		return raw(`{"a.weight":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b.weight":{"dtype":"F32","shape":[4],"data_offsets":[8,24]}}`, 24)
	case "hole":
		return raw(`{"a.weight":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b.weight":{"dtype":"F32","shape":[4],"data_offsets":[20,36]}}`, 36)
	case "twice":
		return raw(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\u0061":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8)
	case "shape-overflow":
		return raw(`{"a.weight":{"dtype":"U8","shape":[4194305,4194305,211106198978564],"data_offsets":[0,4]}}`, 4)
	default:
		ts.Fatalf("no model kind %q", kind)
	}
	return file(good, bad)
}

func raw(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

// file encodes float32 tensors as safetensors.
func file(tensors ...entry) []byte {
	header := map[string]any{}
	var data []byte
	for _, t := range tensors {
		begin := len(data)
		for _, v := range t.data {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		header[t.name] = map[string]any{"dtype": "F32", "shape": t.shape, "data_offsets": []int{begin, len(data)}}
	}
	h, _ := json.Marshal(header)
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(h))), h...), data...)
}
