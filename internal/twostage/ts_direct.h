// Dense -> tridiagonal in one stage for small orders (sytd; template, see
// ts_simd.h).
//
// Householder tridiagonalisation in which the rank-2 updates are held back and
// fused with the next product ("BLAS 2.5": Howell, Demmel, Fulton, Hammarling,
// Marmol 2008). Columns are taken in pairs. The first column of a pair applies the two
// pending rank-2 updates to the trailing lower triangle and forms A*u in the same pass. The
// second column only reads the triangle and corrects A*u for the one update that is not yet
// applied. For two columns the triangle is read twice and written once, with no more
// operations than the plain algorithm has.

// TS_NC columns are taken per pass: as many as leave broadcasts and sums in registers, and
// at most VL, so that the triangle above the diagonal stays inside the first vector.
#if TS_KIND == TS_AVX512 || (TS_KIND == TS_NEON && !TS_DOUBLE)
#define TS_NC 4
#else
#define TS_NC 2
#endif
#define TS_NCR (VL < 4 ? 2 : 4) // columns per pass that only reads

INLINE int FN(direct_ld)(int n) { return (n + 7) / 8 * 8 + 8; }

// Columns [j,j+TS_NC) of the lower triangle: A -= v1 w1^T + w1 v1^T +
// v2 w2^T + w2 v2^T, then y + z += A*u. Sums by columns go to z, since adding them to y
// would make the next load of y wait for that store.
// n is padded to VL; the vectors are zero outside the trailing part,
// p = {v1, w1, v2, w2}.
INLINE void FN(direct_upd)(int n, int j, R *a, int ld, R *const *p, const R *u, R *y, R *z,
                           const R *mask) {
    const int i0 = j / VL * VL;
    const R *v1 = p[0], *w1 = p[1], *v2 = p[2], *w2 = p[3];
    V c1[TS_NC], d1[TS_NC], c2[TS_NC], d2[TS_NC], cu[TS_NC], s[TS_NC];
    V ui = LOAD(u + i0), yi = LOAD(y + i0);
#pragma GCC unroll 4
    for (int q = 0; q < TS_NC; q++) {
        R *e = a + (size_t)(j + q) * ld + i0;
        const R *m = mask + 16 - (j + q - i0);
        const V ge = LOAD(m);
        c1[q] = SET1(v1[j + q]);
        d1[q] = SET1(w1[j + q]);
        c2[q] = SET1(v2[j + q]);
        d2[q] = SET1(w2[j + q]);
        cu[q] = SET1(u[j + q]);
        V x = LOAD(e);
        x = FNMA(LOAD(w1 + i0) * ge, c1[q], x);
        x = FNMA(LOAD(v1 + i0) * ge, d1[q], x);
        x = FNMA(LOAD(w2 + i0) * ge, c2[q], x);
        x = FNMA(LOAD(v2 + i0) * ge, d2[q], x);
        STORE(e, x);
        yi = FMA(x * ge, cu[q], yi);
        s[q] = x * (ui * LOAD(m - 1));
    }
    STORE(y + i0, yi);
    R *aj = a + (size_t)j * ld;
    for (int i = i0 + VL; i < n; i += VL) {
        V x[TS_NC];
        V wa = LOAD(w1 + i), va = LOAD(v1 + i), wb = LOAD(w2 + i), vb = LOAD(v2 + i);
#pragma GCC unroll 4
        for (int q = 0; q < TS_NC; q++) {
            R *e = aj + (size_t)q * ld + i;
            x[q] = FNMA(wa, c1[q], LOAD(e));
            x[q] = FNMA(va, d1[q], x[q]);
            x[q] = FNMA(wb, c2[q], x[q]);
            x[q] = FNMA(vb, d2[q], x[q]);
            STORE(e, x[q]);
        }
        ui = LOAD(u + i);
        yi = LOAD(y + i);
#pragma GCC unroll 4
        for (int q = 0; q < TS_NC; q++) {
            s[q] = FMA(x[q], ui, s[q]);
            yi = FMA(x[q], cu[q], yi);
        }
        STORE(y + i, yi);
    }
#pragma GCC unroll 4
    for (int q = 0; q < TS_NC; q++)
        z[j + q] = HSUM(s[q]);
}

