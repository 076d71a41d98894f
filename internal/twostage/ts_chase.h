// Stage 2: symmetric band -> tridiagonal by bulge chasing (sb2st; template,
// see ts_simd.h). Lang's column-wise Householder chase (1993) in the task form
// of Haidar, Ltaief, Dongarra (2011).
//
// Band storage: element (i,j), i >= j, at band[i + j*ld] (ld = 2b + VL, so a
// block of it is an ordinary column-major matrix, the bulge fits below the
// band, and the up to VL-1 lanes above the diagonal that vector loads touch
// belong to no other element). Rows and columns from n to n+2b exist and are zero, so
// every task runs at full length b.
//
// Sweep s annihilates column s below the subdiagonal. Its task t works on rows
// R(t) = s+1+t*b ... +b-1: two-sided update of the diagonal block R(t)xR(t)
// with reflector v, v from the right on the block below it, the next reflector
// u from that block's first column, u from the left. Task (s,t) may run once
// (s-1,t+1) is done. TS_GROUP sweeps advance together, two tasks apart, so the
// blocks they touch stay in cache and one task's latencies pass while another
// works (chase_steps); groups go round the threads.

// Writes the lane sums of s[0..3] to out[0..3].
INLINE void FN(hsum4)(const V *s, R *out) {
#if TS_KIND == TS_AVX2 && TS_DOUBLE
    __m256d a = _mm256_hadd_pd((__m256d)s[0], (__m256d)s[1]);
    __m256d c = _mm256_hadd_pd((__m256d)s[2], (__m256d)s[3]);
    __m256d lo = _mm256_permute2f128_pd(a, c, 0x20);
    __m256d hi = _mm256_permute2f128_pd(a, c, 0x31);
    _mm256_storeu_pd(out, _mm256_add_pd(lo, hi));
#elif TS_KIND == TS_AVX2
    __m256 a = _mm256_hadd_ps((__m256)s[0], (__m256)s[1]);
    __m256 c = _mm256_hadd_ps((__m256)s[2], (__m256)s[3]);
    __m256 e = _mm256_hadd_ps(a, c);
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(e), _mm256_extractf128_ps(e, 1)));
#else
    for (int q = 0; q < 4; q++)
        out[q] = HSUM(s[q]);
#endif
}

// Computes y + w = D v for the symmetric b x b block D with lower triangle at d (symv):
// y takes the products summed by rows, w those summed by columns. They stay apart because
// adding an element of w to y would make the next load of y wait for that store.
INLINE void FN(chase_symv)(const int b, const R *d, int ld, const R *v, R *y, R *w, const R *mask) {
    enum { Q = VL < 4 ? VL : 4 };
    for (int i = 0; i < b; i += VL)
        STORE(y + i, (V){0});
    for (int j = 0; j < b; j += VL) {
        V yj = LOAD(y + j), vj = LOAD(v + j);
        for (int h = 0; h < VL; h += Q) {
            V s[4], c[4];
#pragma GCC unroll 4
            for (int q = 0; q < 4; q++)
                s[q] = c[q] = (V){0};
#pragma GCC unroll 4
            for (int q = 0; q < Q; q++) {
                const R *m = mask + 16 - (h + q);
                V a = LOAD(d + (size_t)(j + h + q) * ld + j);
                c[q] = SET1(v[j + h + q]);
                yj = FMA(a * c[q], LOAD(m), yj);
                s[q] = a * (vj * LOAD(m - 1));
            }
            const R *dj = d + (size_t)(j + h) * ld;
            for (int i = j + VL; i < b; i += VL) {
                V yi = LOAD(y + i), vi = LOAD(v + i);
#pragma GCC unroll 4
                for (int q = 0; q < Q; q++) {
                    V a = LOAD(dj + (size_t)q * ld + i);
                    yi = FMA(a, c[q], yi);
                    s[q] = FMA(a, vi, s[q]);
                }
                STORE(y + i, yi);
            }
            R o[4];
            FN(hsum4)(s, Q == 4 ? w + j + h : o);
            for (int q = 0; q < Q && Q < 4; q++)
                w[j + h + q] = o[q];
        }
        STORE(y + j, yj);
    }
}

