#include "shim_lapack.h"

#ifdef __APPLE__
// With ACCELERATE_NEW_LAPACK the plain names stand for the current LAPACK, and
// take no hidden string lengths.
#include <Accelerate/Accelerate.h>
#define LAPACK_dsyevd dsyevd_
#define LAPACK_ssyevd ssyevd_
#define LAPACK_dgesdd dgesdd_
#define LAPACK_dgelqf dgelqf_
#else
#include <stddef.h>

// These are declared here rather than taken from a lapack.h, which every distribution keeps
// in another place. Behind the arguments stand the hidden lengths of those of characters,
// as compilers of Fortran pass them; a library without them ignores them.
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
             double *work, const int *lwork, int *iwork, const int *liwork, int *info,
             size_t jobz_length, size_t uplo_length);
void ssyevd_(const char *jobz, const char *uplo, const int *n, float *a, const int *lda, float *w,
             float *work, const int *lwork, int *iwork, const int *liwork, int *info,
             size_t jobz_length, size_t uplo_length);
void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s,
             double *u, const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork,
             int *iwork, int *info, size_t jobz_length);
void dgelqf_(const int *m, const int *n, double *a, const int *lda, double *tau, double *work,
             const int *lwork, int *info);
#define LAPACK_dsyevd(...) dsyevd_(__VA_ARGS__, 1, 1)
#define LAPACK_ssyevd(...) ssyevd_(__VA_ARGS__, 1, 1)
#define LAPACK_dgesdd(...) dgesdd_(__VA_ARGS__, 1)
#define LAPACK_dgelqf dgelqf_
#endif

int wwq_dsyevd(int n, double *a, int lda, double *w, double *work, int lwork, int *iwork,
               int liwork) {
    int info = 0;
    LAPACK_dsyevd("N", "L", &n, a, &lda, w, work, &lwork, iwork, &liwork, &info);
    return info;
}

int wwq_ssyevd(int n, float *a, int lda, float *w, float *work, int lwork, int *iwork, int liwork) {
    int info = 0;
    LAPACK_ssyevd("N", "L", &n, a, &lda, w, work, &lwork, iwork, &liwork, &info);
    return info;
}

int wwq_dgesdd(int m, int n, double *a, int lda, double *s, double *work, int lwork, int *iwork) {
    int info = 0, one = 1;
    double none;
    LAPACK_dgesdd("N", &m, &n, a, &lda, s, &none, &one, &none, &one, work, &lwork, iwork, &info);
    return info;
}

int wwq_dgelqf(int m, int n, double *a, int lda, double *tau, double *work, int lwork) {
    int info = 0;
    LAPACK_dgelqf(&m, &n, a, &lda, tau, work, &lwork, &info);
    return info;
}
