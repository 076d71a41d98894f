// Stage 1: dense symmetric -> symmetric band (sy2sb; template, see ts_simd.h).
//
// Blocked Householder reduction (Bischof, Lang, Sun: SBR toolbox, 2000;
// Haidar, Ltaief, Dongarra 2011). The lower triangle lives in tiles of nb x nb
// in tile-column order, each tile row-packed (ts_kernels.h); diagonal tiles are
// kept full. Each panel visits every trailing tile once: the visit applies the
// previous panel's rank-2b update and multiplies the tile by the new panel's
// V, so the matrix moves through the cache once per panel instead of twice
// (symm, syr2k). The panel's own columns are updated ahead of the sweep.

// The state of one reduction, shared by the team.
typedef struct {
    ts_team *team;
    int n, N;                   // order; order padded to a multiple of MR
    int b, nb, nt;              // bandwidth, tile order, tiles per side
    int ng;                     // at most so many groups of tile columns have row sums apart
    R *tile;                    // nt*(nt+1)/2 tiles
    R *v[2], *w[2];             // row-packed N x b: pending and new reflectors, WY partner
    R *vj;                      // col-packed N x b: the new V again
    R *y1;                      // ng row-packed N x b: A*V, row part, by group
    R *y2;                      // col-packed N x b: A*V, transposed part
    R *r, *t, *tj, *s, *z, *ws; // b x b blocks and the panel's scratch
    const R *a;                 // input, row-major upper
    int lda;
    R scale; // power of two applied on load
    R *band; // output, band(i,j) at band[i + j*ldb]
    int ldb;
} REDUCTION;

INLINE R *FN(tile_at)(const REDUCTION *S, int i, int k) {
    size_t idx = (size_t)k * S->nt - (size_t)k * (k - 1) / 2 + (i - k);
    return S->tile + idx * ((size_t)S->nb * S->nb);
}

INLINE int FN(imin)(int a, int b) { return a < b ? a : b; }
INLINE int FN(imax)(int a, int b) { return a > b ? a : b; }

// Copies tile (I,K) of scale*A in; rows and columns beyond n become zero.
static void FN(tile_load)(const REDUCTION *S, int I, int K) {
    const int nb = S->nb, n = S->n;
    R *t = FN(tile_at)(S, I, K);
    const int rows = FN(imin)(S->N - I * nb, nb);
    const int cols = FN(imin)(S->N - K * nb, nb);
    for (int r0 = 0; r0 < rows; r0 += MR)
        for (int c = 0; c < cols; c++) {
            R *d = t + (size_t)r0 * nb + (size_t)c * MR;
            const int gc = K * nb + c, gr = I * nb + r0;
            if (gc < n && gr >= gc && gr + MR <= n) {
                const R *src = S->a + (size_t)gc * S->lda + gr;
                V sc = SET1(S->scale);
                for (int i = 0; i < MV; i++)
                    STORE(d + i * VL, LOAD(src + i * VL) * sc);
                continue;
            }
            for (int i = 0; i < MR; i++) {
                int lo = FN(imin)(gr + i, gc), hi = FN(imax)(gr + i, gc);
                d[i] = hi < n ? S->a[(size_t)lo * S->lda + hi] * S->scale : 0;
            }
        }
}

// Applies the pending rank-2b update to the rows of panel r (global row) and
// columns [c0,c1) of a tile's row panel x whose column 0 is global column kc.
INLINE void FN(upd_row)(const REDUCTION *S, const R *v, const R *w, int r, int c0, int c1, int kc,
                        R *x) {
    const size_t b = S->b;
    const R *vr = v + (size_t)r * b, *wr = w + (size_t)r * b;
    for (int c = c0; c < c1; c += NR) {
        size_t o = (size_t)(c / MR) * MR * b + c % MR;
        // The next row panel, or the next tile, lies behind this one.
        for (int q = 0; q < NR; q++)
            for (int k = 0; k < MR; k += 64 / (int)sizeof(R))
                __builtin_prefetch(x + (size_t)(c - kc + q) * MR + k + (size_t)MR * S->nb, 1);
        FN(k_upd)(S->b, vr, w + o, wr, v + o, x + (size_t)(c - kc) * MR);
    }
}

