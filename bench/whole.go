package bench

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/wwq-fast/wwq-fast/engine"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/checkpoint/open"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/lapack"
)

// WholeConfig configures the suite whole.
//
// The suite whole times engine.Analyze on synthetic checkpoints in the page cache: reading,
// quantizing, error statistics, Gram matrices, eigenvalues and fits of every layer and
// level. A BLAS call has one thread in it, whatever Threads is, because layers run in
// parallel. A layer-level is one matrix at one level.
type WholeConfig struct {
	Timing
	Models []SyntheticConfig
	// Levels holds lists of levels, each in the form of the flag --quantizations. Each
	// list, in each mode, is a case.
	Levels   []string
	Modes    []Mode
	Backends []string // of package lapack; Gram matrices use the cblas backend of that name if there is one
	Workers  int      // number of layers analysed at once; 0 means one per core
	Dir      string   // folder for the files; "" is the temporary folder of the system
}

// A Mode is a way to compute the spectra.
type Mode struct {
	Precision spectrum.Precision
	// Dequant is the type to which dequantized weights are rounded;
	// checkpoint.InvalidDType means the type of the tensor.
	Dequant checkpoint.DType
}

// DefaultWholeConfig returns a configuration with one block of a small model, at the seven
// levels of a study and at fp16 alone, with the default backend and with that of the
// linked library.
func DefaultWholeConfig() WholeConfig {
	c := WholeConfig{
		Timing: DefaultTiming(), Models: []SyntheticConfig{DefaultSyntheticConfig()},
		Levels: []string{engine.DefaultLevels, "fp16"},
		Modes:  []Mode{{Precision: spectrum.Double}, {spectrum.Double, checkpoint.F32}, {Precision: spectrum.Single}},
	}
	// One run takes seconds.
	c.Rounds, c.MaxRounds, c.Budget = 3, 5, 10*time.Second
	c.Backends = []string{lapack.Names()[0]}
	if r := reference(lapack.Names()); r != c.Backends[0] {
		c.Backends = append(c.Backends, r)
	}
	if c.Backends[0] == "gonum" {
		// A run in pure Go takes most of a minute.
		c.Rounds, c.MaxRounds = 1, 1
	}
	return c
}

// FullWholeConfig returns a configuration with more blocks, and a block of a large model.
func FullWholeConfig() WholeConfig {
	c := DefaultWholeConfig()
	c.Models[0].Blocks = 2
	large := c.Models[0]
	large.Hidden, large.KV, large.MLP, large.Blocks = 4096, 1024, 14336, 1
	c.Models = append(c.Models, large)
	return c
}

func (c WholeConfig) suite() (*suite, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Workers < 0 {
		return nil, fmt.Errorf("%d workers", c.Workers)
	}
	s := &suite{name: "whole", key: "backend", timing: c.Timing, reference: reference(c.Backends), allCores: true}
	for _, list := range c.Levels {
		levels, err := quant.ParseList(list)
		if err != nil {
			return nil, err
		}
		for _, m := range c.Models {
			if err := m.Validate(); err != nil {
				return nil, err
			}
			for _, mode := range c.Modes {
				options, err := c.options(levels, m, mode)
				if err != nil {
					return nil, err
				}
				params := []Param{
					param("hidden", m.Hidden), param("mlp", m.MLP), param("blocks", m.Blocks), param("levels", len(levels)),
				}
				// Only a precision that is not the default is part of the name.
				if mode.Precision != spectrum.Double {
					params = append(params, param("precision", mode.Precision))
				}
				if mode.Dequant != checkpoint.InvalidDType {
					params = append(params, param("dequant", strings.ToLower(mode.Dequant.String())))
				}
				s.cases = append(s.cases, &testCase{
					params:   params,
					variants: c.Backends,
					open:     func(ctx context.Context) (*inputs, error) { return openWhole(ctx, c.Dir, m, options) },
				})
			}
		}
	}
	return s, nil
}

// options returns the engine options for each backend.
func (c WholeConfig) options(levels []quant.Recipe, m SyntheticConfig, mode Mode) ([]engine.Options, error) {
	options := make([]engine.Options, len(c.Backends))
	for i, name := range c.Backends {
		o := engine.DefaultOptions()
		o.Levels, o.Threads, o.Precision, o.DequantDType = levels, c.Workers, mode.Precision, mode.Dequant
		o.MinEvals = min(o.MinEvals, m.KV)
		if err := o.UseBackend(name); err != nil {
			return nil, err
		}
		if err := o.Validate(); err != nil {
			return nil, err
		}
		options[i] = o
	}
	return options, nil
}

func openWhole(ctx context.Context, dir string, m SyntheticConfig, options []engine.Options) (*inputs, error) {
	path, remove, err := temporaryModel(ctx, dir, m)
	if err != nil {
		return nil, err
	}
	src, _, err := open.Open(path, open.Options{})
	if err != nil {
		remove()
		return nil, err
	}
	in := &inputs{close: func() { src.Close(); remove() }}
	for _, o := range options {
		levels := float64(len(o.Levels))
		in.variants = append(in.variants, variant{
			prepare: resetPeak,
			run:     func() error { return analyze(ctx, src, o) },
			work: []work{
				{float64(7*m.Blocks) * levels, "layer-levels/s"},
				{float64(m.Weights()) * levels / 1e6, "Mweights/s"},
			},
			extra: func() []Rate {
				if peak := peakMemory(); peak > 0 {
					return []Rate{{float64(peak) / (1 << 20), "MiB-peak"}}
				}
				return nil
			},
		})
	}
	return in, nil
}

// analyze runs an analysis; it is an error if any tensor was refused.
func analyze(ctx context.Context, src checkpoint.Source, o engine.Options) error {
	res, err := engine.Analyze(ctx, src, o)
	if err != nil {
		return err
	}
	if n := res.Count(engine.Refused); n > 0 {
		return fmt.Errorf("%d tensors were refused", n)
	}
	return nil
}
