package quant

import "math"

// The rules of this file round to integers. a.round marks where a tool rounds to the type it
// computes in; where it stands around nothing, the tool computes in float32.

// plainInt is the textbook's rule with a scale in float16: symmetric, to ±(2^(b-1)-1), or
// asymmetric, with an integer zero point, so that zero stays zero.
type plainInt struct {
	bits       int
	asymmetric bool
}

func (u plainInt) fit(r Range, _ float32, _ arithmetic) (params, error) {
	if !u.asymmetric {
		return f16Scale(r.AbsMax()/top(u.bits-1), 0)
	}
	low, high := min(r.Min, 0), max(r.Max, 0)
	p, err := f16Scale((high-low)/top(u.bits), 0)
	if p.scale != 0 {
		p.offset = clamp(roundEven(-low/p.scale), 0, top(u.bits))
	}
	return p, err
}

func (u plainInt) apply(dst, src []float32, p params, _ arithmetic) {
	low, high := -top(u.bits-1), top(u.bits-1)
	if u.asymmetric {
		low, high = 0, top(u.bits)
	}
	affine(dst, src, p, low, high)
}

// top is the largest integer of so many bits.
func top(bits int) float32 { return float32(int(1)<<bits - 1) }

// f16Scale returns parameters with a scale in float16.
func f16Scale(scale, offset float32) (params, error) {
	s := roundF16(scale)
	if !isFinite(s) {
		return params{}, overflowf("the scale %g is beyond float16", scale)
	}
	return params{scale: s, offset: offset}, nil
}

// affine is x' = (clamp(round(x/s) + z) - z) * s in float32; zeros if the scale is 0.
func affine(dst, src []float32, p params, low, high float32) {
	if p.scale == 0 {
		clear(dst)
		return
	}
	for i, x := range src {
		q := clamp(roundEven(x/p.scale)+p.offset, low, high)
		dst[i] = (q - p.offset) * p.scale
	}
}

// gptqInt is AutoGPTQ's round to nearest, which is what GPTQ does without data. Scales are
// stored in float16.
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
	p := params{scale: (high - low) / top(u.bits)}
	if u.asymmetric {
		p.offset = roundEven(-low / p.scale)
	} else {
		p.offset = (top(u.bits) + 1) / 2
	}
	if !isFinite(p.scale) {
		return params{}, overflowf("the range %g to %g", low, high)
	}
	if p.scale == 0 || !isFinite(p.offset) {
		return params{}, nil
	}
	return p, nil
}

func (u gptqInt) apply(dst, src []float32, p params, _ arithmetic) {
	affine(dst, src, p, 0, top(u.bits))
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
		u.apply(dst, src, at, arithmetic(0))
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
		return params{scale: a.round(max(r.AbsMax(), a.round(1e-5)) / top(u.bits-1))}, nil
	}
	s := a.round(max(a.round(r.Max-r.Min), a.round(1e-5)) / top(u.bits))
	z := clamp(-roundEven(a.round(r.Min/s)), 0, top(u.bits))
	return params{scale: s, offset: z}, nil
}

func (u awqInt) apply(dst, src []float32, p params, a arithmetic) {
	low, high := float32(0), top(u.bits)
	if u.symmetric {
		low, high = -top(u.bits-1)-1, top(u.bits-1)
	}
	for i, x := range src {
		dst[i] = x / p.scale
	}
	a.all(dst)
	for i, x := range dst {
		q := clamp(roundEven(x)+p.offset, low, high)
		dst[i] = (q - p.offset) * p.scale
	}
	a.all(dst)
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
		return params{scale: s}, nil
	}
	s := a.round(a.round(high-low) / top(u.bits))
	if s == 0 {
		s = a.epsilon()
	}
	qmin, qmax := -top(u.bits-1)-1, top(u.bits-1)
	z := roundEven(clamp(a.round(qmin-a.round(low/s)), qmin, qmax))
	return params{scale: s, offset: z}, nil
}

func (u ctInt) apply(dst, src []float32, p params, a arithmetic) {
	qmin, qmax := -top(u.bits-1)-1, top(u.bits-1)
	for i, x := range src {
		dst[i] = x / p.scale
	}
	a.all(dst)
	if u.asymmetric {
		for i := range dst {
			dst[i] += p.offset
		}
		a.all(dst)
	}
	for i, x := range dst {
		dst[i] = (roundEven(clamp(x, qmin, qmax)) - p.offset) * p.scale
	}
	a.all(dst)
}

// quantoInt8 is optimum-quanto's qint8.
type quantoInt8 struct{}

func (quantoInt8) fit(r Range, _ float32, a arithmetic) (params, error) {
	return params{scale: a.round(r.AbsMax() / 127)}, nil
}

func (quantoInt8) apply(dst, src []float32, p params, a arithmetic) {
	if p.scale == 0 {
		clear(dst)
		return
	}
	for i, x := range src {
		dst[i] = x / p.scale
	}
	a.all(dst)
	for i, x := range dst {
		dst[i] = clamp(roundEven(x), -128, 127) * p.scale
	}
	a.all(dst)
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
	return params{scale: a.round(a.round(r.Max-r.Min) / top(u.bits)), offset: -r.Min}, nil
}

func (u quantoInt) apply(dst, src []float32, p params, a arithmetic) {
	for i, x := range src {
		dst[i] = x + p.offset
	}
	a.all(dst)
	if p.scale != 0 {
		for i := range dst {
			dst[i] /= p.scale
		}
	}
	a.all(dst)
	for i, x := range dst {
		dst[i] = p.scale * clamp(roundEven(x), 0, top(u.bits))
	}
	a.all(dst)
	for i := range dst {
		dst[i] -= p.offset
	}
	a.all(dst)
}
