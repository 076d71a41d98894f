// Stage 3: eigenvalues of a symmetric tridiagonal matrix (sterf; template, see
// ts_simd.h; float64 only, the float32 solver uses it with a wider tolerance).
//
// Root-free QL of Pal, Walker and Kahan (Parlett, The Symmetric Eigenvalue
// Problem, 8.15) on squared off-diagonals. One sweep is a chain of dependent
// divisions, so TS_SH sweeps with different shifts (the eigenvalues of the
// leading TS_SH x TS_SH block) run at once, one per vector lane, each two rows
// behind the one before: lane k+1 reads in the next step what lane k writes for row i+1 in
// this one. Each sweep is an ordinary one with an explicit shift and as accurate. Only the
// choice of shifts differs from LAPACK's sterf.

#define TS_W (VL >= 8 ? 1 : 8 / VL) // vectors per step
#define TS_SH (TS_W * VL)           // shifts per batch

// The lanes of x moved up by one, with s in the lowest.
INLINE V FN(shiftin)(V x, R s) {
#if TS_KIND == TS_AVX512
    const __m512i from = _mm512_setr_epi64(0, 0, 1, 2, 3, 4, 5, 6);
    return (V)_mm512_mask_blend_pd(1, _mm512_permutexvar_pd(from, (__m512d)x), _mm512_set1_pd(s));
#elif TS_KIND == TS_AVX2
    return (V)_mm256_blend_pd(_mm256_permute4x64_pd((__m256d)x, 0x90), _mm256_set1_pd(s), 1);
#else
    return (V){s, x[0]};
#endif
}

// In each lane a if c < t, else b.
INLINE V FN(picklt)(V c, V t, V a, V b) {
#if TS_KIND == TS_AVX512
    return (V)_mm512_mask_blend_pd(_mm512_cmp_pd_mask((__m512d)c, (__m512d)t, _CMP_LT_OQ),
                                   (__m512d)b, (__m512d)a);
#elif TS_KIND == TS_AVX2
    return (V)_mm256_blendv_pd((__m256d)b, (__m256d)a,
                               _mm256_cmp_pd((__m256d)c, (__m256d)t, _CMP_LT_OQ));
#else
    return (V){c[0] < t[0] ? a[0] : b[0], c[1] < t[1] ? a[1] : b[1]};
#endif
}

static int FN(cmp)(const void *a, const void *b) {
    R x = *(const R *)a, y = *(const R *)b;
    return (x > y) - (x < y);
}

// Eigenvalues of the 2x2 [[a,b],[b,c]] from b2 = b*b, larger magnitude first.
INLINE void FN(lae2)(R a, R b2, R c, R *l1, R *l2) {
    R sm = a + c, df = a - c, rt = sqrt(df * df + 4 * b2);
    if (sm == 0) {
        *l1 = rt / 2;
        *l2 = -rt / 2;
        return;
    }
    *l1 = (sm + (sm < 0 ? -rt : rt)) / 2;
    R hi = a * a > c * c ? a : c, lo = a * a > c * c ? c : a;
    *l2 = (hi / *l1) * lo - b2 / *l1;
}

// If cosine^2 is below TS_CSMALL the next p is oldc*bb to working accuracy. TS_PTINY is
// added to every p so that p/r is defined. The matrix has norm about 1.
#define TS_CSMALL 1e-60
#define TS_PTINY 1e-280

// One QL sweep with shift sg over rows m..l.
static void FN(ql_sweep)(R *d, R *e, int l, int m, R sg) {
    R c = 1, s = 0, gam = d[m] - sg, p = gam * gam + TS_PTINY;
    for (int i = m - 1; i >= l; i--) {
        R bb = e[i], r = p + bb;
        e[i + 1] = s * r; // row m: s = 0, and e[m] is 0 already
        R oldc = c, og = gam, al = d[i], ic = r / p;
        c = p / r;
        s = bb / r;
        gam = c * (al - sg) - s * og;
        d[i + 1] = og + (al - gam);
        p = c < TS_CSMALL ? oldc * bb + TS_PTINY : gam * gam * ic + TS_PTINY;
    }
    e[l] = s * p;
    d[l] = sg + gam;
}

