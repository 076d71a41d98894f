package bench

import (
	"context"
	"fmt"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// QuantizeConfig configures the suite quantize.
//
// The suite quantize times the loops over weights on one core:
//
//	copy       the built-in copy of float32
//	symmetric  kernel.QuantizeSymmetric
//	panel      decode bfloat16, quantize, round to bfloat16, panel by panel, as the
//	           engine does
//	scheme     fit a scheme to bfloat16 weights, quantize and dequantize, for each scheme
//
// Rates count the bytes that must be read and written once: 4+4 per weight for copy and
// symmetric, 2+4 for panel. The bytes that pass between the steps of a panel are not
// counted, because they should stay in the cache. Speeds are relative to the copy. A copy
// of a large set may use stores that bypass the cache and so need not read the memory
// that it overwrites; the other loops have no such stores.
type QuantizeConfig struct {
	Timing
	Bits int // bits of the symmetric level
	// SmallBytes and LargeBytes are the bytes that a copy reads and writes: SmallBytes
	// those of a working set that fits the second-level cache, LargeBytes those of one
	// that does not fit any cache. 0 leaves a working set out.
	SmallBytes, LargeBytes int64
	// Schemes are timed on a matrix of SchemeRows×4096 weights.
	Schemes    []string
	SchemeRows int
}

// DefaultQuantizeConfig returns a configuration of 4 bits with working sets of 192 KiB and
// of four times the last-level cache, but at least 128 MiB and at most 1 GiB.
func DefaultQuantizeConfig() QuantizeConfig {
	return QuantizeConfig{
		Timing: DefaultTiming(), Bits: 4,
		SmallBytes: 192 << 10, LargeBytes: min(max(4*lastLevelCache(), 128<<20), 1<<30),
		Schemes: []string{
			"int8-row", "int4-g128", "bnb-int8", "bnb-nf4", "ct-w4a16", "gptq-int4-g128", "quanto-qint4", "mlx-4bit", "fp8-e4m3-row", "mxfp4:even", "nvfp4:modelopt",
			"q4_0", "q8_0", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl", "iq4_xs",
		},
		SchemeRows: 64,
	}
}

// FullQuantizeConfig returns the default configuration with more runs.
func FullQuantizeConfig() QuantizeConfig {
	c := DefaultQuantizeConfig()
	c.Rounds, c.MaxRounds = 15, 101
	c.Schemes, c.SchemeRows = nil, 256
	for _, d := range quant.Descriptions() {
		c.Schemes = append(c.Schemes, d.Name)
	}
	return c
}

func (c QuantizeConfig) suite() (*suite, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	level, err := quant.Parse(fmt.Sprintf("%dbit", c.Bits))
	if err != nil {
		return nil, err
	}
	s := &suite{name: "quantize", key: "op", timing: c.Timing, reference: "copy"}
	for _, set := range []struct {
		name  string
		bytes int64
	}{{"small", c.SmallBytes}, {"large", c.LargeBytes}} {
		n := int(set.bytes / 8)
		if n < 1 {
			continue
		}
		s.cases = append(s.cases, &testCase{
			params:   []Param{param("bits", c.Bits), param("set", set.name), param("KiB", set.bytes>>10)},
			variants: []string{"copy", "symmetric", "panel"},
			open:     func(context.Context) (*inputs, error) { return openQuantize(level, c.Bits, n) },
		})
	}
	for _, name := range c.Schemes {
		r, err := quant.Parse(name)
		if err != nil {
			return nil, err
		}
		s.cases = append(s.cases, &testCase{
			params:   []Param{param("scheme", r.Name())},
			variants: []string{"copy", "scheme"},
			open:     func(context.Context) (*inputs, error) { return openScheme(r, c.SchemeRows, 4096) },
		})
	}
	return s, nil
}

// openScheme times a scheme on a matrix of bfloat16 weights.
func openScheme(r quant.Recipe, rows, cols int) (*inputs, error) {
	n := rows * cols
	src, dst := normal[float32](n), make([]float32, n)
	checkpoint.BF16.Round(src)
	w := quant.Dense{Rows: rows, Cols: cols, W: src}
	s := r.For(quant.Target{Rows: rows, Cols: cols, DType: checkpoint.BF16})
	timed := func(run func() error) variant {
		return variant{
			run:   run,
			work:  []work{{8 * float64(n) / 1e9, "GB/s"}, {float64(n) / 1e6, "Mweights/s"}},
			bytes: 8 * int64(n),
		}
	}
	return &inputs{variants: []variant{
		timed(func() error { copy(dst, src); return nil }),
		timed(func() error {
			q, err := s.Fit(w, checkpoint.F32)
			if err != nil {
				return err
			}
			const rowsAtOnce = 2
			for i := 0; i < rows; i += rowsAtOnce {
				part := src[i*cols:][:min(rowsAtOnce, rows-i)*cols]
				q.Dequantize(dst[i*cols:][:len(part)], quant.Piece{W: part, Row: i, Width: cols})
			}
			return nil
		}),
	}}, nil
}

// panelWidth is the length of the smaller side of the matrix whose panels are processed.
const panelWidth = 896

func openQuantize(level quant.Recipe, bits, n int) (*inputs, error) {
	src, dst := normal[float32](n), make([]float32, n)
	stored := make([]byte, 2*n)
	checkpoint.BF16.Encode(stored, src)
	checkpoint.BF16.Encoding().Decode(src, stored)
	q, err := level.For(quant.Target{}).Fit(quant.Dense{Rows: 1, Cols: n, W: src}, checkpoint.BF16)
	if err != nil {
		return nil, err
	}
	p := kernel.SymmetricParams{Scale: q.(quant.Stepped).Step(), QMax: float32(int(1)<<(bits-1) - 1)}
	length := min(n, spectrum.PanelLength(panelWidth, 1)*panelWidth)
	original, panel := make([]float32, length), make([]float32, length)

	weights := float64(n) / 1e6
	moved := func(bytesEach int64, run func()) variant {
		total := bytesEach * int64(n)
		return variant{
			run:   func() error { run(); return nil },
			work:  []work{{float64(total) / 1e9, "GB/s"}, {weights, "Mweights/s"}},
			bytes: total,
		}
	}
	return &inputs{variants: []variant{
		moved(8, func() { copy(dst, src) }),
		moved(8, func() { kernel.QuantizeSymmetric(dst, src, p) }),
		moved(6, func() {
			for at := 0; at < n; at += length {
				k := min(length, n-at)
				checkpoint.BF16.Encoding().Decode(original[:k], stored[2*at:2*(at+k)])
				q.Dequantize(panel[:k], quant.Piece{W: original[:k], Width: k})
			}
		}),
	}}, nil
}
