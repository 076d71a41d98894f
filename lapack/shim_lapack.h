// The LAPACK routines that the Go side calls, column-major as Fortran has them.
// No vendor header leaks through this one. Each returns LAPACK's info. A call
// with lwork = -1 (and liwork = -1) writes the best sizes to work[0] (iwork[0]).
#ifndef WWQ_SHIM_LAPACK_H
#define WWQ_SHIM_LAPACK_H

// Write the eigenvalues of the symmetric n×n matrix with the lower (column-major) triangle
// a to w, ascending.
int wwq_dsyevd(int n, double *a, int lda, double *w, double *work, int lwork, int *iwork,
               int liwork);
int wwq_ssyevd(int n, float *a, int lda, float *w, float *work, int lwork, int *iwork, int liwork);

// Writes the singular values of the m×n matrix a to s, descending. iwork has 8*min(m,n)
// elements.
int wwq_dgesdd(int m, int n, double *a, int lda, double *s, double *work, int lwork, int *iwork);

// Overwrites the lower triangle of the m×n matrix a with the factor L of a = L*Q.
int wwq_dgelqf(int m, int n, double *a, int lda, double *tau, double *work, int lwork);

#endif
