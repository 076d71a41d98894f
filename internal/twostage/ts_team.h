// A team of threads that all run the same function (single program, multiple
// data) and meet at barriers. With one thread all of this is free.
#ifndef TS_TEAM_H
#define TS_TEAM_H
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define TS_MAXTHREADS 64

typedef struct {
    atomic_int nt;      // threads in the team
    atomic_int arrived; // threads waiting at the current barrier
    atomic_int phase;   // barriers completed
    atomic_int next;    // work counter of dynamic loops
} ts_team;

static inline void ts_relax(int spin) {
    if (spin > 300) {
        sched_yield();
        return;
    }
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

// Waits for all threads; the last one also resets the work counter.
static inline void ts_barrier(ts_team *t) {
    if (atomic_load_explicit(&t->nt, memory_order_relaxed) == 1) {
        atomic_store_explicit(&t->next, 0, memory_order_relaxed);
        return;
    }
    int ph = atomic_load_explicit(&t->phase, memory_order_acquire);
    int k = atomic_fetch_add_explicit(&t->arrived, 1, memory_order_acq_rel);
    if (k == atomic_load_explicit(&t->nt, memory_order_relaxed) - 1) {
        atomic_store_explicit(&t->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&t->next, 0, memory_order_relaxed);
        atomic_fetch_add_explicit(&t->phase, 1, memory_order_acq_rel);
        return;
    }
    for (int s = 0; atomic_load_explicit(&t->phase, memory_order_acquire) == ph; s++)
        ts_relax(s);
}

// Next index of a dynamically shared loop.
static inline int ts_next(ts_team *t) {
    return atomic_fetch_add_explicit(&t->next, 1, memory_order_relaxed);
}

// Thread tid's share [*lo,*hi) of count items.
static inline void ts_share(int count, int nt, int tid, int *lo, int *hi) {
    *lo = (int)((long long)count * tid / nt);
    *hi = (int)((long long)count * (tid + 1) / nt);
}

typedef struct {
    void (*fn)(void *, int);
    void *arg;
    int tid;
} ts_job;

static void *ts_job_main(void *p) {
    ts_job *j = p;
    j->fn(j->arg, j->tid);
    return NULL;
}

// Runs fn(arg, tid) on nt threads. fn must begin with a barrier: when the
// system refuses a thread, the team shrinks while the others still wait there.
static void ts_team_run(ts_team *t, int nt, void (*fn)(void *, int), void *arg);
#endif
