package kernel

// The loops of this file quantize runs of groups: consecutive groups of size weights each,
// of which the last may have fewer, and every one of which has its own parameters. Each
// rounds after every operation where tools do, which is to the type R of the rule:
//
//	R(x) = float32(x), float32(bfloat16(x)) or float32(float16(x))
//
// Weights must be finite. Rules compute in float32 but for R.

// A Type is one that results are rounded to.
type Type int32

// The types that results are rounded to; F32 is none, since all is computed in it.
const (
	F32 Type = iota
	BF16
	F16
)

// A Group holds what the weights of a group share. What the numbers are is said by the rules.
type Group struct {
	Scale float32 // what codes are multiplied by
	Step  float32 // what weights are divided or multiplied by
	Zero  float32
	Bias  float32
}

// Affine is a rule for integers with an integer zero point:
//
//	t = R(x / Step)
//	q = clamp(round(t) + Zero, Low, High)
//	y = R((q - Zero) * Scale)
//
// round is to the nearest integer, ties to even. A group whose Scale is 0 becomes zeros.
type Affine struct {
	// Low and High are integers. They and Zero, an integer too, have magnitudes of at
	// most 2^20.
	Low, High float32
	Round     Type
	// Multiply makes it t = R(x * Step).
	Multiply bool
	// ZeroFirst adds the zero before rounding: q = round(clamp(R(t + Zero), Low, High)).
	// It is not combined with Multiply.
	ZeroFirst bool
	// Half makes it t = float16(x) * Step and y = (q * Scale) * Factor, in float32
	// otherwise, for groups whose Zero is 0. Round is F32, and nothing else is set.
	Half   bool
	Factor float32
}

// Shifted is a rule for integers above an edge that is no integer:
//
//	t = C(C(x - Zero) / Step)
//	q = clamp(round(t), 0, High)
//	y = R(R((q - Middle) * Scale) + Bias)
type Shifted struct {
	High, Middle float32 // integers of magnitude of at most 2^20
	// CodeType is that of C: F32, or Round.
	CodeType, Round Type
	// Away rounds halves away from zero, instead of to even. CodeType is F32.
	Away bool
}

// A Minifloat is a floating-point format of few bits, of which only the finite values are
// used. If its largest number is below the smallest normal one, it is a format of integers
// times a power of two.
type Minifloat struct {
	Mantissa int     // bits of it, 1 to 10
	Exponent int     // of the smallest normal number, -20 to 20
	Max      float32 // the largest number, below 2^20
}

// Ties says what becomes of a number that lies in the middle of two.
type Ties int32

const (
	TiesEven Ties = iota // the even one
	TiesAway             // the larger magnitude
	TiesLow              // the smaller magnitude
)

// Mini is a rule for numbers of a format of few bits:
//
//	t = R(x / Step)
//	y = R(Format.Round(t, Ties) * Scale)
//
// A group whose Scale is 0 becomes zeros.
type Mini struct {
	Format Minifloat
	// Ties is TiesEven where Round is not F32, or Multiply is set.
	Ties  Ties
	Round Type
	// Multiply makes it t = x * Step. Round is F32.
	Multiply bool
}

// Book is a rule for 16 values, the first of which that is not below a middle is taken:
//
//	t = x / Step
//	y = Values[number of Middles below t] * Scale
type Book struct {
	Values  [16]float32
	Middles [15]float32 // ascending
	// Multiply makes it t = x * Step.
	Multiply bool
}

// An Extent holds the ends of a range.
type Extent struct{ Min, Max float32 }

// QuantizeAffine quantizes a run of groups and writes the dequantized values to dst.
func QuantizeAffine(dst, src []float32, size int, groups []Group, r Affine) {
	checkRule(!(r.Half && (r.Round != F32 || r.Multiply || r.ZeroFirst)) && !(r.Multiply && r.ZeroFirst))
	groups = run(len(dst), len(src), size, groups)
	if len(src) > 0 {
		best.quantizeAffine(dst, src, size, groups, r)
	}
}

// QuantizeShifted quantizes a run of groups and writes the dequantized values to dst.
func QuantizeShifted(dst, src []float32, size int, groups []Group, r Shifted) {
	checkRule(r.CodeType == F32 || r.CodeType == r.Round && !r.Away)
	groups = run(len(dst), len(src), size, groups)
	if len(src) > 0 {
		best.quantizeShifted(dst, src, size, groups, r)
	}
}

// QuantizeMini quantizes a run of groups and writes the dequantized values to dst.
func QuantizeMini(dst, src []float32, size int, groups []Group, r Mini) {
	checkRule((r.Ties == TiesEven || r.Round == F32 && !r.Multiply) && !(r.Multiply && r.Round != F32))
	groups = run(len(dst), len(src), size, groups)
	if len(src) > 0 {
		best.quantizeMini(dst, src, size, groups, r)
	}
}

// QuantizeBook quantizes a run of groups and writes the dequantized values to dst.
func QuantizeBook(dst, src []float32, size int, groups []Group, r *Book) {
	groups = run(len(dst), len(src), size, groups)
	if len(src) > 0 {
		best.quantizeBook(dst, src, size, groups, r)
	}
}

// GroupRanges finds the range of each group of a run of finite numbers. Zeros at the ends are
// positive.
func GroupRanges(ranges []Extent, src []float32, size int) {
	ranges = run(len(src), len(src), size, ranges)
	if len(src) > 0 {
		best.groupRanges(ranges, src, size)
	}
}

// checkRule panics for a combination of choices for which there is no loop.
func checkRule(ok bool) {
	if !ok {
		panic("kernel: no loop for this rule")
	}
}

// run checks the arguments of a loop over a run of n weights, and returns the parameters of its
// groups.
func run[T any](n, src, size int, groups []T) []T {
	sameLen(n, src)
	if size < 1 {
		panic("kernel: groups without weights")
	}
	count := (n + size - 1) / size
	sameLen(len(groups), count)
	return groups
}