// Columns [j,j+TS_NCR) of the lower triangle: y + z += A*u.
INLINE void FN(direct_mul)(int n, int j, const R *a, int ld, const R *u, R *y, R *z,
                           const R *mask) {
    const int i0 = j / VL * VL;
    V cu[4], s[4];
    R t[4];
    V ui = LOAD(u + i0), yi = LOAD(y + i0);
#pragma GCC unroll 4
    for (int q = 0; q < 4; q++)
        s[q] = cu[q] = (V){0};
#pragma GCC unroll 4
    for (int q = 0; q < TS_NCR; q++) {
        const R *m = mask + 16 - (j + q - i0);
        V x = LOAD(a + (size_t)(j + q) * ld + i0);
        cu[q] = SET1(u[j + q]);
        yi = FMA(x * LOAD(m), cu[q], yi);
        s[q] = x * (ui * LOAD(m - 1));
    }
    STORE(y + i0, yi);
    const R *aj = a + (size_t)j * ld;
    for (int i = i0 + VL; i < n; i += VL) {
        ui = LOAD(u + i);
        yi = LOAD(y + i);
#pragma GCC unroll 4
        for (int q = 0; q < TS_NCR; q++) {
            V x = LOAD(aj + (size_t)q * ld + i);
            s[q] = FMA(x, ui, s[q]);
            yi = FMA(x, cu[q], yi);
        }
        STORE(y + i, yi);
    }
    FN(hsum4)(s, t);
    for (int q = 0; q < TS_NCR; q++)
        z[j + q] = t[q];
}

// Dot product over [lo,hi), multiples of VL apart.
INLINE R FN(direct_dot)(int lo, int hi, const R *x, const R *y) {
    V s = (V){0};
    for (int i = lo; i < hi; i += VL)
        s = FMA(LOAD(x + i), LOAD(y + i), s);
    return HSUM(s);
}

// Reduces the lower triangle in a (column-major, order n, ld from direct_ld,
// rows and columns up to ld present and zero) to tridiagonal d[0..n),
// e[0..n-1). vec: 7*ld elements of scratch.
static void FN(sytd)(int n, R *a, int ld, double *d, double *e, R *vec) {
    const int np = (n + VL - 1) / VL * VL;
    R *p[4], *u = vec + 4 * (size_t)ld, *y = vec + 5 * (size_t)ld, *z = vec + 6 * (size_t)ld;
    R mask[48];
    for (int i = 0; i < 48; i++)
        mask[i] = i >= 16 ? 1 : 0;
    for (int i = 0; i < 4; i++)
        p[i] = vec + i * (size_t)ld;
    memset(vec, 0, sizeof(R) * 7 * ld);
    for (int k = 0; k < n; k++) {
        R *col = a + (size_t)k * ld;
        const int k0 = k / 8 * 8, first = k % 2 == 0;
        const int i0 = (k + 1) / VL * VL;
        // The pending updates of column k, then its reflector u (zero to row k).
        for (int h = 0; h < 4; h += 2) {
            if (h == 2 && !first)
                break;
            V vk = SET1(p[h][k]), wk = SET1(p[h + 1][k]);
            for (int i = k / VL * VL; i < np; i += VL)
                STORE(col + i,
                      FNMA(LOAD(p[h] + i), wk, FNMA(LOAD(p[h + 1] + i), vk, LOAD(col + i))));
            p[h][k] = p[h + 1][k] = 0;
        }
        d[k] = col[k];
        if (k == n - 1)
            break;
        R h, tau;
        V x0 = LOAD(col + i0) * LOAD(mask + 16 - (k + 2 - i0));
        V xx = x0 * x0;
        for (int i = k0; i < i0; i++)
            u[i] = y[i] = 0;
        STORE(u + i0, x0);
        STORE(y + i0, (V){0});
        for (int i = i0 + VL; i < np; i += VL) {
            V x = LOAD(col + i);
            STORE(u + i, x);
            STORE(y + i, (V){0});
            xx = FMA(x, x, xx);
        }
        e[k] = FN(reflect)(col[k + 1], HSUM(xx), &h, &tau);
        u[k + 1] = h;
        if (first) {
            for (int j = (k + 1) / TS_NC * TS_NC; j < n; j += TS_NC)
                FN(direct_upd)(np, j, a, ld, p, u, y, z, mask);
            for (int i = i0; i < np; i += VL)
                STORE(y + i, LOAD(y + i) + LOAD(z + i));
        } else {
            for (int j = (k + 1) / TS_NCR * TS_NCR; j < n; j += TS_NCR)
                FN(direct_mul)(np, j, a, ld, u, y, z, mask);
            V cv = SET1(FN(direct_dot)(i0, np, p[1], u));
            V cw = SET1(FN(direct_dot)(i0, np, p[0], u));
            for (int i = i0; i < np; i += VL)
                STORE(y + i, FNMA(LOAD(p[0] + i), cv,
                                  FNMA(LOAD(p[1] + i), cw, LOAD(y + i) + LOAD(z + i))));
        }
        for (int i = k0; i <= k; i++)
            y[i] = 0;
        // w = tau A u - (tau^2/2)(u^T A u) u; (u, w) is the next pending pair.
        R dot = FN(direct_dot)(i0, np, u, y);
        V tv = SET1(tau), al = SET1(tau * (tau * dot) / -2);
        for (int i = i0; i < np; i += VL)
            STORE(y + i, FMA(al, LOAD(u + i), tv * LOAD(y + i)));
        const int at = first ? 0 : 2; // first of a pair replaces both slots
        R *t = p[at];
        p[at] = u;
        u = t;
        t = p[at + 1];
        p[at + 1] = y;
        y = t;
    }
}
#undef TS_NC
#undef TS_NCR
