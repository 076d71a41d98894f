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

// WholeConfig configures [RunWhole].
type WholeConfig struct {
	Timing
	Models []SyntheticConfig
	// Levels are lists of levels as engine options take them; each is a case, in every
	// mode.
	Levels   []string
	Modes    []Mode
	Backends []string // of package lapack; Gram matrices follow where they can
	Workers  int      // layers analysed at once; 0 takes all cores
	Dir      string   // for the files; empty is the system's temporary folder
}

// A Mode is how the spectra are computed.
type Mode struct {
	Precision spectrum.Precision
	// Dequant is what dequantized weights are rounded to; checkpoint.InvalidDType is the
	// type of the tensor.
	Dequant checkpoint.DType
}

// DefaultWholeConfig takes one block of a small model at the levels of a study and
// at fp16 alone, with the default backend and with the linked library's own.
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
		// Pure Go takes most of a minute a run.
		c.Rounds, c.MaxRounds = 1, 1
	}
	return c
}

// FullWholeConfig takes more blocks, and a block of a large model.
func FullWholeConfig() WholeConfig {
	c := DefaultWholeConfig()
	c.Models[0].Blocks = 2
	large := c.Models[0]
	large.Hidden, large.KV, large.MLP, large.Blocks = 4096, 1024, 14336, 1
	c.Models = append(c.Models, large)
	return c
}

// RunWhole times engine.Analyze on synthetic checkpoints in the page cache: reading,
// quantizing, error statistics, Gram matrices, eigenvalues and fits of every
// layer and level. Within it a BLAS call has one thread whatever Threads is; it
// is the layers that run in parallel. A layer-level is one matrix at one level.
func RunWhole(ctx context.Context, cfg WholeConfig) (Report, error) {
	s, err := cfg.suite()
	if err != nil {
		return Report{}, err
	}
	return s.run(ctx)
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
				// The default goes without saying.
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

// options returns those of each backend.
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

// analyze runs an analysis and makes sure that all of it was done.
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
