// Package intgram computes Gram matrices of small integers: the symmetric rank-k
// update, exact, several times as fast as in floating point. Weights quantized
// symmetrically are s·Q with a matrix Q of int8. Rounded to a narrow floating-point type
// they are still u·Q with a power of two u and a matrix Q of int16. Their Gram matrix
// is s² or u² times that of Q.
//
// Each loop exists in C, compiled for several instruction sets, and in Go
// (generic.go), which is the specification and the only version in builds without
// cgo. The two agree on every input. The functions of this package run the best
// instruction set of the machine, the first of [Sets]; results do not depend on it.
//
// # Method
//
// The blocking is that of BLIS; intgram_types.h maps the names. The long dimension is
// cut into slabs (KC) whose sums fit in int32, which are added to the float64 result.
// If the machine has a dot product of int8 to int32 (VNNI, NEON dotprod), that sums a
// slab. AVX2 has an instruction for int16 sums of two products only. These sums are
// added modulo 2^16 over runs of blocks, and then widened; bounds on the columns prove
// that the true sum over a run fits in int16 (Cauchy and Schwarz: |Σab| ≤ |a||b|).
// Runs are long if qmax is small, or if most codes are, which is so for 8-bit codes of
// weights with few outliers. Blocks that no bound covers take a loop that widens every
// product. Products of int16 are summed in int32 over runs, too, and the sums of runs
// in float64.
//
// All functions are safe for concurrent use on different matrices, given a
// [Workspace] each.
package intgram

import (
	"slices"
	"unsafe"

	"github.com/wwq-fast/wwq-fast/internal/cpu"
)

// A Set is an instruction set for which this build has the loops. The zero Set is the
// portable one.
type Set int

var sets = cpu.Sets[Set](setNames)

// Sets returns the instruction sets that this machine can run, the best first.
func Sets() []Set { return slices.Clone(sets) }

// best is the set that the functions of this package use.
var best = sets[0]

// String returns the name of the set: "avx512vnni", "avxvnni", "avx2", "dotprod",
// "neon", "scalar", or "generic" for the Go loops.
func (s Set) String() string { return setNames[s] }

// SIMD returns the name of the instruction set in use.
func SIMD() string { return best.String() }

// A Workspace keeps the scratch memory of Syrk from call to call. The zero value
// is ready; it grows to what the largest call needs and may be dropped at any
// time. One goroutine at a time may use it.
type Workspace struct {
	// Threads is the number of cores that the next product uses; 0 stands for 1. The
	// result does not depend on it. The pure-Go version uses one.
	Threads int

	buf []int8
}

// Bytes returns how much memory the workspace takes.
func (w *Workspace) Bytes() int { return cap(w.buf) }

// aligned returns n bytes of undefined content at a multiple of align.
func (w *Workspace) aligned(n, align int) []int8 {
	if len(w.buf) < n+align {
		w.buf = nil // frees it first
		w.buf = make([]int8, n+align)
	}
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(w.buf)))) & (align - 1)
	return w.buf[skip : skip+n]
}

// Syrk adds the Gram matrix of the columns or rows of q to the upper triangle of the
// k×k matrix c:
//
//	C += QᵀQ   if trans,  Q is m×k
//	C += Q Qᵀ  if !trans, Q is k×m
//
//	for i := range k {
//		for j := i; j < k; j++ {
//			for l := range m {
//				c[i*ldc+j] += q[i*ldq+l] * q[j*ldq+l] // !trans
//			}
//		}
//	}
//
// Both matrices are row-major with strides ldq and ldc of at least the row
// length. Every element of q must lie between -qmax and qmax, and qmax between 1
// and 127; codes beyond qmax give wrong sums but no wrong access. Smaller qmax
// and smaller elements are faster.
//
// The products are exact. So is the result, which then does not depend on the instruction
// set, as long as c holds integers and no sum exceeds 2^53 in magnitude. The lower triangle
// is neither read nor written. ws, which must not be nil, grows to about 5 kB for every
// row of c, whatever m is (less if m is below 2048). A cgo call lasts no longer than one
// slab takes. Arguments that do not fit each other panic.
func Syrk(trans bool, k, m int, q []int8, ldq int, qmax int, c []float64, ldc int, ws *Workspace) {
	best.syrk(trans, k, m, q, ldq, qmax, c, ldc, ws)
}

// Syrk16 computes what [Syrk] does for elements of up to 16 bits, between -32767 and
// 32767, at about half its speed. The element -32768 gives wrong sums but no wrong
// access. Sums are exact up to 2^53. Small elements are faster, down to a root mean square
// of sqrt(2^31/1024) = 1448. ws grows to 2k·min(m, 1024) bytes for each of the two packed
// copies: twice as much as for Syrk if m is below 1024, and equally much from 2048 on.
func Syrk16(trans bool, k, m int, q []int16, ldq int, c []float64, ldc int, ws *Workspace) {
	best.syrk16(trans, k, m, q, ldq, c, ldc, ws)
}

// Fast16 reports whether the instruction set in use has a dot product of int16.
// Without one Syrk16 is slower than a floating-point update.
func Fast16() bool { return best.fast16() }

// syrk is Syrk with the instruction set s.
func (s Set) syrk(trans bool, k, m int, q []int8, ldq int, qmax int, c []float64, ldc int, ws *Workspace) {
	if check(trans, k, m, len(q), ldq, qmax, len(c), ldc) {
		s.multiply8(trans, k, m, q, ldq, qmax, c, ldc, ws)
	}
}

// syrk16 is Syrk16 with the instruction set s.
func (s Set) syrk16(trans bool, k, m int, q []int16, ldq int, c []float64, ldc int, ws *Workspace) {
	if check(trans, k, m, len(q), ldq, 1, len(c), ldc) {
		s.multiply16(trans, k, m, q, ldq, c, ldc, ws)
	}
}

// check proves that Syrk, or Syrk16 with any valid qmax, stays inside its slices. It
// reports whether there is anything to do.
func check(trans bool, k, m, lenQ, ldq, qmax, lenC, ldc int) bool {
	rows, cols := k, m
	if trans {
		rows, cols = m, k
	}
	switch {
	case k < 0 || m < 0:
		panic("intgram: negative dimension")
	case qmax < 1 || qmax > 127:
		panic("intgram: qmax not between 1 and 127")
	case ldq < max(1, cols) || ldc < max(1, k):
		panic("intgram: stride shorter than a row")
	case k == 0 || m == 0:
		return false
	case !holds(lenQ, rows, cols, ldq) || !holds(lenC, k, k, ldc):
		panic("intgram: slice shorter than its matrix")
	}
	return true
}

// holds reports whether n elements hold a matrix. The size of the matrix may overflow.
func holds(n, rows, cols, stride int) bool {
	return n >= cols && (n-cols)/stride >= rows-1
}
