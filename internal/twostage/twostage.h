// Eigenvalues (no vectors) of a dense real symmetric matrix.
//
// Small orders are reduced directly to tridiagonal form by a fused
// one-stage Householder reduction; larger ones go dense -> band -> tridiagonal
// (two stages). The tridiagonal eigenvalues come from a root-free QL iteration.
// No BLAS or LAPACK is used. All functions are re-entrant; results do not
// depend on nthreads.
#ifndef WWQ_TWOSTAGE_H
#define WWQ_TWOSTAGE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// The kernel set called name ("avx512", "avx2", "neon", "scalar"), for the
// argument set below; TS_CHOSEN if it does not exist or this CPU cannot run it.
#define TS_CHOSEN (-1)
int wwq_ts_find(const char *name);

// Workspace in bytes for wwq_ts_syev_d / wwq_ts_syev_s with the same set, n,
// band and nthreads. Never 0. band <= 0 picks a bandwidth by size. set is from
// wwq_ts_find, or TS_CHOSEN for the set in use.
size_t wwq_ts_worksize_d(int set, int n, int band, int nthreads);
size_t wwq_ts_worksize_s(int set, int n, int band, int nthreads);

// Eigenvalues of the n x n symmetric matrix A, ascending into w[0..n-1].
// A is row-major, leading dimension lda >= max(1,n), upper triangle valid
// (= column-major, lower triangle). A is read only. work has worksize bytes, any alignment.
// band: bandwidth of the first stage; <= 0 picks by size; other values are
// rounded to the nearest width the kernels support.
// Returns 0; k > 0 when k off-diagonals did not converge (w holds what there
// is); -i when argument i is bad.
int wwq_ts_syev_d(int set, int n, double *a, int lda, double *w, void *work,
                  int band, int nthreads);
int wwq_ts_syev_s(int set, int n, float *a, int lda, float *w, void *work,
                  int band, int nthreads);

// Name of the kernel set in use: "avx512", "avx2", "neon" or "scalar".
const char *wwq_ts_simd(void);

// Forces a kernel set by name (NULL or "" = pick by CPU again). Returns 1 if
// that set exists and this CPU can run it, otherwise 0 and nothing changes.
// Must not be called while a solve is running: kernel sets differ in their
// workspace layout.
int wwq_ts_force(const char *name);

// Seconds spent by the calling thread's last solve: [0] load + band or direct
// reduction, [1] bulge chase, [2] tridiagonal eigenvalues.
void wwq_ts_times(double out[3]);

#ifdef __cplusplus
}
#endif
#endif
