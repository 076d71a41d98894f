// Package intgram computes Gram matrices of small integers: the symmetric rank-k
// update, exact, several times as fast as in floating point. Weights quantized
// symmetrically are s·Q with Q of int8; rounded to a narrow floating-point type,
// they still are whole multiples, of int16, of a power of two. Their Gram matrix is
// the square of the unit times one of this package.
//
// Each loop exists in C, with the instruction set chosen at run time, and in Go
// (the functions ending in Generic), which is the specification and the only
// version in builds without cgo. The two agree on every input.
//
// # Method
//
// The long dimension is cut into slabs whose sums fit in int32; those are added
// to the float64 result. Where the machine has a dot product of int8 to int32
// (VNNI, NEON dotprod), it sums a slab. AVX2 only multiplies to int16 sums of two
// products. Those are added modulo 2^16 over runs of blocks for which bounds on
// the panels' columns prove that the true sum fits in int16 (Cauchy and Schwarz:
// |Σab| ≤ |a||b|), and only then widened. Runs are long when qmax is small, but
// also when elements are, as weights with few outliers are under 8 bits; blocks
// that no bound covers take a loop that widens every product. Products of int16 are
// added in int32 in the same way, over runs for which the bounds prove that the sum
// fits, and those in float64.
//
// All functions are safe for concurrent use on different matrices, given a
// [Workspace] each.
package intgram

import "unsafe"

// A Workspace keeps the scratch memory of Syrk from call to call. The zero value
// is ready; it grows to what the largest call needs and may be dropped at any
// time. One goroutine at a time may use it.
type Workspace struct {
	// Threads is on how many cores the next product runs; 0 is 1. The result does not
	// depend on it. The pure-Go version takes one.
	Threads int

	buf []int8
}

// Bytes returns how much memory the workspace takes.
func (w *Workspace) Bytes() int { return cap(w.buf) }

// aligned returns n bytes at a multiple of align, with anything in them.
func (w *Workspace) aligned(n, align int) []int8 {
	if len(w.buf) < n+align {
		w.buf = nil // frees it first
		w.buf = make([]int8, n+align)
	}
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(w.buf)))) & (align - 1)
	return w.buf[skip : skip+n]
}

// check proves that Syrk, or Syrk16 with any valid qmax, stays inside its slices, and reports whether there is
// anything to do.
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

// holds reports whether n elements hold a matrix, also where its size overflows.
func holds(n, rows, cols, stride int) bool {
	return n >= cols && (n-cols)/stride >= rows-1
}