// D <- D - v y^T - y v^T on the lower triangle (syr2). The lanes above the diagonal that
// share a vector with it are overwritten; they are never read without a mask.
INLINE void FN(chase_syr2)(const int b, R *d, int ld, const R *v, const R *y) {
    enum { Q = VL < 4 ? VL : 4 };
    for (int j = 0; j < b; j += VL)
        for (int h = 0; h < VL; h += Q) {
            V cv[4], cw[4];
#pragma GCC unroll 4
            for (int q = 0; q < Q; q++) {
                cv[q] = SET1(v[j + h + q]);
                cw[q] = SET1(y[j + h + q]);
            }
            R *dj = d + (size_t)(j + h) * ld;
            for (int i = j; i < b; i += VL) {
                V yi = LOAD(y + i), vi = LOAD(v + i);
#pragma GCC unroll 4
                for (int q = 0; q < Q; q++) {
                    R *p = dj + (size_t)q * ld + i;
                    STORE(p, FNMA(vi, cw[q], FNMA(yi, cv[q], LOAD(p))));
                }
            }
        }
}

// z = t * O v for the full b x b block at o (gemv).
INLINE void FN(chase_gemv)(const int b, const R *o, int ld, const R *v, R t, R *z) {
    const V tv = SET1(t);
    for (int i = 0; i < b; i += MR) {
        V acc[4][MV];
#pragma GCC unroll 8
        for (int k = 0; k < MV; k++)
            acc[0][k] = acc[1][k] = acc[2][k] = acc[3][k] = (V){0};
        const R *p = o + i;
        for (int j = 0; j < b; j += 4) {
#pragma GCC unroll 4
            for (int q = 0; q < 4; q++) {
                V c = SET1(v[j + q]);
#pragma GCC unroll 8
                for (int k = 0; k < MV; k++)
                    acc[q][k] = FMA(LOAD(p + (size_t)q * ld + k * VL), c, acc[q][k]);
            }
            p += 4 * (size_t)ld;
        }
#pragma GCC unroll 8
        for (int k = 0; k < MV; k++)
            STORE(z + i + k * VL, tv * ((acc[0][k] + acc[1][k]) + (acc[2][k] + acc[3][k])));
    }
}

// O <- (I - tu u u^T)(O - z v^T). The dots are taken on O itself,
// u^T(O - z v^T) = u^T O - (u^T z) v^T, and all of them before the updates, so
// that neither loop waits for sums across lanes. uz = u^T z.
INLINE void FN(chase_apply)(const int b, R *o, int ld, const R *v, const R *z, const R *u, R tu,
                            R uz) {
    R t[TS_MAXBAND] __attribute__((aligned(64)));
    for (int j = 0; j < b; j += 4) {
        const R *p = o + (size_t)j * ld;
        V s[4];
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++)
            s[q] = (V){0};
        for (int i = 0; i < b; i += VL) {
            V ui = LOAD(u + i);
#pragma GCC unroll 4
            for (int q = 0; q < 4; q++)
                s[q] = FMA(LOAD(p + (size_t)q * ld + i), ui, s[q]);
        }
        FN(hsum4)(s, t + j);
    }
    const V tv = SET1(tu), uv = SET1(uz);
    for (int j = 0; j < b; j += VL)
        STORE(t + j, tv * FNMA(uv, LOAD(v + j), LOAD(t + j)));
    for (int j = 0; j < b; j += 4) {
        R *p = o + (size_t)j * ld;
        V cv[4], cs[4];
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++) {
            cv[q] = SET1(v[j + q]);
            cs[q] = SET1(t[j + q]);
        }
        for (int i = 0; i < b; i += VL) {
            V ui = LOAD(u + i), zi = LOAD(z + i);
#pragma GCC unroll 4
            for (int q = 0; q < 4; q++) {
                R *e = p + (size_t)q * ld + i;
                STORE(e, FNMA(ui, cs[q], FNMA(zi, cv[q], LOAD(e))));
            }
        }
    }
}

