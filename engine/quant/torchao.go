package quant

import "github.com/wwq-fast/wwq-fast/internal/kernel"

// The rules of this file are those of torchao.

// torchaoInt8 is the rule of Int8Tensor: a scale in the type of the weights, and the rest in
// float32.
type torchaoInt8 struct{}

func (torchaoInt8) fit(r Range, _ float32, a arithmetic) (params, error) {
	s := max(a.round(r.AbsMax()/127.5), 0x1p-23)
	return params{Scale: s, Step: 1 / s}, nil
}

func (torchaoInt8) apply(dst, src []float32, size int, groups []params, _ arithmetic) {
	kernel.QuantizeAffine(dst, src, size, groups, kernel.Affine{Low: -128, High: 127, Multiply: true})
}

// torchaoInt is the rule of IntxUnpackedToInt8Tensor, all in the type of the weights.
type torchaoInt struct {
	bits int
	mode torchaoMode
}

type torchaoMode int

const (
	torchaoSymmetric torchaoMode = iota
	torchaoNoClipping
	torchaoAsymmetric
)

func (u torchaoInt) fit(r Range, _ float32, a arithmetic) (params, error) {
	low, high := min(r.Min, 0), max(r.Max, 0)
	qmin, qmax := -top(u.bits-1)-1, top(u.bits-1)
	var p params
	switch u.mode {
	case torchaoSymmetric:
		p.Scale = a.round(max(-low, high) / (top(u.bits) / 2))
	case torchaoNoClipping:
		p.Scale = max(a.round(low/qmin), a.round(high/qmax))
	case torchaoAsymmetric:
		p.Scale = a.round(a.round(high-low) / top(u.bits))
	}
	p.Scale = max(p.Scale, a.smallestNormal())
	p.Step = a.round(1 / p.Scale)
	if u.mode == torchaoAsymmetric {
		p.Zero = clamp(qmin-roundEven(a.round(low/p.Scale)), qmin, qmax)
	}
	return p, nil
}

func (u torchaoInt) apply(dst, src []float32, size int, groups []params, a arithmetic) {
	kernel.QuantizeAffine(dst, src, size, groups,
		kernel.Affine{Low: -top(u.bits-1) - 1, High: top(u.bits - 1), Round: a.kernel(), Multiply: true})
}

// tinygemm is the rule of int4 weights for tinygemm kernels: 16 values above a minimum that
// is no integer, stored as the middle of the range.
type tinygemm struct{}

func (tinygemm) fit(r Range, _ float32, a arithmetic) (params, error) {
	s := a.round(max(a.round(a.round(r.Max-r.Min)/15), 1e-6))
	return params{Scale: s, Step: s, Zero: r.Min, Bias: a.round(r.Min + a.round(s*8))}, nil
}

func (tinygemm) apply(dst, src []float32, size int, groups []params, a arithmetic) {
	kernel.QuantizeShifted(dst, src, size, groups, kernel.Shifted{High: 15, Middle: 8, CodeType: a.kernel(), Round: a.kernel()})
}
