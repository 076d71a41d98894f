// The solver for one precision and kernel set (template, see ts_simd.h).

// Largest absolute value of the upper triangle; NaN-blind.
static R FN(maxabs)(int n, const R *a, int lda) {
  R m = 0;
  for (int i = 0; i < n; i++) {
    const R *p = a + (size_t)i * lda;
    int j = i;
    V mv = (V){0};
    for (; j + VL <= n; j += VL) {
      V x = LOAD(p + j);
      mv = VMAX(mv, VMAX(x, -x));
    }
    for (int k = 0; k < VL; k++) m = mv[k] > m ? mv[k] : m;
    for (; j < n; j++) {
      R x = p[j] < 0 ? -p[j] : p[j];
      m = x > m ? x : m;
    }
  }
  return m;
}

// Bandwidth for order n: the request, or the measured best, as a multiple of
// MR no larger than TS_MAXBAND.
static int FN(pick_band)(int n, int band) {
  int b = band;
  if (band <= 0)
    b = TS_DOUBLE ? (TS_KIND == 2 ? 12 : n < 3000 ? 24 : 36)
                  : (n < 6000 ? 24 : 48);
  b = (b + MR - 1) / MR * MR;
  int top = TS_MAXBAND / MR * MR;
  return b > top ? top : b;
}

// Largest order that goes straight to tridiagonal form when the caller leaves
// the bandwidth open (measured with AVX2; above it the two-stage path wins).
#define TS_DIRECT_MAX (TS_KIND != 2 ? 800 : TS_DOUBLE ? 448 : 704)
INLINE int FN(is_direct)(int n, int band) {
  return band <= 0 && n <= TS_DIRECT_MAX;
}

typedef struct {
  FN(sb) sb;
  FN(st) st;
  ts_team team;
  double t1;
} FN(job);

// Lays the workspace out from base (NULL: only measures). Returns bytes.
static size_t FN(layout)(int n, int band, int nth, FN(job) * J, char *base,
                         double **d, double **e) {
  size_t off = 64;
  uintptr_t al = base ? (64 - ((uintptr_t)base & 63)) & 63 : 0;
#define TAKE(ptr, count)                                                       \
  do {                                                                         \
    if (base) (ptr) = (void *)(base + al + off - 64);                          \
    off += ((size_t)(count) * sizeof(*(ptr)) + 63) & ~(size_t)63;              \
  } while (0)
  const int b = FN(pick_band)(n, band);
  const size_t N = (size_t)(n + MR - 1) / MR * MR;
  // Tile order: the multiple of b nearest 96.
  const int nb = b * ((96 + b / 2) / b > 0 ? (96 + b / 2) / b : 1);
  const size_t nt = (N + nb - 1) / nb;
  const int ng = (int)(nt / 4 < 1 ? 1 : nt / 4 > 8 ? 8 : nt / 4);
  FN(sb) *S = &J->sb;
  double *dd, *ee;
  TAKE(dd, n + 1);
  TAKE(ee, n + 1);
  if (base) {
    *d = dd;
    *e = ee;
  }
  if (FN(is_direct)(n, band)) { // the matrix by columns, then seven vectors
    const size_t ldd = FN(direct_ld)(n);
    TAKE(S->tile, ldd * (ldd + 7));
    return off + 64;
  }
  TAKE(S->tile, nt * (nt + 1) / 2 * nb * nb);
  for (int i = 0; i < 2; i++) {
    TAKE(S->v[i], N * b);
    TAKE(S->w[i], N * b);
  }
  TAKE(S->vj, N * b);
  TAKE(S->y1, N * b * ng);
  TAKE(S->y2, N * b);
  TAKE(S->r, (size_t)b * b);
  TAKE(S->t, (size_t)b * b);
  TAKE(S->tj, (size_t)b * b);
  TAKE(S->s, (size_t)b * b);
  TAKE(S->z, (size_t)b * b);
  size_t ws = (size_t)b * b + 2 * (size_t)b * MR + b, yw = (size_t)nth * MR * b;
  TAKE(S->ws, ws > yw ? ws : yw);
  const int ld = 2 * b + VL;
  TAKE(S->band, ((size_t)n + 2 * b + 2) * (ld + 1));
  TAKE(J->st.done, (size_t)n + 1);
#undef TAKE
  if (base) {
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
  }
  return off + 64;
}

