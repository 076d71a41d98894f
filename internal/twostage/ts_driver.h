// The solver for one precision and kernel set (template, see ts_simd.h).

// Returns the largest absolute value of the upper triangle, or NaN if an element is not
// finite.
static R FN(maxabs)(int n, const R *a, int lda) {
    R m = 0, nan = 0;
    for (int i = 0; i < n; i++) {
        const R *p = a + (size_t)i * lda;
        int j = i;
        V mv = (V){0}, nv = (V){0};
        for (; j + VL <= n; j += VL) {
            V x = LOAD(p + j);
            mv = VMAX(mv, VMAX(x, -x));
            nv += x - x;
        }
        for (int k = 0; k < VL; k++) {
            m = mv[k] > m ? mv[k] : m;
            nan += nv[k];
        }
        for (; j < n; j++) {
            R x = p[j] < 0 ? -p[j] : p[j];
            m = x > m ? x : m;
            nan += x - x;
        }
    }
    return m + nan;
}

// Bandwidth of the first stage for order n: the fastest, as a multiple of MR (measured
// with AVX2).
static int FN(bandwidth)(int n) {
    const int b = TS_DOUBLE ? (TS_KIND == TS_AVX2 ? 12 : n < 3000 ? 24 : 36) : (n < 6000 ? 24 : 48);
    return (b + MR - 1) / MR * MR;
}

// Whether order n goes straight to tridiagonal form: up to the order above which two
// stages are faster (measured with AVX2).
INLINE int FN(is_direct)(int n) { return n <= (TS_KIND != TS_AVX2 ? 800 : TS_DOUBLE ? 448 : 704); }

typedef struct {
    REDUCTION sb;
    CHASE st;
    ts_team team;
    double *d, *e; // the tridiagonal matrix
} JOB;

// Lays the workspace of order n out from base (NULL: only measures). Returns bytes.
static size_t FN(layout)(int n, int nth, JOB *J, char *base) {
    ts_arena m = {base, 0};
    const int b = FN(bandwidth)(n);
    const size_t N = (size_t)(n + MR - 1) / MR * MR;
    const int nb = b * ((96 + b / 2) / b); // tile order: the multiple of b nearest 96
    const size_t nt = (N + nb - 1) / nb;
    const int ng = (int)(nt / 4 < 1 ? 1 : nt / 4 > 8 ? 8 : nt / 4);
    const size_t r = sizeof(R), bb = (size_t)b * b;
    REDUCTION *S = &J->sb;
    J->d = ts_take(&m, sizeof(double) * (n + 1));
    J->e = ts_take(&m, sizeof(double) * (n + 1));
    if (FN(is_direct)(n)) { // the matrix by columns, then seven vectors
        const size_t ldd = FN(direct_ld)(n);
        S->tile = ts_take(&m, r * ldd * (ldd + 7));
        return m.used + 64;
    }
    S->tile = ts_take(&m, r * (nt * (nt + 1) / 2 * nb * nb));
    for (int i = 0; i < 2; i++) {
        S->v[i] = ts_take(&m, r * N * b);
        S->w[i] = ts_take(&m, r * N * b);
    }
    S->vj = ts_take(&m, r * N * b);
    S->y1 = ts_take(&m, r * N * b * ng);
    S->y2 = ts_take(&m, r * N * b);
    S->r = ts_take(&m, r * bb);
    S->t = ts_take(&m, r * bb);
    S->tj = ts_take(&m, r * bb);
    S->s = ts_take(&m, r * bb);
    S->z = ts_take(&m, r * bb);
    const size_t ws = bb + 2 * (size_t)b * MR + b, yw = (size_t)nth * MR * b;
    S->ws = ts_take(&m, r * (ws > yw ? ws : yw));
    const int ld = 2 * b + VL;
    S->band = ts_take(&m, r * (((size_t)n + 2 * b + 2) * (ld + 1)));
    J->st.done = ts_take(&m, sizeof(atomic_int) * ((size_t)n + 1));
    S->n = n;
    S->N = (int)N;
    S->b = b;
    S->nb = nb;
    S->nt = (int)nt;
    S->ng = ng;
    S->ldb = ld;
    J->st.n = n;
    J->st.b = b;
    J->st.ld = ld;
    J->st.band = S->band;
    S->team = J->st.team = &J->team;
    return m.used + 64;
}

