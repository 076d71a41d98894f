#define _GNU_SOURCE // RTLD_DEFAULT
#include "shim_blas.h"

#include <stddef.h>

#ifdef __APPLE__
#include <Accelerate/Accelerate.h>
#define ROW_MAJOR CblasRowMajor
#define UPLO(up) ((up) ? CblasUpper : CblasLower)
#define TRANS(t) ((t) ? CblasTrans : CblasNoTrans)
#else
// These are declared here rather than taken from a cblas.h, whose name collides with the
// header that netlib brings. The enumerations are ints in every CBLAS.
#define ROW_MAJOR 101
#define UPLO(up) ((up) ? 121 : 122)
#define TRANS(t) ((t) ? 112 : 111)
void cblas_dsyrk(int order, int uplo, int trans, int n, int k, double alpha, const double *a,
                 int lda, double beta, double *c, int ldc);
void cblas_dgemm(int order, int trans_a, int trans_b, int m, int n, int k, double alpha,
                 const double *a, int lda, const double *b, int ldb, double beta, double *c,
                 int ldc);
#endif

void wwq_dsyrk(int upper, int trans, int n, int k, double alpha, const double *a, int lda,
               double beta, double *c, int ldc) {
    cblas_dsyrk(ROW_MAJOR, UPLO(upper), TRANS(trans), n, k, alpha, a, lda, beta, c, ldc);
}

void wwq_dgemm(int trans_a, int trans_b, int m, int n, int k, double alpha, const double *a,
               int lda, const double *b, int ldb, double beta, double *c, int ldc) {
    cblas_dgemm(ROW_MAJOR, TRANS(trans_a), TRANS(trans_b), m, n, k, alpha, a, lda, b, ldb, beta, c,
                ldc);
}

#ifdef __APPLE__
const char *wwq_blas_library(void) { return "Accelerate"; }
const char *wwq_blas_config(void) { return NULL; }
const char *wwq_blas_core(void) { return NULL; }
int wwq_blas_parallel(void) { return -1; }
int wwq_blas_threads(void) { return 0; }

// macOS 15 introduced control by thread. Earlier versions read VECLIB_MAXIMUM_THREADS
// when the library loads, and this function does nothing there.
void wwq_blas_set_threads(int n) {
#if defined(MAC_OS_VERSION_15_0) && __MAC_OS_X_VERSION_MAX_ALLOWED >= 150000
    if (__builtin_available(macOS 15.0, *))
        BLASSetThreading(n == 1 ? BLAS_THREADING_SINGLE_THREADED : BLAS_THREADING_MULTI_THREADED);
#else
    (void)n;
#endif
}
#else
#include <dlfcn.h>

// Looks a function up by name, so that the program also links with a CBLAS that is not
// OpenBLAS.
static void *find(const char *name) { return dlsym(RTLD_DEFAULT, name); }

static const char *call_string(const char *name) {
    char *(*f)(void) = (char *(*)(void))find(name);
    return f ? f() : NULL;
}

static int call_int(const char *name, int otherwise) {
    int (*f)(void) = (int (*)(void))find(name);
    return f ? f() : otherwise;
}

const char *wwq_blas_library(void) {
    if (find("openblas_get_config"))
        return "OpenBLAS";
    if (find("mkl_get_version_string"))
        return "MKL";
    if (find("bli_info_get_version_str"))
        return "BLIS";
    return "BLAS";
}

const char *wwq_blas_config(void) {
    static char version[200];
    void (*mkl)(char *, int) = (void (*)(char *, int))find("mkl_get_version_string");
    const char *s = call_string("openblas_get_config");
    if (!s && mkl) {
        mkl(version, sizeof version - 1); // every call writes the same text
        return version;
    }
    return s ? s : call_string("bli_info_get_version_str");
}

const char *wwq_blas_core(void) { return call_string("openblas_get_corename"); }
int wwq_blas_parallel(void) { return call_int("openblas_get_parallel", -1); }
int wwq_blas_threads(void) { return call_int("openblas_get_num_threads", 0); }

void wwq_blas_set_threads(int n) {
    static const char *const names[] = {"openblas_set_num_threads", "MKL_Set_Num_Threads",
                                        "bli_thread_set_num_threads"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void (*f)(int) = (void (*)(int))find(names[i]);
        if (f)
            f(n);
    }
}
#endif
