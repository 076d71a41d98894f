// Householder QR of one panel of the band reduction (template, see ts_simd.h).

// Computes the scalars of LAPACK's larfg from the head element alpha and the squared norm
// xx of the rest: H = I - tau*(1,x*scale)(1,x*scale)^T maps (alpha,x) to (beta,0). A rest
// whose square vanishes is dropped: the matrix is scaled to norm about 1, so the rest is far
// below its rounding error. Returns 0 if H = I.
INLINE int FN(larfg)(R alpha, R xx, R *beta, R *tau, R *scale) {
    const R tiny = TS_DOUBLE ? (R)1e-290 : (R)1e-32;
    if (!(xx > tiny)) {
        *beta = alpha;
        *tau = 0;
        *scale = 0;
        return 0;
    }
    R nrm =
        TS_DOUBLE ? (R)sqrt((double)(alpha * alpha + xx)) : (R)sqrtf((float)(alpha * alpha + xx));
    R bt = alpha > 0 ? -nrm : nrm;
    *beta = bt;
    *tau = (bt - alpha) / bt;
    *scale = 1 / (alpha - bt);
    return 1;
}

// Unblocked QR of columns [c, c+MR) of the row-packed panel a (np row panels
// of MR rows, ld columns, c = head*MR); the diagonal sits in row panel head.
// On return R is in the upper triangle, V below it, tau[0..MR). One pass over
// the columns per reflector: it applies the reflector and gathers the next
// one's products in the same visit.
static void FN(geqr2)(R *a, int np, int ld, int head, R *tau) {
    const size_t ps = (size_t)MR * ld;
    R *h = a + (size_t)head * ps + (size_t)head * MR * MR; // MR x MR head block
    V dots[MR], sk[MR];
    R s[MR], d[MR];
    for (int k = 0; k < MR; k++)
        dots[k] = (V){0};
    for (int q = head + 1; q < np; q++) {
        const R *p = h + (size_t)(q - head) * ps;
        for (int k = 0; k < MR; k++)
            for (int i = 0; i < MV; i++) {
                V x = LOAD(p + i * VL);
                dots[k] = FMA(x, LOAD(p + k * MR + i * VL), dots[k]);
            }
    }
    for (int c = 0; c < MR; c++) {
        for (int k = c; k < MR; k++) {
            R t = HSUM(dots[k]);
            for (int i = c + 1; i < MR; i++)
                t += h[c * MR + i] * h[k * MR + i];
            d[k] = t;
        }
        R beta, scale;
        FN(larfg)(h[c * MR + c], d[c], &beta, &tau[c], &scale);
        for (int k = c + 1; k < MR; k++) {
            s[k] = tau[c] * (h[k * MR + c] + scale * d[k]);
            h[k * MR + c] -= s[k];
            sk[k] = SET1(s[k]);
            dots[k] = (V){0};
        }
        h[c * MR + c] = beta;
        for (int i = c + 1; i < MR; i++)
            h[c * MR + i] *= scale;
        for (int k = c + 1; k < MR; k++)
            for (int i = c + 1; i < MR; i++)
                h[k * MR + i] -= s[k] * h[c * MR + i];
        V sc = SET1(scale);
        for (int q = head + 1; q < np; q++) {
            R *p = h + (size_t)(q - head) * ps;
            V v[MV], x[MV];
#pragma GCC unroll 8
            for (int i = 0; i < MV; i++) {
                v[i] = LOAD(p + c * MR + i * VL) * sc;
                STORE(p + c * MR + i * VL, v[i]);
            }
            if (c + 1 == MR)
                continue;
            V dd = (V){0};
#pragma GCC unroll 8
            for (int i = 0; i < MV; i++) {
                R *e = p + (c + 1) * MR + i * VL;
                x[i] = FNMA(v[i], sk[c + 1], LOAD(e));
                STORE(e, x[i]);
                dd = FMA(x[i], x[i], dd);
            }
            dots[c + 1] += dd;
            for (int k = c + 2; k < MR; k++) {
                dd = (V){0};
#pragma GCC unroll 8
                for (int i = 0; i < MV; i++) {
                    R *e = p + k * MR + i * VL;
                    V y = FNMA(v[i], sk[k], LOAD(e));
                    STORE(e, y);
                    dd = FMA(x[i], y, dd);
                }
                dots[k] += dd;
            }
        }
    }
}