// Mirrors the lower triangle of a diagonal tile, rows and columns from lo on.
static void FN(tile_mirror)(R *t, int nb, int lo, int hi) {
    for (int r = lo; r < hi; r += MR) {
        R *p = t + (size_t)r * nb;
        for (int c = lo; c < r; c += MR)
            FN(k_trans)(p + (size_t)c * MR, t + (size_t)c * nb + (size_t)r * MR);
        R *d = p + (size_t)r * MR;
        for (int j = 0; j < MR; j++)
            for (int i = j + 1; i < MR; i++)
                d[i * MR + j] = d[j * MR + i];
    }
}

// Sweeps tile columns [ka,kb), rows and columns from r0 on: applies the pending update, if
// v is not NULL, and multiplies by the new V. y1 takes the row sums of this group.
static void FN(sweep)(const REDUCTION *S, const R *v, const R *w, int r0, int ka, int kb, R *y1) {
    const int nb = S->nb, N = S->N, b = S->b, nj = b / MR;
    const size_t js = (size_t)N * MR; // distance of column panels
    for (int K = ka; K < kb; K++) {
        const int kc = K * nb, c0 = FN(imax)(r0, kc), c1 = FN(imin)(N, kc + nb);
        for (int I = K; I < S->nt; I++) {
            R *t = FN(tile_at)(S, I, K);
            const int ir = I * nb, s0 = I == K ? c0 : ir, s1 = FN(imin)(N, ir + nb);
            if (I == K) {
                if (v)
                    for (int r = s0; r < s1; r += MR)
                        FN(upd_row)(S, v, w, r, c0, r + MR, kc, t + (size_t)(r - ir) * nb);
                FN(tile_mirror)(t, nb, c0 - kc, c1 - kc);
            }
            for (int r = s0; r < s1; r += MR) {
                R *x = t + (size_t)(r - ir) * nb;
                if (v && I != K)
                    FN(upd_row)(S, v, w, r, c0, c1, kc, x);
                for (int j = 0; j < b; j += NR)
                    FN(k_mul)
                (c1 - c0, x + (size_t)(c0 - kc) * MR,
                 S->vj + (j / MR) * js + (size_t)c0 * MR + j % MR,
                 y1 + (size_t)r * b + (size_t)j * MR);
            }
            if (I == K)
                continue;
            for (int jp = 0; jp < nj; jp++)
                for (int c = c0; c < c1; c += NR)
                    FN(k_tmul)
            ((s1 - s0) / MR, S->vj + jp * js + (size_t)s0 * MR, t + (size_t)(c - kc) * MR,
             (size_t)MR * nb, S->y2 + jp * js + (size_t)c * MR);
        }
    }
}

// Returns the first tile column of group g if tile columns [k0,nt) are cut into ng groups
// of about equal work. It depends on the shape only, so the order of sums does not depend
// on the number of threads.
static int FN(group_start)(int k0, int nt, int ng, int g) {
    long long m = nt - k0, total = m * (m + 1) / 2, acc = 0, want = total * g / ng;
    int k = k0;
    while (k < nt && acc < want) {
        acc += nt - k;
        k++;
    }
    return k;
}

// Updates and extracts the panel columns [c0,c1): the diagonal block goes to
// the band, the rows below to vn (row-packed). Tile rows are shared.
static void FN(panel_cols)(const REDUCTION *S, const R *v, const R *w, int c0, int c1, R *vn,
                           int tid) {
    const int nb = S->nb, K = c0 / nb, kc = K * nb, b = S->b;
    int lo, hi;
    ts_share((S->N - c0) / MR, S->team->nt, tid, &lo, &hi);
    for (int q = lo; q < hi; q++) {
        const int r = c0 + q * MR, I = r / nb;
        R *x = FN(tile_at)(S, I, K) + (size_t)(r - I * nb) * nb;
        if (v)
            FN(upd_row)(S, v, w, r, c0, FN(imin)(c1, r + MR), kc, x);
        if (r >= c1) {
            memcpy(vn + (size_t)r * b, x + (size_t)(c0 - kc) * MR, sizeof(R) * MR * (c1 - c0));
            continue;
        }
        for (int c = c0; c < c1; c++)
            for (int i = 0; i < MR; i++)
                if (r + i >= c)
                    S->band[(r + i) + (size_t)c * S->ldb] = x[(size_t)(c - kc) * MR + i];
    }
}

