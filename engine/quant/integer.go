package quant

import (
	"math"

	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// The rules of this file round to integers. a.round marks where a tool rounds to the type it
// computes in; where it stands around nothing, the tool computes in float32. What becomes of
// the weights is said by the rules of the loops, kernel.Affine and kernel.Shifted.

// plainInt is the textbook's rule with a scale in float16: symmetric, to ±(2^(b-1)-1), or
// asymmetric, with an integer zero point, so that zero stays zero.
type plainInt struct {
	bits       int
	asymmetric bool
}

func (u plainInt) fit(r Range, _ float32, _ arithmetic) (params, error) {
	if !u.asymmetric {
		return f16Scale(r.AbsMax() / top(u.bits-1))
	}
	low, high := min(r.Min, 0), max(r.Max, 0)
	p, err := f16Scale((high - low) / top(u.bits))
	if p.Scale != 0 {
		p.Zero = clamp(roundEven(-low/p.Scale), 0, top(u.bits))
	}
	return p, err
}

func (u plainInt) apply(dst, src []float32, size int, groups []params, _ arithmetic) {
	rule := kernel.Affine{Low: -top(u.bits - 1), High: top(u.bits - 1)}
	if u.asymmetric {
		rule.Low, rule.High = 0, top(u.bits)
	}
	kernel.QuantizeAffine(dst, src, size, groups, rule)
}

// top is the largest integer of so many bits.
func top(bits int) float32 { return float32(int(1)<<bits - 1) }

// f16Scale returns parameters with a scale in float16.
func f16Scale(scale float32) (params, error) {
	s := roundF16(scale)
	if !isFinite(s) {
		return params{}, overflowf("the scale %g is beyond float16", scale)
	}
	return divided(s), nil
}

// divided returns parameters with a scale by which weights are divided and codes multiplied.
func divided(scale float32) params { return params{Scale: scale, Step: scale} }

// gptqInt is AutoGPTQ's round to nearest, which is what GPTQ does without data. Weights are
// those before scales are rounded to float16, in which they are stored.
type gptqInt struct {
	bits       int
	asymmetric bool
	mse        bool // shrinks the range to the least error
}

func (u gptqInt) fit(r Range, _ float32, _ arithmetic) (params, error) {
	low, high := u.ends(r)
	return u.at(low, high)
}

// ends returns the range that is quantized.
func (u gptqInt) ends(r Range) (low, high float32) {
	low, high = min(r.Min, 0), max(r.Max, 0)
	if !u.asymmetric {
		high = max(-low, high)
		if low < 0 {
			low = -high
		}
	}
	if low == 0 && high == 0 {
		return -1, 1
	}
	return low, high
}

// at returns the parameters of a range.
func (u gptqInt) at(low, high float32) (params, error) {
	p := divided((high - low) / top(u.bits))
	if u.asymmetric {
		p.Zero = roundEven(-low / p.Scale)
	} else {
		p.Zero = (top(u.bits) + 1) / 2
	}
	if !isFinite(p.Scale) {
		return params{}, overflowf("the range %g to %g", low, high)
	}
	if p.Scale == 0 || !isFinite(p.Zero) {
		return params{}, nil
	}
	return p, nil
}

func (u gptqInt) apply(dst, src []float32, size int, groups []params, _ arithmetic) {
	kernel.QuantizeAffine(dst, src, size, groups, kernel.Affine{High: top(u.bits)})
}

func (u gptqInt) search(src []float32, r Range, _ float32, _ arithmetic) (params, error) {
	low, high := u.ends(r)
	p, err := u.at(low, high)
	if !u.mse || err != nil {
		return p, err
	}
	// AutoGPTQ's grid of 100 and its largest shrinking of 0.8.
	best := math.Inf(1)
	dst := make([]float32, len(src))
	for i := range 80 {
		shrunk := 1 - float64(i)/100
		at, err := u.at(float32(shrunk)*low, float32(shrunk)*high)
		if err != nil {
			return params{}, err
		}
		u.apply(dst, src, len(src), []params{at}, arithmetic(0))
		sum := float32(0)
		for j, x := range src {
			sum += float32(math.Pow(math.Abs(float64(dst[j]-x)), 2.4))
		}
		if float64(sum) < best {
			best, p = float64(sum), at
		}
	}
	return p, nil
}

// awqInt is AutoAWQ's rule without scaling and clipping, which ask for data.
type awqInt struct {
	bits      int
	symmetric bool
}

func (u awqInt) fit(r Range, _ float32, a arithmetic) (params, error) {
	if u.symmetric {
		return divided(a.round(max(r.AbsMax(), a.round(1e-5)) / top(u.bits-1))), nil
	}
	p := divided(a.round(max(a.round(r.Max-r.Min), a.round(1e-5)) / top(u.bits)))
	p.Zero = clamp(-roundEven(a.round(r.Min/p.Scale)), 0, top(u.bits))
	return p, nil
}

func (u awqInt) apply(dst, src []float32, size int, groups []params, a arithmetic) {
	rule := kernel.Affine{High: top(u.bits), Round: a.kernel()}
	if u.symmetric {
		rule.Low, rule.High = -top(u.bits-1)-1, top(u.bits-1)
	}
	kernel.QuantizeAffine(dst, src, size, groups, rule)
}

// ctInt is the rule of the integer presets of compressed-tensors.
type ctInt struct {
	bits       int
	asymmetric bool
}

func (u ctInt) fit(r Range, _ float32, a arithmetic) (params, error) {
	low, high := min(r.Min, 0), max(r.Max, 0)
	if !u.asymmetric {
		s := a.round(max(-low, high) / (top(u.bits) / 2))
		if s == 0 {
			s = a.epsilon()
		}
		return divided(s), nil
	}
	s := a.round(a.round(high-low) / top(u.bits))
	if s == 0 {
		s = a.epsilon()
	}
	qmin, qmax := -top(u.bits-1)-1, top(u.bits-1)
	z := roundEven(clamp(a.round(qmin-a.round(low/s)), qmin, qmax))
	return params{Scale: s, Step: s, Zero: z}, nil
}

func (u ctInt) apply(dst, src []float32, size int, groups []params, a arithmetic) {
	kernel.QuantizeAffine(dst, src, size, groups,
		kernel.Affine{Low: -top(u.bits-1) - 1, High: top(u.bits - 1), Round: a.kernel(), ZeroFirst: u.asymmetric})
}

// quantoInt8 is optimum-quanto's qint8.
type quantoInt8 struct{}

func (quantoInt8) fit(r Range, _ float32, a arithmetic) (params, error) {
	return divided(a.round(r.AbsMax() / 127)), nil
}

func (quantoInt8) apply(dst, src []float32, size int, groups []params, a arithmetic) {
	kernel.QuantizeAffine(dst, src, size, groups, kernel.Affine{Low: -128, High: 127, Round: a.kernel()})
}

// quantoInt is optimum-quanto's qint4 and qint2: asymmetric with a shift that is no integer.
type quantoInt struct{ bits int }

// groups are of 128 weights, or of fewer, a multiple of 32, if that does not divide a row; of
// the whole row if none does.
func (quantoInt) groups(cols int) Granularity {
	size := 128
	if cols <= size {
		return rowWise
	}
	for size > 32 && cols%size != 0 {
		size -= 32
	}
	if cols%size != 0 {
		return rowWise
	}
	return grouped(size)
}

func (u quantoInt) fit(r Range, _ float32, a arithmetic) (params, error) {
	p := divided(a.round(a.round(r.Max-r.Min) / top(u.bits)))
	if p.Step == 0 {
		p.Step = 1
	}
	p.Zero, p.Bias = r.Min, r.Min
	return p, nil
}

func (u quantoInt) apply(dst, src []float32, size int, groups []params, a arithmetic) {
	kernel.QuantizeShifted(dst, src, size, groups, kernel.Shifted{High: top(u.bits), CodeType: a.kernel(), Round: a.kernel()})
}
