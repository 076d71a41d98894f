// Package modp computes ranks of matrices exactly, by elimination modulo a prime.
//
// The rank modulo P never exceeds the rank over the rationals, and is smaller only
// if P divides all minors of that size. For matrices that were not constructed so, the
// probability of that is about 1/P. Numbers are kept in float64 and a BLAS computes
// matrix products, which are exact as long as sums stay below 2^53 (J.-G. Dumas,
// P. Giorgi, C. Pernet, ACM TOMS 35, 2008).
//
// The two inner loops exist in C, compiled for several instruction sets, and in Go
// (generic.go), which is the specification and the only version in builds without
// cgo. All results are exact, so they do not depend on the set. The functions of this
// package are safe for concurrent use on different matrices.
package modp

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"

	"github.com/wwq-fast/wwq-fast/internal/cpu"
)

// P is the largest prime below 2^21, so that MaxTerms products of residues can be added
// exactly in float64.
const P = 2097143

// MaxTerms is how many products of two residues can be added exactly.
const MaxTerms = 1 << 11

// A Set is an instruction set for which this build has the loops. The zero Set is the
// portable one.
type Set int

var sets = cpu.Sets[Set](setNames)

// Sets returns the instruction sets that this machine can run, the best first.
func Sets() []Set { return slices.Clone(sets) }

// best is the set that the functions of this package use.
var best = sets[0]

// String returns the name of the set: "avx2", "neon", "scalar", or "generic" for the Go
// loops.
func (s Set) String() string { return setNames[s] }

// A Gemm multiplies matrices as gonum's blas.Float64Level3 does.
type Gemm interface {
	Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int)
}

// Reduce replaces every element of x, an integer of magnitude up to 2^53, by its
// residue in [0, P).
//
//	for i, v := range x {
//		x[i] = v - floor(v/P)*P
//	}
func Reduce(x []float64) {
	if len(x) > 0 {
		best.reduce(x)
	}
}

// eliminate clears the first column of the rows×width matrix a of stride lda with the
// help of a pivot row, whose first element has the given inverse:
//
//	for i := range rows {
//		f := a[i*lda] * inverse
//		c[i*ldc] = f
//		for j := range width {
//			a[i*lda+j] -= f * pivot[j]
//		}
//	}
//
// modulo P. All numbers are residues. pivot may not overlap a.
func (s Set) eliminate(a []float64, lda, rows, width int, pivot []float64, inverse float64, c []float64, ldc int) {
	if rows == 0 || width == 0 {
		return
	}
	// The last element of each argument, so that the loops stay inside.
	_, _, _ = a[(rows-1)*lda+width-1], pivot[width-1], c[(rows-1)*ldc]
	s.eliminateUnchecked(a, lda, rows, width, pivot, inverse, c, ldc)
}

// Residues writes the residues of src, taken as fractions, to dst: every float32 is
// an integer times a power of two, and 2 has an inverse modulo P. Products and
// sums of residues are those of the fractions. All values must be finite.
func Residues(dst []float64, src []float32) {
	src = src[:len(dst)]
	var last float32
	var residue float64
	for i, v := range src {
		if i == 0 || v != last {
			last, residue = v, fraction(v)
		}
		dst[i] = residue
	}
}

// powers[e] is 2^(e-150) modulo P.
var powers = func() (t [300]float64) {
	half := uint64(P+1) / 2
	x := uint64(1)
	for range 150 {
		x = x * half % P
	}
	for e := range t {
		t[e] = float64(x)
		x = x * 2 % P
	}
	return t
}()

// fraction returns the residue of v.
func fraction(v float32) float64 {
	b := math.Float32bits(v)
	exponent, mantissa := int(b>>23&0xff), b&0x7fffff
	if exponent == 0 {
		exponent = 1
	} else {
		mantissa |= 0x800000
	}
	// v = mantissa * 2^(exponent-150), and both factors are below 2^24.
	r := reduce(float64(mantissa) * powers[exponent])
	if b>>31 == 1 && r > 0 {
		r = P - r
	}
	return r
}

// blockSize is the number of columns that Rank eliminates together.
const blockSize = 32

// Rank returns the rank modulo P of the n×n row-major matrix a of residues. It destroys
// a and allocates 256n bytes. The work is 2/3 n^3 multiplications and additions, most of
// them in gemm, which must be exact for sums of up to MaxTerms products of residues.
func Rank(gemm Gemm, n int, a []float64) int {
	lower := make([]float64, n*blockSize) // multipliers of the current block, by row
	rank := 0
	for first := 0; first < n && rank < n; first += blockSize {
		last := min(first+blockSize, n)
		pivots := 0
		for col := first; col < last && rank+pivots < n; col++ {
			row := rank + pivots
			at := row
			for at < n && a[at*n+col] == 0 {
				at++
			}
			if at == n {
				continue // no pivot in this column
			}
			if at != row {
				swap(a[at*n+first:(at+1)*n], a[row*n+first:(row+1)*n])
				swap(lower[at*blockSize:][:pivots], lower[row*blockSize:][:pivots])
			}
			if below := n - row - 1; below > 0 {
				best.eliminate(a[(row+1)*n+col:], n, below, last-col, a[row*n+col:row*n+last],
					invert(a[row*n+col]), lower[(row+1)*blockSize+pivots:], blockSize)
			}
			pivots++
		}
		// The columns to the right of the block take the elimination steps of the block:
		// first the pivot rows, one after the other, then all rows below at once.
		if width := n - last; pivots > 0 && width > 0 {
			for i := 1; i < pivots; i++ {
				row := a[(rank+i)*n+last : (rank+i+1)*n]
				gemm.Dgemm(blas.NoTrans, blas.NoTrans, 1, width, i, -1,
					lower[(rank+i)*blockSize:], blockSize, a[rank*n+last:], n, 1, row, n)
				Reduce(row)
			}
			if below := n - rank - pivots; below > 0 {
				top := (rank + pivots) * n
				gemm.Dgemm(blas.NoTrans, blas.NoTrans, below, width, pivots, -1,
					lower[(rank+pivots)*blockSize:], blockSize, a[rank*n+last:], n, 1, a[top+last:], n)
				for i := range below {
					Reduce(a[top+i*n+last : top+(i+1)*n])
				}
			}
		}
		rank += pivots
	}
	return rank
}

func swap(a, b []float64) {
	for i := range a {
		a[i], b[i] = b[i], a[i]
	}
}

// invert returns 1/v modulo P, v^(P-2) by Fermat.
func invert(v float64) float64 {
	x, r := uint64(v), uint64(1)
	for e := uint(P - 2); e > 0; e >>= 1 {
		if e&1 == 1 {
			r = r * x % P
		}
		x = x * x % P
	}
	return float64(r)
}
