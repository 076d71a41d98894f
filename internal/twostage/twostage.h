// Eigenvalues (no vectors) of a dense real symmetric matrix.
//
// Small orders are reduced directly to tridiagonal form by a fused
// one-stage Householder reduction; larger ones go dense -> band -> tridiagonal
// (two stages). The tridiagonal eigenvalues come from a root-free QL iteration.
// No BLAS or LAPACK is used. All functions are re-entrant; results do not
// depend on nthreads. The Go side checks all arguments.
#ifndef WWQ_TWOSTAGE_H
#define WWQ_TWOSTAGE_H

#include <stddef.h>

#define TS_MAXORDER 60000 // keeps every int index in range
#define TS_NOTFINITE (-1)

// The name of a kernel set, counted from 0, the portable one; NULL if there are no
// more. The other functions take a set that this machine can run.
const char *wwq_ts_set(int set);

// Workspace in bytes for wwq_ts_syev_d / wwq_ts_syev_s with the same set, n
// and nthreads. Never 0.
size_t wwq_ts_worksize_d(int set, int n, int nthreads);
size_t wwq_ts_worksize_s(int set, int n, int nthreads);

// Eigenvalues of the n x n symmetric matrix A, ascending into w[0..n-1], for
// 1 <= n <= TS_MAXORDER. A is row-major, leading dimension lda >= n, upper triangle
// valid (= column-major, lower triangle), and read only. work has worksize bytes, any
// alignment.
// Returns 0; k > 0 when k off-diagonals did not converge (w holds what there
// is); TS_NOTFINITE when A holds a NaN or an infinity (w stays as it
// was).
int wwq_ts_syev_d(int set, int n, const double *a, int lda, double *w, void *work, int nthreads);
int wwq_ts_syev_s(int set, int n, const float *a, int lda, float *w, void *work, int nthreads);

#endif