static size_t FN(worksize)(int n, int nth) {
    JOB J;
    return FN(layout)(n, nth, &J, NULL);
}

// The part of one thread; every thread of the team runs this.
static void FN(work)(void *p, int tid) {
    JOB *J = p;
    ts_barrier(&J->team);
    FN(sy2sb)(&J->sb, tid);
    FN(sb2st)(&J->st, tid);
}

// Copies scale*A into columns and reduces it in one stage.
static void FN(direct_run)(int n, const R *a, int lda, R scale, JOB *J) {
    const int ld = FN(direct_ld)(n);
    R *m = J->sb.tile;
    for (int k = 0; k < ld; k++) {
        R *col = m + (size_t)k * ld;
        const int lo = k < n ? k : ld, hi = k < n ? n : ld;
        memset(col, 0, sizeof(R) * lo);
        for (int i = lo; i < hi; i++)
            col[i] = a[(size_t)k * lda + i] * scale;
        memset(col + hi, 0, sizeof(R) * (ld - hi));
    }
    FN(sytd)(n, m, ld, J->d, J->e, m + (size_t)ld * ld);
}

// Reduces scale*A in two stages.
static void FN(twostage_run)(int n, const R *a, int lda, R scale, JOB *J, int nth) {
    J->sb.scale = scale;
    J->sb.a = a;
    J->sb.lda = lda;
    memset(J->sb.band, 0, sizeof(R) * ((size_t)n + 2 * J->sb.b + 2) * (J->sb.ldb + 1));
    for (int i = 0; i < n; i++)
        atomic_init(&J->st.done[i], 0);
    ts_team_run(&J->team, nth, FN(work), J);
    for (int i = 0; i < n; i++) {
        const R *p = J->sb.band + (size_t)i * J->sb.ldb + i;
        J->d[i] = p[0];
        J->e[i] = i < n - 1 ? p[1] : 0;
    }
}

// Orders 1 and 2; the largest element lies below 2^ex.
static void FN(tiny)(int n, const R *a, int lda, int ex, R *w) {
    if (n == 1) {
        w[0] = a[0];
        return;
    }
    double lo, hi, x = ldexp((double)a[1], -ex);
    FN64(lae2)(ldexp((double)a[0], -ex), x * x, ldexp((double)a[lda + 1], -ex), &hi, &lo);
    w[0] = (R)ldexp(lo < hi ? lo : hi, ex);
    w[1] = (R)ldexp(lo < hi ? hi : lo, ex);
}

static int FN(syev)(int n, const R *a, int lda, R *w, void *work, int nth) {
    R amax = FN(maxabs)(n, a, lda);
    if (!(amax == amax))
        return TS_NOTFINITE;
    if (amax == 0) {
        for (int i = 0; i < n; i++)
            w[i] = a[(size_t)i * lda + i];
        return 0;
    }
    int ex;
    frexp((double)amax, &ex);
    if (n <= 2) {
        FN(tiny)(n, a, lda, ex, w);
        return 0;
    }
    JOB J;
    memset(&J, 0, sizeof J);
    char *base = (char *)(((uintptr_t)work + 63) & ~(uintptr_t)63);
    ts_advise(work, FN(layout)(n, nth, &J, base));
    // Powers of two stay exact; the clamp keeps the factor itself finite.
    const int lim = TS_DOUBLE ? 1000 : 120;
    if (ex > lim)
        ex = lim;
    if (ex < -lim)
        ex = -lim;
    const R scale = (R)ldexp(1, -ex);
    if (FN(is_direct)(n))
        FN(direct_run)(n, a, lda, scale, &J);
    else
        FN(twostage_run)(n, a, lda, scale, &J, nth);
    int rc = FN64(sterf)(n, J.d, J.e, R_EPS);
    double up = ldexp(1, ex);
    for (int i = 0; i < n; i++)
        w[i] = (R)(J.d[i] * up);
    return rc;
}
