package quant

// The rules of this file are those of torchao.

// torchaoInt8 is the rule of Int8Tensor: a scale in the type of the weights, and the rest in
// float32.
type torchaoInt8 struct{}

func (torchaoInt8) fit(r Range, _ float32, a arithmetic) (params, error) {
	s := max(a.round(r.AbsMax()/127.5), 0x1p-23)
	return params{scale: s, inverse: 1 / s}, nil
}

func (torchaoInt8) apply(dst, src []float32, p params, _ arithmetic) {
	for i, x := range src {
		dst[i] = clamp(roundEven(float32(x*p.inverse)), -128, 127) * p.scale
	}
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
		p.scale = a.round(max(-low, high) / (top(u.bits) / 2))
	case torchaoNoClipping:
		p.scale = max(a.round(low/qmin), a.round(high/qmax))
	case torchaoAsymmetric:
		p.scale = a.round(a.round(high-low) / top(u.bits))
	}
	p.scale = max(p.scale, a.smallestNormal())
	p.inverse = a.round(1 / p.scale)
	if u.mode == torchaoAsymmetric {
		p.offset = clamp(qmin-roundEven(a.round(low/p.scale)), qmin, qmax)
	}
	return p, nil
}

func (u torchaoInt) apply(dst, src []float32, p params, a arithmetic) {
	qmin, qmax := -top(u.bits-1)-1, top(u.bits-1)
	for i, x := range src {
		dst[i] = x * p.inverse
	}
	a.all(dst)
	for i, x := range dst {
		q := clamp(roundEven(x)+p.offset, qmin, qmax)
		dst[i] = (q - p.offset) * p.scale
	}
	a.all(dst)
}

// tinygemm is the rule of int4 weights for tinygemm kernels: 16 values above a minimum that
// is no integer, stored as the middle of the range.
type tinygemm struct{}

func (tinygemm) fit(r Range, _ float32, a arithmetic) (params, error) {
	s := max(a.round(a.round(r.Max-r.Min)/15), 1e-6)
	return params{scale: s, offset: r.Min}, nil
}

func (tinygemm) apply(dst, src []float32, p params, a arithmetic) {
	s := a.round(p.scale)
	zero := a.round(p.offset + a.round(s*8))
	for i, x := range src {
		q := clamp(roundEven(a.round(a.round(x-p.offset)/s)), 0, 15)
		dst[i] = a.round(a.round((q-8)*s) + zero)
	}
}