static size_t FN(worksize)(int n, int band, int nth) {
  FN(job) J;
  return FN(layout)(n < 0 ? 0 : n, band, nth, &J, NULL, NULL, NULL);
}

// What every thread of the team runs.
static void FN(work)(void *p, int tid) {
  FN(job) *J = p;
  ts_barrier(&J->team);
  FN(sy2sb)(&J->sb, tid);
  if (tid == 0) J->t1 = ts_now();
  FN(sb2st)(&J->st, tid);
}

// Copies scale*A into columns and reduces it in one stage.
static void FN(direct_run)(int n, const R *a, int lda, R scale, R *m,
                           double *d, double *e) {
  const int ld = FN(direct_ld)(n);
  for (int k = 0; k < ld; k++) {
    R *col = m + (size_t)k * ld;
    const int lo = k < n ? k : ld, hi = k < n ? n : ld;
    memset(col, 0, sizeof(R) * lo);
    for (int i = lo; i < hi; i++) col[i] = a[(size_t)k * lda + i] * scale;
    memset(col + hi, 0, sizeof(R) * (ld - hi));
  }
  FN(sytd)(n, m, ld, d, e, m + (size_t)ld * ld);
}

static int FN(syev)(int n, const R *a, int lda, R *w, void *work, int band,
                    int nth) {
  if (n == 0) return 0;
  double t0 = ts_now(), t2;
  R amax = FN(maxabs)(n, a, lda);
  if (!(amax > 0) || amax - amax != 0) { // zero, or Inf
    for (int i = 0; i < n; i++) w[i] = a[(size_t)i * lda + i];
    if (amax > 0) return n;
    return 0;
  }
  int ex;
  frexp((double)amax, &ex);
  if (n <= 2) {
    if (n == 1) {
      w[0] = a[0];
      return 0;
    }
    double lo, hi, x = ldexp((double)a[1], -ex);
    FN64(lae2)(ldexp((double)a[0], -ex), x * x, ldexp((double)a[lda + 1], -ex),
               &hi, &lo);
    w[0] = (R)ldexp(lo < hi ? lo : hi, ex);
    w[1] = (R)ldexp(lo < hi ? hi : lo, ex);
    return 0;
  }
  FN(job) J;
  double *d, *e;
  memset(&J, 0, sizeof J);
  ts_advise(work, FN(layout)(n, band, nth, &J, work, &d, &e));
  // Powers of two stay exact; the clamp keeps the factor itself finite.
  const int lim = TS_DOUBLE ? 1000 : 120;
  if (ex > lim) ex = lim;
  if (ex < -lim) ex = -lim;
  const R scale = (R)ldexp(1, -ex);
  if (FN(is_direct)(n, band)) {
    FN(direct_run)(n, a, lda, scale, J.sb.tile, d, e);
    J.t1 = t2 = ts_now();
  } else {
    J.sb.scale = scale;
    J.sb.a = a;
    J.sb.lda = lda;
    memset(J.sb.band, 0,
           sizeof(R) * ((size_t)n + 2 * J.sb.b + 2) * (J.sb.ldb + 1));
    for (int i = 0; i < n; i++) atomic_init(&J.st.done[i], 0);
    ts_team_run(&J.team, nth, FN(work), &J);
    t2 = ts_now();
    for (int i = 0; i < n; i++) {
      const R *p = J.sb.band + (size_t)i * J.sb.ldb + i;
      d[i] = p[0];
      e[i] = i < n - 1 ? p[1] : 0;
    }
  }
  int rc = FN64(sterf)(n, d, e, R_EPS);
  double up = ldexp(1, ex);
  for (int i = 0; i < n; i++) w[i] = (R)(d[i] * up);
  double t3 = ts_now();
  ts_stage[0] = J.t1 - t0;
  ts_stage[1] = t2 - J.t1;
  ts_stage[2] = t3 - t2;
  return rc;
}
