package quant

import (
	"math"

	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// mxRule is a rule of the OCP Microscaling formats: a power of two for each group, and
// elements in a format of few bits.
type mxRule struct {
	element kernel.Minifloat
	scale   mxScale
	ties    kernel.Ties
	// width is the number of bits of the mantissa that "even" rounds the largest magnitude
	// to, where a tool does not take those of the element; -1 takes those.
	width int
}

// mxInteger is the format of integer elements of so many bits, of which one is the sign and one
// stands before the point.
func mxInteger(bits int) kernel.Minifloat {
	return kernel.Minifloat{Mantissa: bits - 1, Exponent: 1, Max: top(bits-1) / float32(int(1)<<(bits-2))}
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
	e, emax := 0, exponentBelow(u.element.Max)
	switch u.scale {
	case mxFloor:
		e = exponentBelow(amax) - emax
	case mxLog2:
		e = int(math.Floor(float64(float32(math.Log2(float64(amax)))))) - emax
	case mxEven:
		e = int((math.Float32bits(amax)+u.half())>>23) - 127 - emax
	case mxRCeil:
		e = exponentAbove(amax / u.element.Max)
	case mxCeil:
		e = exponentAbove(amax) - emax
	case mxNearest:
		e = int(math.Round(float64(float32(math.Log2(float64(amax / u.element.Max))))))
	}
	return divided(power(e)), nil
}

// half returns half a unit in the last place that mxEven rounds to, in the bits of a float32.
func (u mxRule) half() uint32 {
	width := u.element.Mantissa
	if u.width >= 0 {
		width = u.width
	}
	return 1 << (23 - width - 1)
}

func (u mxRule) apply(dst, src []float32, size int, groups []params, _ arithmetic) {
	kernel.QuantizeMini(dst, src, size, groups, kernel.Mini{Format: u.element, Ties: u.ties})
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
		s := e4m3.Round(amax/float32(6*g), kernel.TiesEven)
		if s == 0 {
			s = 1
		}
		return divided(s * g), nil
	case u.tool == nvfp4Torchao:
		s := e4m3.Round(clamp(float32(amax/6)/g, 0x1p-6, 448), kernel.TiesEven)
		return params{Scale: s * g, Step: float32(1/g) / s}, nil
	case u.tool == nvfp4CT:
		s := e4m3.Round(g*a.round(amax/6), kernel.TiesEven)
		if s == 0 {
			s = 0.125
		}
		return divided(s / g), nil
	}
	s := amax / 6
	if u.tool == nvfp4Single {
		s = clamp(s, 0x1p-6, 448)
	}
	return divided(e4m3.Round(s, kernel.TiesEven)), nil
}

func (u nvfp4) apply(dst, src []float32, size int, groups []params, _ arithmetic) {
	kernel.QuantizeMini(dst, src, size, groups, kernel.Mini{Format: e2m1, Multiply: u.tool == nvfp4Torchao})
}
