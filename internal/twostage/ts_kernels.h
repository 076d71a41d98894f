// Micro-kernels of the band reduction (template: see ts_simd.h).
//
// Two packings are used everywhere:
//  row-packed: MR rows form a panel, columns follow one another inside it;
//    element (r,c) of a matrix with ld columns lies at
//    (r/MR)*MR*ld + c*MR + r%MR. Tiles, V, W and Y have this form.
//  col-packed: MR columns form a panel, rows follow one another inside it;
//    element (r,c) of a matrix with m rows lies at (c/MR)*MR*m + r*MR + c%MR.
//    The second copy of V and the transposed part of Y have this form.
// An MR x NR block of either is contiguous, so no kernel packs anything.
//
// The products start from zero and are added to C at the end. A sum over n is then formed
// from sums over one tile each, and its rounding error grows like nb + n/nb rather than n,
// as a constant matrix shows.

// C[MR x NR] += X[MR x k] * Y[k x NR]; X row-packed panel, Y points at the
// first of NR neighbouring scalars of each step, MR apart.
KERNEL void FN(k_mul)(int k, const R *x, const R *y, R *c) {
    V acc[NR][MV];
#pragma GCC unroll 8
    for (int q = 0; q < NR; q++)
#pragma GCC unroll 8
        for (int i = 0; i < MV; i++)
            acc[q][i] = (V){0};
    for (int p = 0; p < k; p++) {
        V xv[MV];
#pragma GCC unroll 8
        for (int i = 0; i < MV; i++)
            xv[i] = LOAD(x + i * VL);
#pragma GCC unroll 8
        for (int q = 0; q < NR; q++) {
            V b = SET1(y[q]);
#pragma GCC unroll 8
            for (int i = 0; i < MV; i++)
                acc[q][i] = FMA(xv[i], b, acc[q][i]);
        }
        x += MR;
        y += MR;
    }
#pragma GCC unroll 8
    for (int q = 0; q < NR; q++)
#pragma GCC unroll 8
        for (int i = 0; i < MV; i++)
            STORE(c + q * MR + i * VL, LOAD(c + q * MR + i * VL) + acc[q][i]);
}

// C[MR x NR] -= X1*Y1 + X2*Y2, each as in k_mul (rank-2b update of a block).
KERNEL void FN(k_upd)(int k, const R *x1, const R *y1, const R *x2, const R *y2, R *c) {
    V acc[NR][MV];
#pragma GCC unroll 8
    for (int q = 0; q < NR; q++)
#pragma GCC unroll 8
        for (int i = 0; i < MV; i++)
            acc[q][i] = LOAD(c + q * MR + i * VL);
    for (int h = 0; h < 2; h++) {
        const R *x = h ? x2 : x1, *y = h ? y2 : y1;
        for (int p = 0; p < k; p++) {
            V xv[MV];
#pragma GCC unroll 8
            for (int i = 0; i < MV; i++)
                xv[i] = LOAD(x + i * VL);
#pragma GCC unroll 8
            for (int q = 0; q < NR; q++) {
                V b = SET1(y[q]);
#pragma GCC unroll 8
                for (int i = 0; i < MV; i++)
                    acc[q][i] = FNMA(xv[i], b, acc[q][i]);
            }
            x += MR;
            y += MR;
        }
    }
#pragma GCC unroll 8
    for (int q = 0; q < NR; q++)
#pragma GCC unroll 8
        for (int i = 0; i < MV; i++)
            STORE(c + q * MR + i * VL, acc[q][i]);
}

// C[MR x NR] += X^T * A where X is one col-packed panel (np*MR rows of MR
// columns) and A np row-packed panels ps elements apart, NR columns from a on.
// C is col-packed: NR rows of MR.
KERNEL void FN(k_tmul)(int np, const R *x, const R *a, size_t ps, R *c) {
    V acc[NR][MV];
#pragma GCC unroll 8
    for (int q = 0; q < NR; q++)
#pragma GCC unroll 8
        for (int i = 0; i < MV; i++)
            acc[q][i] = (V){0};
    for (int p = 0; p < np; p++) {
        const R *ap = a + (size_t)p * ps;
        for (int r = 0; r < MR; r++) {
            V xv[MV];
#pragma GCC unroll 8
            for (int i = 0; i < MV; i++)
                xv[i] = LOAD(x + i * VL);
#pragma GCC unroll 8
            for (int q = 0; q < NR; q++) {
                V b = SET1(ap[q * MR + r]);
#pragma GCC unroll 8
                for (int i = 0; i < MV; i++)
                    acc[q][i] = FMA(xv[i], b, acc[q][i]);
            }
            x += MR;
        }
    }
#pragma GCC unroll 8
    for (int q = 0; q < NR; q++)
#pragma GCC unroll 8
        for (int i = 0; i < MV; i++)
            STORE(c + q * MR + i * VL, LOAD(c + q * MR + i * VL) + acc[q][i]);
}

