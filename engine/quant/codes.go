package quant

import (
	"slices"

	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// A Group holds what the weights of a group share, as a tool stores it. A weight is
//
//	(code - Zero) × Scale + Bias
//
// where each operation rounds as the tool's do.
type Group struct {
	Scale float32
	Zero  float32 // the code of zero, an integer but for HQQ; 0 where codes are signed, or numbers
	Bias  float32
	// Inner and Outer make the scale where it is stored in two parts, and Outer is shared by
	// more weights than Inner: their product with Offset added, for ModelOpt's NVFP4 and the
	// double quantization of bitsandbytes; their quotient for compressed-tensors' NVFP4 and
	// BitNet. Elsewhere Inner is the scale, Outer is 1, and Offset 0.
	Inner, Outer, Offset float32
}

// An Encoder is a quantizer that says what the tool which its scheme follows stores: a code for
// each weight, and the parameters of groups. The schemes that follow tools have it, but for
// those of ggml, which package ggml packs.
type Encoder interface {
	Quantizer
	// Groups says which weights share parameters, in the tensor that the scheme was fitted to.
	// HQQ's groups along the first dimension are no blocks: there it is Granularity{Cols: 1},
	// whatever they are.
	Groups() Granularity
	// Encode writes the codes of the weights of p to codes, of the same length: integers where
	// the tool has integers, the elements where it has numbers of a floating-point format,
	// with the sign of zero, and for a codebook the value in the book, where the higher of the
	// two codes of zero that FP4 of bitsandbytes has is the negative zero. f is called for the n
	// weights from index at of the piece on, which lie in one row and in a group with the
	// parameters g, from the first weight of the piece to the last. Pieces are those that
	// Dequantize takes; codes must not overlap p.W. A few KiB are allocated.
	Encode(codes []float32, p Piece, f func(at, n int, g Group))
}

// oneScale returns parameters with a scale in one part.
func oneScale(scale, zero, bias float32) Group {
	return Group{Scale: scale, Zero: zero, Bias: bias, Inner: scale, Outer: 1}
}

// A storing rule stores other parameters than a scale and an integer zero point.
type storing interface {
	rule
	// stored returns what is stored for a group with the parameters p, in a tensor with the
	// parameter global.
	stored(p params, global float32) Group
}

// A coding rule has another form that gives codes where scales are 1.
type coding interface {
	rule
	coding() rule
}

func (u bnbInt8) coding() rule { return bnbInt8{codes: true} }

func (u bnb4bit) coding() rule {
	u.codes = true
	return u
}

func (quantoInt) stored(p params, _ float32) Group { return oneScale(p.Scale, 0, p.Bias) }
func (tinygemm) stored(p params, _ float32) Group  { return oneScale(p.Scale, 0, p.Bias) }
func (mlxAffine) stored(p params, _ float32) Group { return oneScale(p.Scale, 0, p.Bias) }

func (u bnb4bit) stored(p params, mean float32) Group {
	if !u.double {
		return oneScale(p.Scale, 0, 0)
	}
	return Group{Scale: p.Scale, Inner: doubled(p.Zero-mean, p.Bias), Outer: p.Bias, Offset: mean}
}

func (u nvfp4) stored(p params, g float32) Group {
	if p.Scale == 0 {
		return Group{Outer: g}
	}
	if u.tool == nvfp4CT {
		return Group{Scale: p.Scale, Inner: e4m3.Round(p.Scale*g, kernel.TiesEven), Outer: g}
	}
	return Group{Scale: p.Scale, Inner: e4m3.Round(p.Scale/g, kernel.TiesEven), Outer: g}
}

func (q *blockQuantizer) Groups() Granularity { return q.scheme.granularity }

// Encode applies the rule with scales of 1, which leaves codes. A group without a step, whose
// weights are all zero, has the code of zero.
func (q *blockQuantizer) Encode(codes []float32, p Piece, f func(at, n int, g Group)) {
	codes = codes[:len(p.W)]
	var b batches
	var units [batch]params
	q.each(p, func(group, size, at, n int) {
		encode := func(from int, src []float32, groups []params) {
			for len(src) > 0 {
				some := min(batch, len(groups))
				part := src[:min(len(src), some*size)]
				q.encode(codes[from:from+len(part)], part, size, groups[:some], units[:some])
				for i, g := range groups[:some] {
					f(from+i*size, min(size, len(part)-i*size), q.stored(g))
				}
				from, src, groups = from+len(part), src[len(part):], groups[some:]
			}
		}
		if q.groups != nil {
			encode(at, p.W[at:at+n], q.groups[group:group+(n+size-1)/size])
			return
		}
		// Fit has seen that there is no error.
		_ = b.each(q, p.W[at:at+n], size, func(from int, src []float32, _ []kernel.Extent, groups []params) error {
			encode(at+from, src, groups)
			return nil
		})
	})
}

// encode writes the codes of weights in consecutive groups. units are scratch, as many as groups.
func (q *blockQuantizer) encode(codes, src []float32, size int, groups, units []params) {
	for i, g := range groups {
		units[i] = params{Step: g.Step, Zero: g.Zero}
		if g.Scale != 0 || g.Step != 0 {
			units[i].Scale = 1
		}
	}
	r := q.scheme.rule
	if u, ok := r.(coding); ok {
		r = u.coding()
	}
	r.apply(codes, src, size, units, q.scheme.in)
	for i, g := range groups {
		if zero := q.stored(g).Zero; zero != 0 {
			for j := i * size; j < min(len(codes), (i+1)*size); j++ {
				codes[j] += zero
			}
		}
	}
}

// stored returns what is stored for a group.
func (q *blockQuantizer) stored(p params) Group {
	if u, ok := q.scheme.rule.(storing); ok {
		return u.stored(p, q.global)
	}
	return oneScale(p.Scale, p.Zero, 0)
}

// Groups says that groups are runs, which may cross rows.
func (q *hqqQuantizer) Groups() Granularity {
	if q.scheme.first {
		return colWise
	}
	return Granularity{Run: q.group}
}

func (q *hqqQuantizer) Encode(codes []float32, p Piece, f func(at, n int, g Group)) {
	p.EachRow(func(row, col, at, n int) {
		for begun := 0; begun < n; {
			flat := row*q.cols + col + begun
			group, i := q.place(flat)
			some := 1
			if !q.scheme.first {
				some = min(n-begun, q.group-i)
			}
			for j := at + begun; j < at+begun+some; j++ {
				codes[j] = clamp(roundEven(float32(p.W[j]*q.scale[group])+q.zero[group]), 0, q.max())
			}
			f(at+begun, some, oneScale(q.stored[group].Scale, q.stored[group].Zero, 0))
			begun += some
		}
	})
}

func (*ternary) Groups() Granularity { return Granularity{} }

func (q *ternary) Encode(codes []float32, p Piece, f func(at, n int, g Group)) {
	group := []params{{Scale: 1, Step: q.inverse}}
	kernel.QuantizeAffine(codes[:len(p.W)], p.W, len(p.W), group, kernel.Affine{Low: -1, High: 1, Multiply: true})
	p.EachRow(func(_, _, at, n int) { f(at, n, Group{Scale: 1 / q.inverse, Inner: 1, Outer: q.inverse}) })
}

// NF4Map returns the 16 values of NF4, as bitsandbytes stores them with weights.
func NF4Map() []float32 { return slices.Clone(nf4Values[:]) }

// DynamicMap returns the 256 values of the dynamic type of bitsandbytes, ascending, as it stores
// them with quantized scales.
func DynamicMap() []float32 { return slices.Clone(dynamicValues) }