// Sums the parts of Y = A*V for row panel r into y (MR x b block).
INLINE void FN(sum_y)(const REDUCTION *S, int r, int ng, const int *gs, R *y) {
    const int b = S->b;
    const size_t js = (size_t)S->N * MR, gsz = (size_t)S->N * b;
    const R *p = S->y1 + (size_t)r * b;
    memcpy(y, p, sizeof(R) * MR * b);
    for (int g = 1; g < ng && gs[g] * S->nb <= r; g++)
        for (int i = 0; i < MR * b; i += VL)
            STORE(y + i, LOAD(y + i) + LOAD(p + g * gsz + i));
    for (int jp = 0; jp < b / MR; jp++)
        FN(k_transadd)(S->y2 + jp * js + (size_t)r * MR, y + (size_t)jp * MR * MR);
}

// Zeroes thread tid's share of count elements.
static void FN(zero)(R *p, size_t count, int nt, int tid) {
    size_t lo = count * tid / nt, hi = count * (tid + 1) / nt;
    memset(p + lo, 0, sizeof(R) * (hi - lo));
}

// Zeroes thread tid's share of the sums Y for rows r0 and below; gs are the first
// tile columns of the ng groups.
static void FN(zero_y)(const REDUCTION *S, int r0, int ng, const int *gs, int tid) {
    const int N = S->N, b = S->b, nth = S->team->nt;
    const size_t js = (size_t)N * MR;
    for (int g = 0; g < ng; g++) {
        size_t o = (size_t)(g ? gs[g] * S->nb : r0) * b;
        FN(zero)(S->y1 + g * (size_t)N * b + o, (size_t)N * b - o, nth, tid);
    }
    for (int jp = 0; jp < b / MR; jp++)
        FN(zero)(S->y2 + jp * js + (size_t)r0 * MR, js - (size_t)r0 * MR, nth, tid);
}

// Factors the panel vn of columns c0 to c0+b-1. R goes to the band, T to tj, laid out as
// the second factor of k_mul. One thread does this.
static void FN(factor)(const REDUCTION *S, R *vn, int c0, int r0) {
    const int N = S->N, b = S->b;
    FN(panel)
    (vn + (size_t)r0 * b, (N - r0) / MR, b, S->r, S->vj + (size_t)r0 * MR, (size_t)N * MR, S->t,
     S->ws);
    for (int c = 0; c < b; c++)
        for (int i = 0; i <= c && r0 + i < N; i++)
            S->band[(r0 + i) + (size_t)(c0 + c) * S->ldb] = S->r[c * b + i];
    for (int j = 0; j < b; j++)
        for (int p = 0; p < b; p++)
            S->tj[(size_t)(j / MR) * b * MR + p * MR + j % MR] = S->t[j * b + p];
}

// Computes X = Y T for the row panels [lo,hi) of the trailing matrix. T is upper
// triangular.
static void FN(form_x)(const REDUCTION *S, R *wn, int r0, int ng, const int *gs, int lo, int hi,
                       R *y) {
    const int b = S->b;
    for (int q = lo; q < hi; q++) {
        const int r = r0 + q * MR;
        R *x = wn + (size_t)r * b;
        FN(sum_y)(S, r, ng, gs, y);
        memset(x, 0, sizeof(R) * MR * b);
        for (int j = 0; j < b; j += NR)
            FN(k_mul)
        (FN(imin)(b, j + NR), y, S->tj + (size_t)(j / MR) * b * MR + j % MR, x + (size_t)j * MR);
    }
}

