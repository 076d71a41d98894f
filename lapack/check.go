package lapack

import (
	"fmt"
	"math"
)

// checkSym panics unless an n×n matrix of stride lda, n at most maxOrder, fits lenA
// and lenW >= n.
func checkSym(maxOrder, n, lenA, lda, lenW int) {
	switch {
	case n < 0:
		panic("lapack: negative order")
	case lda < max(1, n):
		panic("lapack: stride shorter than a row")
	case n > maxOrder || lda > math.MaxInt32:
		panic("lapack: order beyond the backend's limit")
	case n > 0 && lenA < (n-1)*lda+n:
		panic("lapack: slice shorter than its matrix")
	case lenW < n:
		panic("lapack: too few places for the eigenvalues")
	}
}

// checkGeneral panics unless an m×n matrix of stride lda fits lenA.
func checkGeneral(m, n, lenA, lda int) {
	switch {
	case m < 0 || n < 0:
		panic("lapack: negative dimension")
	case lda < max(1, n):
		panic("lapack: stride shorter than a row")
	case max(m, n, lda) > math.MaxInt32:
		panic("lapack: dimension beyond 32-bit indices")
	case m > 0 && n > 0 && lenA < (m-1)*lda+n:
		panic("lapack: slice shorter than its matrix")
	}
}

// checkSingular panics where checkGeneral does and if lenS is below min(m, n), which it
// returns.
func checkSingular(m, n, lenA, lda, lenS int) int {
	checkGeneral(m, n, lenA, lda)
	if lenS < min(m, n) {
		panic("lapack: too few places for the singular values")
	}
	return min(m, n)
}

// finiteSym returns ErrNotFinite if the upper triangle of the n×n matrix a holds a NaN
// or an infinity.
func finiteSym[T float32 | float64](n int, a []T, lda int) error {
	for i := range n {
		if !finite(a[i*lda+i : i*lda+n]) {
			return fmt.Errorf("row %d: %w", i, ErrNotFinite)
		}
	}
	return nil
}

// finiteGeneral returns ErrNotFinite if the m×n matrix a holds a NaN or an infinity.
func finiteGeneral(m, n int, a []float64, lda int) error {
	for i := range m {
		if !finite(a[i*lda : i*lda+n]) {
			return fmt.Errorf("row %d: %w", i, ErrNotFinite)
		}
	}
	return nil
}

// finite reports whether x holds no NaN and no infinity. Differences of equal numbers
// are 0, and NaN if the number is neither finite; four sums keep the adder busy.
func finite[T float32 | float64](x []T) bool {
	var s0, s1, s2, s3 T
	for ; len(x) >= 4; x = x[4:] {
		s0 += x[0] - x[0]
		s1 += x[1] - x[1]
		s2 += x[2] - x[2]
		s3 += x[3] - x[3]
	}
	for _, v := range x {
		s0 += v - v
	}
	return s0+s1+s2+s3 == 0
}

// infoError turns LAPACK's info into an error. A negative info is a wrong
// argument, which is a fault of this package, never of the matrix.
func infoError(routine string, info int) error {
	switch {
	case info > 0:
		return fmt.Errorf("%s: info = %d: %w", routine, info, ErrNotConverged)
	case info < 0:
		panic(fmt.Sprintf("lapack: %s: argument %d is wrong", routine, -info))
	}
	return nil
}
