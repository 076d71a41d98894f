package engine

import (
	"math"

	"github.com/wwq-fast/wwq-fast/engine/quant"
	"github.com/wwq-fast/wwq-fast/engine/spectrum"
	"github.com/wwq-fast/wwq-fast/internal/intgram"
	"github.com/wwq-fast/wwq-fast/internal/kernel"
)

// panels reads a matrix as a quantizer leaves it, panel by panel: the one place where
// stored bytes become weights, and weights dequantized ones.
type panels struct {
	layer  *Layer
	stored []byte // of the matrix
	q      *quant.Quantizer
	meter  *quant.ErrorMeter // sees every weight once
	buf    *pieces
}

// pieceLength is how many weights go through all steps together: 32 KiB in float32,
// so that what one step writes the next one finds in cache.
const pieceLength = 1 << 13

// pieces are buffers of a piece.
type pieces struct {
	original    [pieceLength]float32 // as stored
	dequantized [pieceLength]float32 // where the panel itself is of another type
}

// slice returns the stored bytes of slice s of a layer of t.
func (t *loaded) slice(l *Layer, s int) []byte {
	size := l.Rows * l.Cols * l.DType.Bits() / 8
	return t.data[(l.first+s)*size:][:size]
}

// matrix returns the matrix for a spectrum.
func (p *panels) matrix(opts *Options) spectrum.Matrix {
	l, q := p.layer, p.q
	m := spectrum.Matrix{
		Rows: l.Rows,
		Cols: l.Cols,
		Fill: func(dst []float32, first, count, pass int) {
			p.each(first, count, func(at int, original []float32) {
				p.dequantize(dst[at:at+len(original)], original, pass)
			})
		},
	}
	if !l.Quantized || opts.noIntegers {
		return m
	}
	if step, qmax, ok := q.Integers(); ok && intgram.SIMD() != "generic" {
		m.Integers = &spectrum.Integers{Step: step, Fill: func(dst []int8, first, count, pass int) (squares float64) {
			p.each(first, count, func(at int, original []float32) {
				if pass == 0 {
					p.dequantize(p.buf.dequantized[:len(original)], original, pass)
				}
				squares += kernel.Codes8(dst[at:at+len(original)], original, q.Scale(), float32(qmax))
			})
			return squares
		}, Max: qmax}
		return m
	}
	if unit, ok := q.Units(math.MaxInt16); ok && intgram.Fast16() {
		m.Integers = &spectrum.Integers{Step: float64(unit), Fill16: func(dst []int16, first, count, pass int) (squares float64) {
			p.each(first, count, func(at int, original []float32) {
				dequantized := p.buf.dequantized[:len(original)]
				p.dequantize(dequantized, original, pass)
				squares += kernel.Scale16(dst[at:at+len(original)], dequantized, 1/unit)
			})
			return squares
		}}
	}
	return m
}

// dequantize writes what the level makes of a piece to dst.
func (p *panels) dequantize(dst, original []float32, pass int) {
	p.q.Apply(dst, original)
	if pass == 0 && p.layer.Quantized {
		p.meter.Add(original, dst)
	}
}

// each decodes a panel, piece by piece, and calls f with the index of each piece in
// the panel: rows first to first+count-1 of a matrix with Rows >= Cols, those columns
// of any other, in row-major order.
func (p *panels) each(first, count int, f func(at int, original []float32)) {
	l := p.layer
	size := l.DType.Bits() / 8
	original := p.buf.original[:]
	if l.Rows >= l.Cols {
		part := p.stored[first*l.Cols*size:][:count*l.Cols*size]
		for at := 0; len(part) > 0; {
			n := min(pieceLength, len(part)/size)
			quant.Decode(original[:n], part[:n*size], l.DType)
			f(at, original[:n])
			at += n
			part = part[n*size:]
		}
		return
	}
	// As many rows of the panel as fit, but pieces of a row where not one does.
	at, have := 0, 0
	for i := range l.Rows {
		part := p.stored[(i*l.Cols+first)*size:][:count*size]
		for len(part) > 0 {
			n := min(pieceLength, len(part)/size)
			if have+n > pieceLength {
				f(at, original[:have])
				at, have = at+have, 0
			}
			quant.Decode(original[have:have+n], part[:n*size], l.DType)
			have += n
			part = part[n*size:]
		}
	}
	f(at, original[:have])
}