// k_tmul for long columns, in pieces of about one tile.
INLINE void FN(k_tmul_long)(int np, const R *x, const R *a, size_t ps, R *c) {
    const int step = 96 / MR > 0 ? 96 / MR : 1;
    for (int p = 0; p < np; p += step)
        FN(k_tmul)(np - p < step ? np - p : step, x + (size_t)p * MR * MR, a + p * ps, ps, c);
}

#if TS_KIND == TS_AVX2
// Transposes a VL x VL block: x[i] holds column i on entry, row i on return.
INLINE void FN(transpose)(V *x) {
#if TS_DOUBLE
    __m256d a = _mm256_unpacklo_pd((__m256d)x[0], (__m256d)x[1]);
    __m256d b = _mm256_unpackhi_pd((__m256d)x[0], (__m256d)x[1]);
    __m256d c = _mm256_unpacklo_pd((__m256d)x[2], (__m256d)x[3]);
    __m256d d = _mm256_unpackhi_pd((__m256d)x[2], (__m256d)x[3]);
    x[0] = (V)_mm256_permute2f128_pd(a, c, 0x20);
    x[1] = (V)_mm256_permute2f128_pd(b, d, 0x20);
    x[2] = (V)_mm256_permute2f128_pd(a, c, 0x31);
    x[3] = (V)_mm256_permute2f128_pd(b, d, 0x31);
#else
    __m256 t[8];
#pragma GCC unroll 2
    for (int h = 0; h < 8; h += 4) {
        __m256 a = _mm256_unpacklo_ps((__m256)x[h], (__m256)x[h + 1]);
        __m256 b = _mm256_unpackhi_ps((__m256)x[h], (__m256)x[h + 1]);
        __m256 c = _mm256_unpacklo_ps((__m256)x[h + 2], (__m256)x[h + 3]);
        __m256 d = _mm256_unpackhi_ps((__m256)x[h + 2], (__m256)x[h + 3]);
        t[h] = _mm256_shuffle_ps(a, c, 0x44);
        t[h + 1] = _mm256_shuffle_ps(a, c, 0xee);
        t[h + 2] = _mm256_shuffle_ps(b, d, 0x44);
        t[h + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        x[k] = (V)_mm256_permute2f128_ps(t[k], t[k + 4], 0x20);
        x[k + 4] = (V)_mm256_permute2f128_ps(t[k], t[k + 4], 0x31);
    }
#endif
}
#endif

// dst = src^T (or dst += src^T) for one MR x MR block: element (i,j) at
// [j*MR + i] on both sides.
INLINE void FN(trans)(const R *src, R *dst, const int add) {
#if TS_KIND == TS_AVX2
    for (int j = 0; j < MR; j += VL)
        for (int i = 0; i < MR; i += VL) {
            V x[VL];
#pragma GCC unroll 16
            for (int q = 0; q < VL; q++)
                x[q] = LOAD(src + (size_t)(j + q) * MR + i);
            FN(transpose)(x);
#pragma GCC unroll 16
            for (int q = 0; q < VL; q++) {
                R *d = dst + (size_t)(i + q) * MR + j;
                if (add)
                    x[q] += LOAD(d);
                STORE(d, x[q]);
            }
        }
#else
    for (int j = 0; j < MR; j++)
        for (int i = 0; i < MR; i++)
            dst[i * MR + j] = add ? dst[i * MR + j] + src[j * MR + i] : src[j * MR + i];
#endif
}

INLINE void FN(k_trans)(const R *src, R *dst) { FN(trans)(src, dst, 0); }
INLINE void FN(k_transadd)(const R *src, R *dst) { FN(trans)(src, dst, 1); }