// Unnormalised reflector: x (head alpha, squared norm of the rest xx) becomes
// u = (alpha-beta, rest), H = I - tu u u^T maps x to beta e1. One square root
// and one division, and nothing to rescale. A tiny rest is dropped, as in larfg.
INLINE R FN(reflect)(R alpha, R xx, R *h, R *tu) {
    const R tiny = TS_DOUBLE ? (R)1e-290 : (R)1e-30;
    R nrm =
        TS_DOUBLE ? (R)sqrt((double)(alpha * alpha + xx)) : (R)sqrtf((float)(alpha * alpha + xx));
    R beta = alpha > 0 ? -nrm : nrm;
    if (!(xx > tiny)) {
        *h = 0;
        *tu = 0;
        return alpha;
    }
    *h = alpha - beta;
    *tu = -1 / (beta * *h);
    return beta;
}

// One task: its column block at d, the reflector it applies (v, tau), and scratch memory.
typedef struct {
    R *d, *v, *tau;
    int off; // there is a block below the diagonal one
    R beta, tu, zz;
    R y[TS_MAXBAND] __attribute__((aligned(64)));
    R z[TS_MAXBAND] __attribute__((aligned(64)));
    R u[TS_MAXBAND] __attribute__((aligned(64)));
} TASK;

// First step of a task: computes the reflector u of the first column of O H, where O is
// the block below the diagonal block and H = I - tau v v^T. This waits for a square root
// and a division; the first steps of other tasks run meanwhile.
INLINE void FN(chase_head)(const int b, TASK *k, int ld, const R *mask) {
    if (!k->off)
        return;
    const R *o = k->d + b, *v = k->v;
    R *z = k->z, *u = k->u, h;
    FN(chase_gemv)(b, o, ld, v, *k->tau, z);
    V v0 = SET1(v[0]), z0 = LOAD(z), x0 = FNMA(z0, v0, LOAD(o));
    R alpha = x0[0];
    x0 *= LOAD(mask + 15); // without the head
    STORE(u, x0);
    V xx = x0 * x0, xz = x0 * z0;
    for (int i = VL; i < b; i += VL) {
        V zi = LOAD(z + i), x = FNMA(zi, v0, LOAD(o + i));
        STORE(u + i, x);
        xx = FMA(x, x, xx);
        xz = FMA(x, zi, xz);
    }
    k->beta = FN(reflect)(alpha, HSUM(xx), &h, &k->tu);
    u[0] = h;
    k->zz = HSUM(xz) + h * z[0];
}

// Second step of a task: computes y, with H D H = D - v y^T - y v^T for the diagonal block
// D.
INLINE void FN(chase_sym)(const int b, TASK *k, int ld, const R *mask) {
    const R *v = k->v, tau = *k->tau;
    R *y = k->y, w[TS_MAXBAND] __attribute__((aligned(64)));
    FN(chase_symv)(b, k->d, ld, v, y, w, mask);
    V dot = (V){0};
    for (int i = 0; i < b; i += VL) {
        V yi = LOAD(y + i) + LOAD(w + i);
        STORE(y + i, yi);
        dot = FMA(yi, LOAD(v + i), dot);
    }
    V tv = SET1(tau), al = SET1(tau * (tau * HSUM(dot)) / -2);
    for (int i = 0; i < b; i += VL)
        STORE(y + i, FMA(al, LOAD(v + i), tv * LOAD(y + i)));
}

// Third step of a task: updates O and D, and stores u and its factor as the reflector that
// the next task of the sweep finds.
INLINE void FN(chase_update)(const int b, TASK *k, int ld) {
    R *o = k->d + b, *v = k->v;
    if (k->off)
        FN(chase_apply)(b, o, ld, v, k->z, k->u, k->tu, k->zz);
    FN(chase_syr2)(b, k->d, ld, v, k->y);
    if (!k->off)
        return;
    STORE(o, (V){0});
    o[0] = k->beta;
    for (int i = VL; i < b; i += VL)
        STORE(o + i, (V){0});
    for (int i = 0; i < b; i += VL)
        STORE(v + i, LOAD(k->u + i));
    *k->tau = k->tu;
}