// Computes S = V^T X. The column panels of V are shared among the threads.
static void FN(form_s)(const REDUCTION *S, const R *wn, int r0) {
    const int b = S->b, np = (S->N - r0) / MR;
    const size_t js = (size_t)S->N * MR;
    for (int u; (u = ts_next(S->team)) < b / MR;) {
        R *s = S->s + (size_t)u * b * MR;
        memset(s, 0, sizeof(R) * b * MR);
        for (int c = 0; c < b; c += NR)
            FN(k_tmul_long)
        (np, S->vj + u * js + (size_t)r0 * MR, wn + (size_t)r0 * b + (size_t)c * MR, (size_t)MR * b,
         s + (size_t)c * MR);
    }
}

// Computes -Z, where Z = T^T S / 2. One thread does this.
static void FN(form_z)(const REDUCTION *S) {
    const int b = S->b;
    for (int c = 0; c < b; c++) {
        R col[TS_MAXBAND];
        for (int p = 0; p < b; p++)
            col[p] = S->s[(size_t)(p / MR) * b * MR + c * MR + p % MR];
        for (int i = 0; i < b; i++) {
            R sum = 0;
            for (int p = 0; p <= i; p++)
                sum += S->t[i * b + p] * col[p];
            S->z[(size_t)(c / MR) * b * MR + i * MR + c % MR] = sum / -2;
        }
    }
}

// One step of the reduction, for the panel of columns c0 on: factors the panel, which is
// in vn, and multiplies the trailing matrix A, from row r0 on, by its V, while the pending
// update (v, w) is applied to A. (vn, wn) is the next update: W = X - V Z, X = Y T, Y = A V.
static void FN(step)(const REDUCTION *S, const R *v, const R *w, int c0, int r0, R *vn, R *wn,
                     int tid) {
    const int N = S->N, b = S->b, nth = S->team->nt, k0 = r0 / S->nb;
    int ng = FN(imax)(1, FN(imin)(S->ng, (S->nt - k0) / 4)), gs[33], lo, hi;
    for (int g = 0; g <= ng; g++)
        gs[g] = FN(group_start)(k0, S->nt, ng, g);
    FN(zero_y)(S, r0, ng, gs, tid);
    ts_barrier(S->team);
    if (tid == 0)
        FN(factor)(S, vn, c0, r0);
    ts_barrier(S->team);
    for (int g; (g = ts_next(S->team)) < ng;)
        FN(sweep)(S, v, w, r0, gs[g], gs[g + 1], S->y1 + g * (size_t)N * b);
    ts_barrier(S->team);
    ts_share((N - r0) / MR, nth, tid, &lo, &hi);
    FN(form_x)(S, wn, r0, ng, gs, lo, hi, S->ws + (size_t)tid * MR * b);
    ts_barrier(S->team);
    FN(form_s)(S, wn, r0);
    ts_barrier(S->team);
    if (tid == 0)
        FN(form_z)(S);
    ts_barrier(S->team);
    for (int q = lo; q < hi; q++) {
        const int r = r0 + q * MR;
        for (int j = 0; j < b; j += NR)
            FN(k_mul)
        (b, vn + (size_t)r * b, S->z + (size_t)(j / MR) * b * MR + j % MR,
         wn + (size_t)r * b + (size_t)j * MR);
    }
    ts_barrier(S->team);
}

// One thread's part of the whole reduction; every thread runs this.
static void FN(sy2sb)(REDUCTION *S, int tid) {
    const R *v = NULL, *w = NULL; // pending update
    int cur = 0;
    for (int k; (k = ts_next(S->team)) < S->nt;)
        for (int i = k; i < S->nt; i++)
            FN(tile_load)(S, i, k);
    ts_barrier(S->team);
    for (int c0 = 0; c0 < S->N; c0 += S->b) {
        const int r0 = FN(imin)(S->N, c0 + S->b); // first row of the trailing matrix
        R *vn = S->v[cur], *wn = S->w[cur];
        FN(panel_cols)(S, v, w, c0, r0, vn, tid);
        if (r0 >= S->N)
            break;
        FN(step)(S, v, w, c0, r0, vn, wn, tid);
        v = vn;
        w = wn;
        cur ^= 1;
    }
    ts_barrier(S->team);
}