// TS_SH pipelined sweeps over rows m..l with shifts sh[]; e[m] = 0 on entry.
// Before a lane starts and after it ends it reads zeros. These do not change its state
// (c = 1, s = 0, gam = -shift), and it passes zeros on.
static void FN(ql_multi)(R *d, R *e, int l, int m, const R *sh) {
    V c[TS_W], s[TS_W], gam[TS_W], p[TS_W], sg[TS_W], E[TS_W], D[TS_W];
    const V tiny = SET1(TS_PTINY), small = SET1(TS_CSMALL);
#pragma GCC unroll 4
    for (int w = 0; w < TS_W; w++) {
        sg[w] = LOAD(sh + w * VL);
        c[w] = SET1(1.0);
        s[w] = E[w] = D[w] = (V){0};
        gam[w] = -sg[w];
        p[w] = FMA(sg[w], sg[w], tiny);
    }
    const int lag = 2 * TS_SH - 1;
    for (int i = m; i >= l - lag; i--) {
        R ei = 0, di = 0;
        if (i >= l) {
            ei = i == m ? 0 : e[i];
            di = d[i];
        }
#pragma GCC unroll 4
        for (int w = TS_W - 1; w >= 0; w--) {
            E[w] = FN(shiftin)(E[w], w ? E[w - 1][VL - 1] : ei);
            D[w] = FN(shiftin)(D[w], w ? D[w - 1][VL - 1] : di);
        }
#pragma GCC unroll 4
        for (int w = 0; w < TS_W; w++) {
            V bb = E[w], al = D[w], r = p[w] + bb, oldc = c[w], og = gam[w];
            V ic = r / p[w];
            E[w] = s[w] * r;
            c[w] = p[w] / r;
            s[w] = bb / r;
            V t = s[w] * og;
            gam[w] = c[w] * (al - sg[w]) - t;
            D[w] = og + (al - gam[w]);
            V pa = FMA(gam[w] * gam[w], ic, tiny), pb = FMA(oldc, bb, tiny);
            p[w] = FN(picklt)(c[w], small, pb, pa);
        }
        if (i + lag <= m) {
            e[i + lag] = E[TS_W - 1][VL - 1];
            d[i + lag] = D[TS_W - 1][VL - 1];
        }
    }
}

// Reverses rows lo..hi.
static void FN(flip)(R *d, R *e, int lo, int hi) {
    for (int i = lo, j = hi; i < j; i++, j--) {
        R t = d[i];
        d[i] = d[j];
        d[j] = t;
        if (i < j - 1) {
            t = e[i];
            e[i] = e[j - 1];
            e[j - 1] = t;
        }
    }
}

// Iterates on the block lo..hi (e squared) until all e are 0. eps2, abs2:
// deflation when e2 <= eps2*|d d'| or e2 <= abs2. *left counts row steps down.
// multi: also use batches. Returns 0, or 1 when the budget ran out.
static int FN(ql_block)(R *d, R *e, int lo, int hi, R eps2, R abs2, double *left, int multi) {
    int l = lo, idle = 0;
    while (l <= hi) {
        int m = l;
        for (; m < hi; m++)
            if (!(e[m] > abs2) || e[m] <= eps2 * fabs(d[m] * d[m + 1]))
                break;
        if (m < hi)
            e[m] = 0;
        if (m <= l + 1) {
            if (m == l + 1)
                FN(lae2)(d[l], e[l], d[m], &d[l], &d[m]);
            e[l] = 0;
            l = m + 1;
            idle = 0;
            continue;
        }
        if ((*left -= m - l) < 0)
            return 1;
        if (multi && m - l >= 3 * TS_SH && ++idle % 8 != 0) {
            R sd[TS_SH], se[TS_SH];
            for (int i = 0; i < TS_SH; i++) {
                sd[i] = d[l + i];
                se[i] = e[l + i];
            }
            se[TS_SH - 1] = 0;
            FN(ql_block)(sd, se, 0, TS_SH - 1, 1e-20, abs2, left, 0);
            FN(ql_multi)(d, e, l, m, sd);
            continue;
        }
        R rte = sqrt(e[l]), sg = (d[l + 1] - d[l]) / (2 * rte);
        R rr = sqrt(sg * sg + 1);
        FN(ql_sweep)(d, e, l, m, d[l] - rte / (sg + (sg < 0 ? -rr : rr)));
    }
    return 0;
}

// d[0..n), e[0..n): diagonal and off-diagonal (e[n-1] is scratch) of a matrix
// of norm about 1, destroyed; d returns the eigenvalues ascending. eps is the
// unit roundoff wanted. Returns the number of off-diagonals not converged.
static int FN(sterf)(int n, R *d, R *e, R eps) {
    R anorm = 0;
    for (int i = 0; i < n; i++) {
        R x = fabs(d[i]), y = i < n - 1 ? fabs(e[i]) : 0;
        anorm = x > anorm ? x : anorm;
        anorm = y > anorm ? y : anorm;
        e[i] = y * y;
    }
    const R eps2 = eps * eps, abs2 = eps2 * anorm * anorm / 16;
    double left = 60.0 * n * n + 1000;
    int rc = 0;
    for (int lo = 0; lo < n && !rc;) {
        int hi = lo; // block [lo,hi]
        while (hi < n - 1 && e[hi] > abs2)
            hi++;
        e[hi] = 0;
        if (fabs(d[hi]) < fabs(d[lo]))
            FN(flip)(d, e, lo, hi); // QL: small first
        rc = FN(ql_block)(d, e, lo, hi, eps2, abs2, &left, 1);
        lo = hi + 1;
    }
    int bad = 0;
    for (int i = 0; i < n - 1; i++)
        bad += !(e[i] == 0);
    qsort(d, n, sizeof(R), FN(cmp));
    return rc && !bad ? 1 : bad;
}

#undef TS_W
#undef TS_SH
#undef TS_CSMALL
#undef TS_PTINY
