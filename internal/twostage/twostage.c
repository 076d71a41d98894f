// Kernel sets, dispatch and the public functions.
#define _GNU_SOURCE
#include "twostage.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "ts_team.h"

#define TS_MAXN 60000 // keeps every int index in range

#if defined(__x86_64__)
#include <immintrin.h>
#define TS_X86 1
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static _Thread_local double ts_stage[3];

static double ts_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

// Asks for huge pages under a large workspace: a panel sweep walks tens of
// megabytes, and 4 KB pages cost 5-10 % in TLB misses and page faults. Only a
// hint; failure is ignored.
static void ts_advise(void *p, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const uintptr_t huge = (uintptr_t)1 << 21;
  uintptr_t lo = ((uintptr_t)p + huge - 1) & ~(huge - 1);
  uintptr_t hi = ((uintptr_t)p + bytes) & ~(huge - 1);
  if (hi > lo + huge) madvise((void *)lo, hi - lo, MADV_HUGEPAGE);
#else
  (void)p;
  (void)bytes;
#endif
}

static void ts_team_run(ts_team *t, int nt, void (*fn)(void *, int),
                        void *arg) {
  pthread_t th[TS_MAXTHREADS];
  ts_job jobs[TS_MAXTHREADS];
  atomic_init(&t->arrived, 0);
  atomic_init(&t->phase, 0);
  atomic_init(&t->next, 0);
  atomic_init(&t->nt, nt);
  int made = 1;
  if (nt > TS_MAXTHREADS) nt = TS_MAXTHREADS;
  for (; made < nt; made++) {
    jobs[made] = (ts_job){fn, arg, made};
    if (pthread_create(&th[made], NULL, ts_job_main, &jobs[made])) break;
  }
  // The threads made so far are at, or on their way to, the first barrier,
  // which cannot complete before this thread arrives.
  atomic_store(&t->nt, made);
  fn(arg, 0);
  for (int i = 1; i < made; i++) pthread_join(th[i], NULL);
}

// A kernel set is compiled with its instructions enabled by attribute, so the
// file itself needs no -m flags.
#if TS_X86
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define TS_ISA avx2
#define TS_KIND 2
#define TS_VBYTES 32
#include "ts_set.h"
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx2,fma")
#endif
#define TS_ISA avx512
#define TS_KIND 512
#define TS_VBYTES 64
#include "ts_set.h"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#elif defined(__aarch64__)
#define TS_ISA neon
#define TS_KIND 1
#define TS_VBYTES 16
#include "ts_set.h"
#endif

#define TS_ISA scalar
#define TS_KIND 0
#define TS_VBYTES 16
#include "ts_set.h"

typedef struct {
  const char *name;
  size_t (*size_d)(int, int, int);
  size_t (*size_s)(int, int, int);
  int (*syev_d)(int, const double *, int, double *, void *, int, int);
  int (*syev_s)(int, const float *, int, float *, void *, int, int);
} ts_set;

#define TS_ENTRY(isa)                                                          \
  { #isa, worksize_d_##isa, worksize_s_##isa, syev_d_##isa, syev_s_##isa }

static const ts_set ts_sets[] = {
#if TS_X86
    TS_ENTRY(avx512), TS_ENTRY(avx2),
#elif defined(__aarch64__)
    TS_ENTRY(neon),
#endif
    TS_ENTRY(scalar),
};

static int ts_runs(const char *name) {
#if TS_X86
  __builtin_cpu_init();
  if (!strcmp(name, "avx512"))
    return __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("fma");
  if (!strcmp(name, "avx2"))
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  (void)name;
  return 1;
}

// The set in use; NULL until first needed. Two threads that race to fill it
// store the same pointer.
static _Atomic(const ts_set *) ts_current;

static const ts_set *ts_pick(void) {
  const ts_set *s = atomic_load_explicit(&ts_current, memory_order_acquire);
  if (s) return s;
  s = ts_sets;
  while (!ts_runs(s->name)) s++; // the last one always runs
  atomic_store_explicit(&ts_current, s, memory_order_release);
  return s;
}

const char *wwq_ts_simd(void) { return ts_pick()->name; }

int wwq_ts_force(const char *name) {
  if (!name || !*name) {
    atomic_store(&ts_current, NULL);
    return 1;
  }
  int i = wwq_ts_find(name);
  if (i == TS_CHOSEN) return 0;
  atomic_store(&ts_current, &ts_sets[i]);
  return 1;
}

int wwq_ts_find(const char *name) {
  for (size_t i = 0; i < sizeof ts_sets / sizeof *ts_sets; i++)
    if (!strcmp(name, ts_sets[i].name) && ts_runs(name)) return (int)i;
  return TS_CHOSEN;
}

static const ts_set *ts_take(int set) {
  return set == TS_CHOSEN ? ts_pick() : &ts_sets[set];
}

void wwq_ts_times(double out[3]) { memcpy(out, ts_stage, sizeof ts_stage); }

static int ts_threads(int n, int nth) {
  int most = n / 256 < 1 ? 1 : n / 256;
  if (nth > most) nth = most;
  if (nth > TS_MAXTHREADS) nth = TS_MAXTHREADS;
  return nth < 1 ? 1 : nth;
}

size_t wwq_ts_worksize_d(int set, int n, int band, int nthreads) {
  return ts_take(set)->size_d(n, band, ts_threads(n, nthreads));
}

size_t wwq_ts_worksize_s(int set, int n, int band, int nthreads) {
  return ts_take(set)->size_s(n, band, ts_threads(n, nthreads));
}

static int ts_check(int n, const void *a, int lda, const void *w,
                    const void *work) {
  if (n < 0 || n > TS_MAXN) return -2;
  if (n > 0 && !a) return -3;
  if (lda < n || lda < 1) return -4;
  if (n > 0 && !w) return -5;
  if (n > 0 && !work) return -6;
  return 0;
}

int wwq_ts_syev_d(int set, int n, double *a, int lda, double *w, void *work,
                  int band, int nthreads) {
  int rc = ts_check(n, a, lda, w, work);
  return rc ? rc
            : ts_take(set)->syev_d(n, a, lda, w, work, band,
                                   ts_threads(n, nthreads));
}

int wwq_ts_syev_s(int set, int n, float *a, int lda, float *w, void *work,
                  int band, int nthreads) {
  int rc = ts_check(n, a, lda, w, work);
  return rc ? rc
            : ts_take(set)->syev_s(n, a, lda, w, work, band,
                                   ts_threads(n, nthreads));
}