// T of the compact WY form I - V T V^T for k reflectors (larft, forward,
// columnwise): g = V^T V with element (i,c), i < c, at g[c*ldg + i];
// t[c*ldt + i] = T(i,c), zero below the diagonal.
static void FN(larft)(int k, const R *g, int ldg, const R *tau, R *t, int ldt) {
    for (int c = 0; c < k; c++) {
        R *tc = t + (size_t)c * ldt;
        for (int i = 0; i < k; i++)
            tc[i] = 0;
        for (int p = 0; p < c; p++) {
            R x = -tau[c] * g[(size_t)c * ldg + p];
            const R *tp = t + (size_t)p * ldt;
            for (int i = 0; i <= p; i++)
                tc[i] += x * tp[i];
        }
        tc[c] = tau[c];
    }
}

// QR of a whole panel (blocked, inner width MR).
//   a    row-packed, np row panels, b columns (b multiple of MR): the panel;
//        returns V with explicit unit diagonal and zeros above it
//   r    R in column-major b x b (upper triangle; rows beyond the panel zero)
//   vj   V again, col-packed; vjs = distance between its column panels
//   t    T, element (i,c) at t[c*b + i]
//   ws   b*b + 2*b*MR + b elements of scratch
static void FN(panel)(R *a, int np, int b, R *r, R *vj, size_t vjs, R *t, R *ws) {
    const size_t ps = (size_t)MR * b;
    const int nj = b / MR;
    R *g = ws, *z = g + (size_t)b * b, *zn = z + (size_t)b * MR, *tau = zn + (size_t)b * MR;
    R ti[MR * MR], gi[MR * MR];
    memset(r, 0, sizeof(R) * b * b);
    memset(tau, 0, sizeof(R) * b);
    for (int jp = 0; jp < nj; jp++) {
        const int c0 = jp * MR;
        R *x = vj + jp * vjs; // col-packed V of this inner block
        if (jp < np)
            FN(geqr2)(a, np, b, jp, tau + c0);
        // Moves R out and sets what stands in its place in V.
        for (int q = 0; q <= jp && q < np; q++)
            for (int c = 0; c < MR; c++) {
                R *col = a + q * ps + (size_t)(c0 + c) * MR;
                int top = q < jp ? MR : c + 1; // entries of R in this column
                for (int i = 0; i < top; i++) {
                    r[(size_t)(c0 + c) * b + q * MR + i] = col[i];
                    col[i] = 0;
                }
                if (q == jp)
                    col[c] = 1;
            }
        memset(x, 0, sizeof(R) * MR * MR * (jp < np ? jp : np));
        if (jp >= np)
            continue;
        for (int q = jp; q < np; q++)
            FN(k_trans)(a + q * ps + (size_t)c0 * MR, x + (size_t)q * MR * MR);
        if (jp + 1 == nj)
            break;
        // Remaining columns: C -= V T^T (V^T C).
        const R *xq = x + (size_t)jp * MR * MR, *aq = a + jp * ps;
        memset(gi, 0, sizeof gi);
        for (int c = 0; c < MR; c += NR)
            FN(k_tmul_long)(np - jp, xq, aq + (size_t)(c0 + c) * MR, ps, gi + c * MR);
        FN(larft)(MR, gi, MR, tau + c0, ti, MR);
        for (int c = c0 + MR; c < b; c += NR) {
            memset(z, 0, sizeof(R) * NR * MR);
            FN(k_tmul_long)(np - jp, xq, aq + (size_t)c * MR, ps, z);
            R *zo = zn + (size_t)(c / MR) * MR * MR + c % MR;
            for (int q = 0; q < NR; q++)
                for (int p = 0; p < MR; p++) {
                    R sum = 0;
                    for (int j = 0; j <= p; j++)
                        sum += ti[p * MR + j] * z[q * MR + j];
                    zo[p * MR + q] = -sum;
                }
        }
        for (int q = jp; q < np; q++)
            for (int c = c0 + MR; c < b; c += NR)
                FN(k_mul)
        (MR, a + q * ps + (size_t)c0 * MR, zn + (size_t)(c / MR) * MR * MR + c % MR,
         a + q * ps + (size_t)c * MR);
    }
    // Gram matrix of V and T.
    memset(g, 0, sizeof(R) * b * b);
    for (int jp = 0; jp < nj && jp < np; jp++)
        for (int ip = 0; ip <= jp; ip++)
            for (int c = jp * MR; c < jp * MR + MR; c += NR) {
                memset(z, 0, sizeof(R) * NR * MR);
                FN(k_tmul_long)
                (np - jp, vj + ip * vjs + (size_t)jp * MR * MR, a + jp * ps + (size_t)c * MR, ps,
                 z);
                for (int q = 0; q < NR; q++)
                    for (int i = 0; i < MR; i++)
                        g[(size_t)(c + q) * b + ip * MR + i] = z[q * MR + i];
            }
    FN(larft)(b, g, b, tau, t, b);
}
