// The instruction sets of this build. The loops stand in modp_loops.h. Which sets the
// machine can run is known to the Go side.
#include "wwq_modp.h"

#include <math.h>

// gcc does not contract under -std=c11. The results would be the same: all are
// exact.
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

static inline double reduce(double v) {
    v -= floor(v * (1.0 / WWQ_P)) * WWQ_P;
    v += v < 0 ? WWQ_P : 0;
    v -= v >= WWQ_P ? WWQ_P : 0;
    return v;
}

#ifdef __aarch64__
#define BASE_NAME "neon" // which every such machine has
#else
#define BASE_NAME "scalar"
#endif
#define FN(name) base_##name
#define TARGET
#include "modp_loops.h"

#ifdef __x86_64__
#define FN(name) avx2_##name
#define TARGET __attribute__((target("avx2")))
#include "modp_loops.h"
#endif

// From the portable set to the best one, so that set 0 runs everywhere.
static const struct {
    const char *name;
    void (*reduce)(double *, size_t);
    void (*eliminate)(double *, size_t, size_t, size_t, const double *, double, double *, size_t);
} sets[] = {
    {.name = BASE_NAME, .reduce = base_reduce, .eliminate = base_eliminate},
#ifdef __x86_64__
    {.name = "avx2", .reduce = avx2_reduce, .eliminate = avx2_eliminate},
#endif
};

const char *wwq_mod_set(int set) {
    return (size_t)set < sizeof sets / sizeof *sets ? sets[set].name : NULL;
}

void wwq_mod_reduce(int set, double *x, size_t n) { sets[set].reduce(x, n); }

void wwq_mod_eliminate(int set, double *a, size_t lda, size_t rows, size_t width,
                       const double *pivot, double inverse, double *c, size_t ldc) {
    sets[set].eliminate(a, lda, rows, width, pivot, inverse, c, ldc);
}
