// The kernel sets of this build and the public functions. Which sets the machine can
// run is known to the Go side.
#define _GNU_SOURCE
#include "twostage.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "ts_team.h"

enum {
    TS_MAXBAND = 48, // the widest band of any set
    TS_GROUP = 4,    // sweeps of the bulge chase that advance together
};

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Memory from which ts_take hands out pieces, each at a multiple of 64 bytes from base. If
// base is NULL, the pieces are only measured.
typedef struct {
    char *base;
    size_t used;
} ts_arena;

static void *ts_take(ts_arena *m, size_t bytes) {
    void *p = m->base ? m->base + m->used : NULL;
    m->used += (bytes + 63) & ~(size_t)63;
    return p;
}

// Asks for huge pages under a large workspace: a sweep reads tens of megabytes, and pages
// of 4 KB cost 5 to 10 % of the time in TLB misses and page faults. This is only a hint, so
// failure is ignored.
static void ts_advise(void *p, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const uintptr_t huge = (uintptr_t)1 << 21;
    uintptr_t lo = ((uintptr_t)p + huge - 1) & ~(huge - 1);
    uintptr_t hi = ((uintptr_t)p + bytes) & ~(huge - 1);
    if (hi > lo + huge)
        madvise((void *)lo, hi - lo, MADV_HUGEPAGE);
#else
    (void)p;
    (void)bytes;
#endif
}

static void ts_team_run(ts_team *t, int nt, void (*fn)(void *, int), void *arg) {
    pthread_t th[TS_MAXTHREADS];
    ts_job jobs[TS_MAXTHREADS];
    atomic_init(&t->arrived, 0);
    atomic_init(&t->phase, 0);
    atomic_init(&t->next, 0);
    atomic_init(&t->nt, nt);
    int made = 1;
    if (nt > TS_MAXTHREADS)
        nt = TS_MAXTHREADS;
    for (; made < nt; made++) {
        jobs[made] = (ts_job){fn, arg, made};
        if (pthread_create(&th[made], NULL, ts_job_main, &jobs[made]))
            break;
    }
    // The threads made so far are at, or on their way to, the first barrier,
    // which cannot complete before this thread arrives.
    atomic_store(&t->nt, made);
    fn(arg, 0);
    for (int i = 1; i < made; i++)
        pthread_join(th[i], NULL);
}

// Values of TS_KIND.
#define TS_SCALAR 0
#define TS_NEON 1
#define TS_AVX2 2
#define TS_AVX512 3

// A kernel set is compiled with its instructions enabled by attribute, so the
// file itself needs no -m flags.
#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define TS_ISA avx2
#define TS_KIND TS_AVX2
#define TS_VBYTES 32
#include "ts_set.h"
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx2,fma")
#endif
#define TS_ISA avx512
#define TS_KIND TS_AVX512
#define TS_VBYTES 64
#include "ts_set.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#elif defined(__aarch64__)
#define TS_ISA neon
#define TS_KIND TS_NEON
#define TS_VBYTES 16
#include "ts_set.h"
#endif

#define TS_ISA scalar
#define TS_KIND TS_SCALAR
#define TS_VBYTES 16
#include "ts_set.h"

#define TS_ENTRY(isa)                                                         \
    {                                                                         \
        .name = #isa, .size_d = worksize_d_##isa, .size_s = worksize_s_##isa, \
        .syev_d = syev_d_##isa, .syev_s = syev_s_##isa                        \
    }

// From the portable set to the best one, so that set 0 runs everywhere.
static const struct {
    const char *name;
    size_t (*size_d)(int, int);
    size_t (*size_s)(int, int);
    int (*syev_d)(int, const double *, int, double *, void *, int);
    int (*syev_s)(int, const float *, int, float *, void *, int);
} ts_sets[] = {
    TS_ENTRY(scalar),
#if defined(__x86_64__)
    TS_ENTRY(avx2),
    TS_ENTRY(avx512),
#elif defined(__aarch64__)
    TS_ENTRY(neon),
#endif
};

const char *wwq_ts_set(int set) {
    return (size_t)set < sizeof ts_sets / sizeof *ts_sets ? ts_sets[set].name : NULL;
}

// Returns how many threads order n is worth, at most nth.
static int ts_threads(int n, int nth) {
    int most = n / 256 < 1 ? 1 : n / 256;
    if (nth > most)
        nth = most;
    if (nth > TS_MAXTHREADS)
        nth = TS_MAXTHREADS;
    return nth < 1 ? 1 : nth;
}

size_t wwq_ts_worksize_d(int set, int n, int nthreads) {
    return ts_sets[set].size_d(n, ts_threads(n, nthreads));
}

size_t wwq_ts_worksize_s(int set, int n, int nthreads) {
    return ts_sets[set].size_s(n, ts_threads(n, nthreads));
}

int wwq_ts_syev_d(int set, int n, const double *a, int lda, double *w, void *work, int nthreads) {
    return ts_sets[set].syev_d(n, a, lda, w, work, ts_threads(n, nthreads));
}

int wwq_ts_syev_s(int set, int n, const float *a, int lda, float *w, void *work, int nthreads) {
    return ts_sets[set].syev_s(n, a, lda, w, work, ts_threads(n, nthreads));
}
