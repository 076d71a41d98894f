package quant

import "math"

// mxRule is a rule of the OCP Microscaling formats: a power of two for each group, and
// elements in a format of few bits.
type mxRule struct {
	element mxElement
	scale   mxScale
	ties    ties
	// width is the number of bits of the mantissa that "even" rounds the largest magnitude
	// to, where a tool does not take those of the element; -1 takes those.
	width int
}

// An mxElement is the format of the elements: a minifloat, or integers.
type mxElement struct {
	minifloat
	bits int // of an integer element; 0 for a minifloat
}

// exponent of the largest power of two that the format has.
func (e mxElement) emax() int {
	if e.bits != 0 {
		return 0
	}
	return math.Ilogb(float64(e.max))
}

func (e mxElement) round(x float32, t ties) float32 {
	if e.bits == 0 {
		return e.minifloat.round(x, t)
	}
	unit := float32(int(1) << (e.bits - 2))
	n := min(t.integer(abs(x)*unit), top(e.bits-1)) / unit
	if x < 0 {
		return -n
	}
	return n
}

// largest is the largest element.
func (e mxElement) largest() float32 {
	if e.bits == 0 {
		return e.max
	}
	return top(e.bits-1) / float32(math.Ldexp(1, e.bits-2))
}

// mxScale is how the power of two is found, the one thing in which tools disagree.
type mxScale int

const (
	mxFloor   mxScale = iota // floor(log2 amax) - emax: OCP MX v1.0, microxcaling, torchao
	mxEven                   // floor(log2 of amax rounded to the element's mantissa) - emax
	mxRCeil                  // ceil(log2(amax/max)): NVIDIA
	mxCeil                   // ceil(log2 amax) - emax
	mxNearest                // round(log2(amax/max)): MLX
	mxLog2                   // floor of the float32 logarithm, as microxcaling has it
)

func (u mxRule) fit(r Range, _ float32, _ arithmetic) (params, error) {
	amax := r.AbsMax()
	if amax == 0 {
		return params{}, nil
	}
	e := 0
	switch u.scale {
	case mxFloor:
		e = math.Ilogb(float64(amax)) - u.element.emax()
	case mxLog2:
		e = int(math.Floor(float64(float32(math.Log2(float64(amax)))))) - u.element.emax()
	case mxEven:
		width := u.element.mantissa
		if u.width >= 0 {
			width = u.width
		}
		b := math.Float32bits(amax) + 1<<(23-width-1)
		e = int(b>>23) - 127 - u.element.emax()
	case mxRCeil:
		e = exponentAbove(amax / u.element.largest())
	case mxCeil:
		e = exponentAbove(amax) - u.element.emax()
	case mxNearest:
		e = int(math.Round(float64(float32(math.Log2(float64(amax / u.element.largest()))))))
	}
	return params{scale: power(e)}, nil
}

func (u mxRule) apply(dst, src []float32, p params, _ arithmetic) {
	if p.scale == 0 {
		clear(dst)
		return
	}
	for i, x := range src {
		dst[i] = u.element.round(x/p.scale, u.ties) * p.scale
	}
}

// nvfp4 is a rule of NVFP4: E2M1 elements, a scale in E4M3 for each 16, and a float32 scale
// of the tensor.
type nvfp4 struct{ tool nvfp4Tool }

type nvfp4Tool int

const (
	nvfp4ModelOpt nvfp4Tool = iota
	nvfp4Torchao
	nvfp4Single // torchao's without a scale of the tensor
	nvfp4MLX
	nvfp4CT // compressed-tensors
)

func (u nvfp4) tensor(r Range, a arithmetic) float32 {
	amax := r.AbsMax()
	switch u.tool {
	case nvfp4Single, nvfp4MLX:
		return 1
	case nvfp4CT:
		if g := a.over(2688, amax); isFinite(g) {
			return g
		}
		return 1
	}
	return amax / (448 * 6)
}

func (u nvfp4) fit(r Range, g float32, a arithmetic) (params, error) {
	amax := r.AbsMax()
	switch {
	case g == 0:
		return params{}, nil
	case u.tool == nvfp4ModelOpt:
		s := e4m3.round(amax/float32(6*g), tiesEven)
		if s == 0 {
			s = 1
		}
		return params{scale: s * g}, nil
	case u.tool == nvfp4Torchao:
		s := e4m3.round(clamp(float32(amax/6)/g, 0x1p-6, 448), tiesEven)
		return params{scale: s * g, inverse: float32(1/g) / s}, nil
	case u.tool == nvfp4CT:
		s := e4m3.round(g*a.round(amax/6), tiesEven)
		if s == 0 {
			s = 0.125
		}
		return params{scale: s / g}, nil
	}
	s := amax / 6
	if u.tool == nvfp4Single {
		s = clamp(s, 0x1p-6, 448)
	}
	return params{scale: e4m3.round(s, tiesEven)}, nil
}

func (u nvfp4) apply(dst, src []float32, p params, _ arithmetic) {
	if p.scale == 0 {
		clear(dst)
		return
	}
	for i, x := range src {
		if u.tool == nvfp4Torchao {
			x *= p.inverse
		} else {
			x /= p.scale
		}
		dst[i] = e2m1.round(x, tiesEven) * p.scale
	}
}
