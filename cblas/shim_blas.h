// The part of a CBLAS that the Go side calls. No vendor header leaks through
// this one. All matrices are row-major; upper and trans are booleans.
#ifndef WWQ_SHIM_BLAS_H
#define WWQ_SHIM_BLAS_H

void wwq_dsyrk(int upper, int trans, int n, int k, double alpha, const double *a, int lda,
               double beta, double *c, int ldc);
void wwq_dgemm(int trans_a, int trans_b, int m, int n, int k, double alpha, const double *a,
               int lda, const double *b, int ldb, double beta, double *c, int ldc);

// What the linked library reports about itself; NULL or 0 if it reports nothing.
const char *wwq_blas_library(void);
const char *wwq_blas_config(void);
const char *wwq_blas_core(void);
int wwq_blas_parallel(void); // -1 unknown, 0 sequential, 1 pthreads, 2 OpenMP
int wwq_blas_threads(void);  // 0 unknown
void wwq_blas_set_threads(int n);

#endif
