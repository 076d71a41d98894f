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
// The macros of lapack.h add the hidden length of each character argument.
#include <lapack.h>
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
