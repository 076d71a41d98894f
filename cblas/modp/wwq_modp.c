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
    target static void submul_##suffix(double *restrict dst, const double *restrict src, \
                                       size_t n, double c) {                         \
        for (size_t i = 0; i < n; i++)                                               \
            dst[i] = reduce(dst[i] - c * src[i]);                                    \
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

void wwq_mod_submul(double *dst, const double *src, size_t n, double c) {
    if (has_avx2)
        submul_avx2(dst, src, n, c);
    else
        submul_base(dst, src, n, c);
}
#else
void wwq_mod_reduce(double *x, size_t n) { reduce_base(x, n); }
void wwq_mod_submul(double *dst, const double *src, size_t n, double c) {
    submul_base(dst, src, n, c);
}
#endif
