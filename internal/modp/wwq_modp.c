#include "wwq_modp.h"

#include <math.h>

/* Plain loops that the compiler vectorises for each instruction set; -std=c11
 * keeps it from contracting, which would not change the results: all are exact. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

static inline double reduce(double v) {
    v -= floor(v * (1.0 / WWQ_P)) * WWQ_P;
    v += v < 0 ? WWQ_P : 0;
    v -= v >= WWQ_P ? WWQ_P : 0;
    return v;
}

#define LOOPS(suffix, target)                                                        \
    target static void reduce_##suffix(double *restrict x, size_t n) {               \
        for (size_t i = 0; i < n; i++)                                               \
            x[i] = reduce(x[i]);                                                     \
    }                                                                                \
    target static void eliminate_##suffix(                                           \
        double *restrict a, size_t lda, size_t rows, size_t width,                   \
        const double *restrict pivot, double inverse, double *restrict c, size_t ldc) { \
        for (size_t i = 0; i < rows; i++) {                                          \
            double *restrict row = a + i * lda;                                      \
            double f = reduce(row[0] * inverse);                                     \
            c[i * ldc] = f;                                                          \
            if (f != 0)                                                              \
                for (size_t j = 0; j < width; j++)                                   \
                    row[j] = reduce(row[j] - f * pivot[j]);                          \
        }                                                                            \
    }

LOOPS(base, )

#ifdef __x86_64__
LOOPS(avx2, __attribute__((target("avx2"))))

static int has_avx2;
__attribute__((constructor)) static void choose(void) {
    __builtin_cpu_init();
    has_avx2 = __builtin_cpu_supports("avx2");
}

void wwq_mod_reduce(double *x, size_t n) {
    if (has_avx2)
        reduce_avx2(x, n);
    else
        reduce_base(x, n);
}

void wwq_mod_eliminate(double *a, size_t lda, size_t rows, size_t width, const double *pivot,
                       double inverse, double *c, size_t ldc) {
    if (has_avx2)
        eliminate_avx2(a, lda, rows, width, pivot, inverse, c, ldc);
    else
        eliminate_base(a, lda, rows, width, pivot, inverse, c, ldc);
}
#else
void wwq_mod_reduce(double *x, size_t n) { reduce_base(x, n); }
void wwq_mod_eliminate(double *a, size_t lda, size_t rows, size_t width, const double *pivot,
                       double inverse, double *c, size_t ldc) {
    eliminate_base(a, lda, rows, width, pivot, inverse, c, ldc);
}
#endif
