package quant

import (
	"fmt"
	"strings"

	"github.com/wwq-fast/wwq-fast/engine/checkpoint"
	"github.com/wwq-fast/wwq-fast/internal/ggml"
)

// block is the scheme of one of ggml's types, without an importance matrix.
type block struct {
	t ggml.Type
	// instead is the type that the tensor at hand gets where blocks of t do not divide its
	// rows, as llama-quantize has it.
	instead ggml.Type
	falls   bool
	half    bool // it stays in float16, which is what comes last
}

// fallbacks are the types that llama-quantize takes where blocks do not divide a row.
var fallbacks = map[string]string{
	"Q2_K": "Q4_0", "Q3_K": "Q4_0", "TQ1_0": "Q4_0", "TQ2_0": "Q4_0", "Q2_0": "Q4_0",
	"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0", "IQ4_XS": "IQ4_NL",
}

func makeGGML(m *match) (Recipe, error) {
	t, ok := ggml.Lookup(strings.TrimPrefix(m.name, "ggml-"))
	if !ok {
		return nil, fmt.Errorf("%s asks for an importance matrix, which only data gives", m.name)
	}
	return Uniform(block{t: t}), nil
}

func (b block) Name() string {
	name := strings.ToLower(b.t.Name())
	if strings.HasSuffix(name, "fp4") {
		return "ggml-" + name // others have formats of that name
	}
	return name
}

// stored is the type in which the tensor at hand is stored.
func (b block) stored() ggml.Type {
	if b.falls {
		return b.instead
	}
	return b.t
}

// For returns the scheme of a tensor, with the type that its rows allow.
func (b block) For(t Target) Scheme {
	weights, _ := b.t.Block()
	if t.Cols%weights == 0 {
		return b
	}
	to, ok := fallbacks[b.t.Name()]
	if !ok {
		return b
	}
	b.instead, _ = ggml.Lookup(to)
	b.falls = true
	weights, _ = b.instead.Block()
	b.half = t.Cols%weights != 0
	return b
}

// Note says what a tensor is stored as where that is not the type of the scheme.
func (b block) Note() string {
	weights, _ := b.t.Block()
	switch {
	case b.half:
		return fmt.Sprintf("float16: rows are no multiple of %d, nor of 32", weights)
	case b.falls:
		return fmt.Sprintf("%s: rows are no multiple of %d", b.instead.Name(), weights)
	}
	return ""
}

// BitsPerWeight is that of the blocks.
func (b block) BitsPerWeight(int, int) float64 {
	if b.half {
		return 16
	}
	weights, bytes := b.stored().Block()
	return 8 * float64(bytes) / float64(weights)
}

func (b block) Granularity() Granularity {
	if b.half {
		return Granularity{Rows: 1, Cols: 1}
	}
	weights, _ := b.stored().Block()
	return grouped(weights)
}

// Output is float32, in which ggml dequantizes.
func (block) Output(checkpoint.DType) checkpoint.DType { return checkpoint.F32 }

// Takes asks whether blocks divide the rows.
func (b block) Takes(_, cols int) error {
	if weights, _ := b.stored().Block(); !b.half && cols%weights != 0 {
		return fmt.Errorf("%s has blocks of %d weights, which do not divide rows of %d: llama-quantize stops there, too", b.stored().Name(), weights, cols)
	}
	return nil
}

func (b block) Fit(w Weights, out checkpoint.DType) (Quantizer, error) {
	r := w.Range()
	if err := checkRange(r, out); err != nil {
		return nil, err
	}
	if b.half {
		return castF16{}.Fit(w, out)
	}
	q := &blockQuantized{b.stored(), out}
	if err := b.Takes(w.Dims()); err != nil {
		return nil, err
	}
	weights, _ := q.t.Block()
	if r.AbsMax() < overflows {
		return q, nil
	}
	var err error
	buf := make([]float32, weights)
	w.Each(weights, func(p Piece) {
		for at := 0; at < len(p.W) && err == nil; at += weights {
			if err = q.t.Dequantized(buf, p.W[at:at+weights]); err == nil {
				q.out.Round(buf)
				if !finite(buf) {
					err = fmt.Errorf("largest weight %g, dequantized at %s, does not fit %v", r.AbsMax(), b.Name(), out)
				}
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrOverflow)
	}
	return q, nil
}

func finite(x []float32) bool {
	for _, v := range x {
		if !isFinite(v) {
			return false
		}
	}
	return true
}

// blockQuantized is a type of ggml.
type blockQuantized struct {
	t   ggml.Type
	out checkpoint.DType
}

func (q *blockQuantized) Dequantize(dst []float32, p Piece) {
	dst = dst[:len(p.W)]
	if err := q.t.Dequantized(dst, p.W); err != nil {
		clear(dst) // Fit has looked at all of them
	}
	q.out.Round(dst)
}

func (q *blockQuantized) Rounding() float64 { return max(q.out.Rounding(), checkpoint.F32.Rounding()) }

func (*blockQuantized) uncounted() bool { return true }
