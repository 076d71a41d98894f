package quant

// mlxAffine is the affine rule of MLX. Scale and bias are stored in the type of the weights
// once the codes are chosen.
type mlxAffine struct {
	bits int
	// metal is the rule of the kernels for Apple's GPUs, with which published models are
	// made: half away from zero, and ranges that hold zero.
	metal bool
}

func (u mlxAffine) fit(r Range, _ float32, a arithmetic) (params, error) {
	n := top(u.bits)
	low, high := r.Min, r.Max
	if u.metal {
		high = max(high, 0)
	}
	side := abs(low) > abs(high)
	s := max((high-low)/n, 1e-7)
	edge := low
	if !side {
		s, edge = -s, high
	}
	p := params{scale: s}
	if q := u.round(edge / s); q != 0 {
		p = params{scale: edge / q, offset: edge}
	}
	return p, nil
}

func (u mlxAffine) round(x float32) float32 {
	if u.metal {
		return roundAway(x)
	}
	return roundEven(x)
}

func (u mlxAffine) apply(dst, src []float32, p params, a arithmetic) {
	scale, bias := a.round(p.scale), a.round(p.offset)
	for i, x := range src {
		q := clamp(u.round((x-p.offset)/p.scale), 0, top(u.bits))
		dst[i] = q * scale
	}
	a.all(dst)
	for i := range dst {
		dst[i] += bias
	}
	a.all(dst)
}
