package quant

import "github.com/wwq-fast/wwq-fast/internal/kernel"

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
	if q := u.round(edge / s); q != 0 {
		s = edge / q
	} else {
		edge = 0
	}
	return params{Scale: a.round(s), Step: s, Zero: edge, Bias: a.round(edge)}, nil
}

func (u mlxAffine) round(x float32) float32 {
	if u.metal {
		return roundAway(x)
	}
	return roundEven(x)
}

func (u mlxAffine) apply(dst, src []float32, size int, groups []params, a arithmetic) {
	kernel.QuantizeShifted(dst, src, size, groups, kernel.Shifted{High: top(u.bits), Round: a.kernel(), Away: u.metal})
}