// Runs count independent tasks, one step of all before the next.
INLINE void FN(chase_steps)(const int b, TASK *k, int count, int ld, const R *mask) {
    for (int q = 0; q < count; q++)
        FN(chase_head)(b, k + q, ld, mask);
    for (int q = 0; q < count; q++)
        FN(chase_sym)(b, k + q, ld, mask);
    for (int q = 0; q < count; q++)
        FN(chase_update)(b, k + q, ld);
}

// Calls chase_steps with a constant b, for each bandwidth that occurs with this set.
static void FN(chase_tasks)(int b, TASK *k, int count, int ld, const R *mask) {
    if (TS_KIND == TS_AVX2 && TS_DOUBLE)
        FN(chase_steps)(12, k, count, ld, mask);
    else if (b == 24)
        FN(chase_steps)(24, k, count, ld, mask);
    else if (TS_DOUBLE && b == 36)
        FN(chase_steps)(36, k, count, ld, mask);
    else
        FN(chase_steps)(48, k, count, ld, mask);
}

// The state of stage 2, shared by the team.
typedef struct {
    ts_team *team;
    int n, b, ld;
    R *band;
    atomic_int *done; // tasks finished, per sweep
} CHASE;

// Fills in task t of sweep s; v and *tau carry the reflector along the sweep.
INLINE void FN(chase_begin)(const CHASE *S, int s, int t, R *v, R *tau, TASK *k) {
    const int b = S->b, ld = S->ld, r = s + 1 + t * b;
    if (t == 0) { // reflector of column s
        R *x = S->band + (size_t)s * ld + r, xx = 0;
        for (int i = 1; i < b; i++) {
            v[i] = x[i];
            xx += x[i] * x[i];
            x[i] = 0;
        }
        x[0] = FN(reflect)(x[0], xx, &v[0], tau);
    }
    k->d = S->band + (size_t)r * ld + r;
    k->v = v;
    k->tau = tau;
    k->off = r + b < S->n;
}

// One thread's part of the chase.
static void FN(sb2st)(CHASE *S, int tid) {
    const int n = S->n, b = S->b, ld = S->ld, nth = S->team->nt, ns = n - 2;
    R vb[TS_GROUP][TS_MAXBAND] __attribute__((aligned(64)));
    R tau[TS_GROUP];
    TASK task[TS_GROUP];
    R mask[48];
    for (int i = 0; i < 48; i++)
        mask[i] = i >= 16 ? 1 : 0;
    for (int g = tid; g * TS_GROUP < ns; g += nth) {
        const int s0 = g * TS_GROUP;
        const int gn = ns - s0 < TS_GROUP ? ns - s0 : TS_GROUP;
        const int tmax = (n - 1 - s0 + b - 1) / b;
        for (int step = 0; step < tmax + 2 * gn; step++) {
            if (nth > 1 && s0 > 0 && step < tmax) {
                int need = FN(imin)(step + 2, (n - s0 + b - 1) / b);
                for (int k = 0; atomic_load_explicit(&S->done[s0 - 1], memory_order_acquire) < need;
                     k++)
                    ts_relax(k);
            }
            int count = 0;
            for (int q = 0; q < gn; q++) {
                const int s = s0 + q, t = step - 2 * q;
                if (t >= 0 && s + 1 + t * b < n)
                    FN(chase_begin)(S, s, t, vb[q], &tau[q], &task[count++]);
            }
            FN(chase_tasks)(b, task, count, ld, mask);
            const int s = s0 + gn - 1, t = step - 2 * (gn - 1);
            if (nth > 1 && t >= 0 && s + 1 + t * b < n)
                atomic_store_explicit(&S->done[s], t + 1, memory_order_release);
        }
    }
    ts_barrier(S->team);
}
