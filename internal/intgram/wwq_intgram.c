// Packing, blocking, and the instruction sets of this build. The micro-kernels stand
// in intgram_x86.h and intgram_neon.h. Which sets the machine can run is known to the
// Go side.
#include "wwq_intgram.h"
#include "intgram_types.h"

#include <string.h>

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF // gcc does not contract under -std=c11
#endif

static inline size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

// The specification of the kernels, in plain C.
static void scalar_kernel(int32_t *acc, const uint8_t *a, const int8_t *b, size_t stride,
                          size_t blocks, int bias, const ig_facts *f, const ig_run *runs,
                          size_t nruns) {
    (void)stride, (void)bias, (void)f, (void)runs, (void)nruns;
    memset(acc, 0, sizeof *acc * IG_MR * IG_NR);
    for (size_t g = 0; g < blocks * IG_GROUPS; g++, a += IG_A_GROUP, b += IG_B_GROUP)
        for (int r = 0; r < IG_MR; r++)
            for (int j = 0; j < IG_NR; j++)
                for (int l = 0; l < 4; l++)
                    acc[IG_NR * r + j] += (int8_t)a[4 * r + l] * b[4 * j + l];
}

static void scalar_kernel16(double *acc, const int16_t *a, const int16_t *b, size_t stride,
                            const ig_run *runs, size_t nruns) {
    (void)stride;
    memset(acc, 0, sizeof *acc * IG_MR * IG_NR);
    for (size_t g = 0; g < runs[nruns - 1].end * IG_GROUPS; g++, a += 2 * IG_MR, b += 2 * IG_NR)
        for (int r = 0; r < IG_MR; r++)
            for (int j = 0; j < IG_NR; j++)
                acc[IG_NR * r + j] +=
                    (int32_t)a[2 * r] * b[2 * j] + (int32_t)a[2 * r + 1] * b[2 * j + 1];
}

#define FN(name) scalar_##name
#define TARGET
#include "intgram_loops.h"

static const ig_table scalar_table = {
    .b_panels = 1,
    .kernel = scalar_kernel,
    .add = scalar_add,
    .survey16 = scalar_survey16,
    .kernel16 = scalar_kernel16,
};

#ifdef __x86_64__
#include "intgram_x86.h"
#endif
#ifdef __aarch64__
#include "intgram_neon.h"
#endif

// From the portable set to the best one, so that set 0 runs everywhere.
static const struct {
    const char *name;
    const ig_table *table;
} sets[] = {
    {.name = "scalar", .table = &scalar_table},
#ifdef __x86_64__
    {.name = "avx2", .table = &avx2_table},
    {.name = "avxvnni", .table = &avxvnni_table},
    {.name = "avx512vnni", .table = &avx512vnni_table},
#endif
#ifdef __aarch64__
    {.name = "neon", .table = &neon_table},
#endif
#ifdef HAVE_DOTPROD
    {.name = "dotprod", .table = &dotprod_table},
#endif
};

const char *wwq_ig_set(int set) {
    return (size_t)set < sizeof sets / sizeof *sets ? sets[set].name : NULL;
}

int wwq_ig_fast16(int set) { return sets[set].table->kernel16 != scalar_kernel16; }

// Packs one group of at most NR columns and pads it with zeros. Columns lie col bytes
// apart, the elements of a column row bytes.
static void pack_edge(int8_t *dst, const int8_t *q, size_t size, size_t cols, size_t col,
                      size_t rows, size_t row) {
    memset(dst, 0, IG_B_GROUP);
    for (size_t j = 0; j < cols; j++)
        for (size_t l = 0; l < rows; l++)
            memcpy(dst + 4 * j + size * l, q + j * col + l * row, size);
}

// Packs 4 rows of 16 int8, ld bytes apart, to a group of 16 columns.
static inline void pack_rows(int8_t *dst, const int8_t *q, size_t ld) {
#ifdef __x86_64__
    __m128i r0 = _mm_loadu_si128((const __m128i *)q);
    __m128i r1 = _mm_loadu_si128((const __m128i *)(q + ld));
    __m128i r2 = _mm_loadu_si128((const __m128i *)(q + 2 * ld));
    __m128i r3 = _mm_loadu_si128((const __m128i *)(q + 3 * ld));
    __m128i l01 = _mm_unpacklo_epi8(r0, r1), h01 = _mm_unpackhi_epi8(r0, r1);
    __m128i l23 = _mm_unpacklo_epi8(r2, r3), h23 = _mm_unpackhi_epi8(r2, r3);
    __m128i *d = (__m128i *)dst;
    d[0] = _mm_unpacklo_epi16(l01, l23);
    d[1] = _mm_unpackhi_epi16(l01, l23);
    d[2] = _mm_unpacklo_epi16(h01, h23);
    d[3] = _mm_unpackhi_epi16(h01, h23);
#elif defined(__aarch64__)
    int8x16x4_t r = {{vld1q_s8(q), vld1q_s8(q + ld), vld1q_s8(q + 2 * ld), vld1q_s8(q + 3 * ld)}};
    vst4q_s8(dst, r);
#else
    for (int j = 0; j < IG_NR; j++)
        for (int l = 0; l < 4; l++)
            dst[4 * j + l] = q[j + l * ld];
#endif
}

// Packs 2 rows of 16 int16, ld bytes apart, to a group of 16 columns.
static inline void pack_rows16(int8_t *dst, const int8_t *q, size_t ld) {
#ifdef __x86_64__
    for (int h = 0; h < 2; h++) {
        __m128i r0 = _mm_loadu_si128((const __m128i *)q + h);
        __m128i r1 = _mm_loadu_si128((const __m128i *)(q + ld) + h);
        _mm_storeu_si128((__m128i *)dst + 2 * h, _mm_unpacklo_epi16(r0, r1));
        _mm_storeu_si128((__m128i *)dst + 2 * h + 1, _mm_unpackhi_epi16(r0, r1));
    }
#else
    for (int j = 0; j < IG_NR; j++) {
        memcpy(dst + 4 * j, q + 2 * j, 2);
        memcpy(dst + 4 * j + 2, q + ld + 2 * j, 2);
    }
#endif
}

// Packs len elements of k columns to B panels stride apart. ld counts bytes.
static void pack_b(int8_t *b, size_t stride, int trans, size_t size, size_t k, size_t len,
                   size_t blocks, const int8_t *q, size_t ld) {
    const size_t panels = (k + IG_NR - 1) / IG_NR, per = 4 / size; // elements of a group
    const size_t col = trans ? size : ld, row = trans ? ld : size;
    // The inner loop follows the rows of q.
    for (size_t outer = 0; outer < (trans ? blocks : panels); outer++)
        for (size_t inner = 0; inner < (trans ? panels : blocks); inner++) {
            const size_t c = trans ? outer : inner, p = trans ? inner : outer;
            const size_t cols = min_size(IG_NR, k - IG_NR * p);
            for (size_t g = c * IG_GROUPS; g < (c + 1) * IG_GROUPS; g++) {
                int8_t *dst = b + stride * p + IG_B_GROUP * g;
                const size_t rows = per * g < len ? min_size(per, len - per * g) : 0;
                const int8_t *src = rows ? q + per * g * row + IG_NR * p * col : q;
                if (rows < per || cols < IG_NR)
                    pack_edge(dst, src, size, cols, col, rows, row);
                else if (!trans)
                    for (int j = 0; j < IG_NR; j++)
                        memcpy(dst + 4 * j, src + j * ld, 4);
                else if (size == 1)
                    pack_rows(dst, src, ld);
                else
                    pack_rows16(dst, src, ld);
            }
        }
}

// Copies the B panels to A panels and adds bias to every byte. Both panel widths are
// even, so pairs of columns lie together in both.
static void pack_a(uint8_t *a, size_t a_stride, const int8_t *b, size_t b_stride, size_t k,
                   size_t groups, int bias) {
    const uint64_t tops = 0x8080808080808080u, add = bias * (uint64_t)0x0101010101010101u;
    for (size_t p = 0; p * IG_MR < k; p++, a += a_stride)
        for (size_t i = 0; i < IG_MR; i += 2) {
            const size_t col = p * IG_MR + i;
            const int8_t *src = b + b_stride * (col / IG_NR) + 4 * (col % IG_NR);
            for (size_t g = 0; g < groups; g++) {
                uint64_t x;
                memcpy(&x, src + IG_B_GROUP * g, 8);
                x = ((x & ~tops) + add) ^ (x & tops); // no carry between bytes: bias < 128
                memcpy(a + IG_A_GROUP * g + 4 * i, &x, 8);
            }
        }
}

static inline float maxf(float a, float b) { return a > b ? a : b; }
static inline uint8_t max8(uint8_t a, uint8_t b) { return a > b ? a : b; }

// Derives the bounds of the p-th IG_PLANNED columns of A panels from the statistics of the
// one or two B panels that hold these columns. Bounds of spans are those of the columns,
// bounds of blocks those of the whole B panels.
static void bound_a(ig_bounds *n, const ig_facts *facts, size_t p, size_t blocks) {
    const size_t first = p * IG_PLANNED, last = first + IG_PLANNED - 1;
    const ig_bounds *x = &facts[first / IG_NR].bounds, *y = &facts[last / IG_NR].bounds;
    float total = 0;
    for (size_t s = 0; s * IG_SPAN < blocks; s++) {
        float most = 0;
        for (size_t i = first; i <= last; i++)
            most = maxf(most, facts[i / IG_NR].square[s][i % IG_NR]);
        total += most;
        n->span[s] = root(most);
        n->top_span[s] = max8(x->top_span[s], y->top_span[s]);
    }
    for (size_t c = 0; c < blocks; c++) {
        n->block[c] = maxf(x->block[c], y->block[c]);
        n->top[c] = max8(x->top[c], y->top[c]);
    }
    n->total = root(total);
}

// Widens the bounds of panel x to hold for panel y as well, for kernels that take two
// panels.
static void bound_both(ig_bounds *x, const ig_bounds *y, size_t blocks) {
    x->total = maxf(x->total, y->total);
    for (size_t s = 0; s * IG_SPAN < blocks; s++)
        x->span[s] = maxf(x->span[s], y->span[s]);
    for (size_t c = 0; c < blocks; c++)
        x->block[c] = maxf(x->block[c], y->block[c]);
}

// Cuts the slab of a tile into runs. In a narrow run the sum of every lane satisfies
//
//   |sum a b| <= sum over blocks |a| |b| <= limit (Cauchy and Schwarz)
//
// where limit leaves room below 2^15 or 2^31 for the rounding of norms. Single
// instructions saturate, so in a narrow run also (bias + top) * pair < 2^15. never says
// that this holds for any data.
#define LIMIT 32700.0f
#define LIMIT16 2.1470e9f
static size_t plan(ig_run *runs, const ig_bounds *a, const ig_bounds *b, size_t blocks, int bias,
                   int never, float limit) {
    if (never && a->total * b->total <= limit) {
        runs[0] = (ig_run){(uint16_t)blocks, 0};
        return 1;
    }
    size_t n = 0;
    float sum = 2 * limit; // there is no run yet that could go on
    for (size_t s = 0; s * IG_SPAN < blocks; s++) {
        const size_t end = min_size((s + 1) * IG_SPAN, blocks);
        float bound = a->span[s] * b->span[s];
        if (bound <= limit && (never || (bias + a->top_span[s]) * b->pair_span[s] < 32768)) {
            n += sum + bound > limit;
            sum = sum + bound > limit ? bound : sum + bound;
            runs[n - 1] = (ig_run){(uint16_t)end, 0};
            continue;
        }
        for (size_t c = s * IG_SPAN; c < end; c++) {
            bound = a->block[c] * b->block[c];
            int wide = bound > limit || (!never && (bias + a->top[c]) * b->pair[c] > 32767);
            if (wide)
                n += !n || !runs[n - 1].wide;
            else
                n += sum + bound > limit;
            sum = wide ? 2 * limit : sum + bound > limit ? bound : sum + bound;
            runs[n - 1] = (ig_run){(uint16_t)(c + 1), (uint16_t)wide};
        }
    }
    return n;
}

// Adds a tile at row i, column j to c, as far as it lies in the upper triangle. The tile is
// acc16, or acc if acc16 is NULL.
static void add_tile(const ig_table *t, double *c, size_t ldc, const int32_t *acc,
                     const double *acc16, size_t i, size_t j, size_t k) {
    const size_t rows = min_size(IG_MR, k - i), cols = min_size(IG_NR, k - j);
    for (size_t r = 0; r < rows; r++) {
        double *row = c + (i + r) * ldc + j;
        const size_t at = IG_NR * r;
        if (acc16)
            for (size_t l = i + r > j ? i + r - j : 0; l < cols; l++)
                row[l] += acc16[at + l];
        else if (i + r <= j && cols == IG_NR)
            t->add(row, acc + at);
        else
            for (size_t l = i + r > j ? i + r - j : 0; l < cols; l++)
                row[l] += acc[at + l];
    }
}

// Where the parts of a packed slab lie in the scratch memory. Panels are an odd multiple of
// 64 bytes apart, so that they do not fall on the same cache sets.
typedef struct {
    size_t blocks, b_stride, a_stride, bounds, b, a, size;
} layout;

// m counts bytes of a column.
static layout lay_out(size_t k, size_t m) {
    layout l;
    const size_t slabs = (m + IG_SLAB - 1) / IG_SLAB;
    // There are two more B panels than k fills: one for the columns of the last A panel
    // beyond column k, one for kernels that take two panels.
    const size_t b_panels = (k + IG_NR - 1) / IG_NR + 2, a_panels = (k + IG_MR - 1) / IG_MR;
    l.blocks = slabs ? ((m + slabs - 1) / slabs + IG_BLOCK - 1) / IG_BLOCK : 0;
    l.b_stride = l.blocks * IG_BLOCK * IG_NR + 64;
    l.a_stride = round_up(l.blocks * IG_BLOCK * IG_MR, 128) + 64;
    l.bounds = b_panels * sizeof(ig_facts); // the facts come first
    l.b = l.bounds + round_up((k + IG_PLANNED - 1) / IG_PLANNED * sizeof(ig_bounds), 64);
    l.a = l.b + b_panels * l.b_stride;
    l.size = l.a + a_panels * l.a_stride;
    return l;
}

size_t wwq_ig_space(size_t k, size_t m, size_t size) { return lay_out(k, m * size).size; }

#define B_PART 262144 // bytes of B panels at a time: half of a common L2 cache

// Adds the products of a packed slab to c. The B panels are taken in groups that fit in
// cache; this call takes every parts-th group, beginning with group number part.
static void multiply_slab(const ig_table *t, const layout *l, size_t size, const char *space,
                          size_t k, size_t blocks, int qmax, double *c, size_t ldc, size_t part,
                          size_t parts) {
    const ig_facts *facts = (const ig_facts *)space;
    const ig_bounds *bounds = (const ig_bounds *)(space + l->bounds);
    const char *b = space + l->b, *a = space + l->a;
    const size_t panels = (k + IG_NR - 1) / IG_NR, width = t->b_panels * IG_NR;
    const size_t step = l->b_stride < B_PART / 2 ? B_PART / l->b_stride / 2 * 2 : 2;
    const int never = size == 2 || 4 * qmax * qmax < 32768;
    const float limit = size == 2 ? LIMIT16 : LIMIT;
    for (size_t j0 = part * step; j0 < panels; j0 += parts * step) {
        const size_t j1 = min_size(j0 + step, panels);
        for (size_t i0 = 0; i0 < min_size(k, j1 * IG_NR); i0 += IG_PLANNED) {
            // The first tile that reaches the triangle.
            size_t j = j0;
            while (j * IG_NR + width <= i0)
                j += t->b_panels;
            for (; j < j1; j += t->b_panels) {
                ig_run runs[IG_BLOCKS];
                const size_t nruns = size == 2 || t->planned
                                         ? plan(runs, &bounds[i0 / IG_PLANNED], &facts[j].bounds,
                                                blocks, qmax, never, limit)
                                         : 0;
                const size_t i1 = min_size(min_size(i0 + IG_PLANNED, k), j * IG_NR + width);
                for (size_t i = i0; i < i1; i += IG_MR) {
                    _Alignas(64) union {
                        int32_t i32[2 * IG_MR * IG_NR];
                        double f64[2 * IG_MR * IG_NR];
                    } acc;
                    for (size_t r = 0; r < IG_MR && i + r < k; r++) {
                        double *row = c + (i + r) * ldc + j * IG_NR;
                        __builtin_prefetch(row, 1);
                        __builtin_prefetch(row + min_size(8, k - 1 - j * IG_NR), 1);
                    }
                    const char *pa = a + l->a_stride * (i / IG_MR), *pb = b + l->b_stride * j;
                    if (size == 2)
                        t->kernel16(acc.f64, (const int16_t *)pa, (const int16_t *)pb, l->b_stride,
                                    runs, nruns);
                    else
                        t->kernel(acc.i32, (const uint8_t *)pa, (const int8_t *)pb, l->b_stride,
                                  blocks, qmax, &facts[j], runs, nruns);
                    for (size_t x = 0, at = 0; x < t->b_panels && j + x < panels;
                         x++, at += IG_MR * IG_NR)
                        if (i < (j + x + 1) * IG_NR)
                            add_tile(t, c, ldc, acc.i32 + at, size == 2 ? acc.f64 + at : NULL, i,
                                     (j + x) * IG_NR, k);
                }
            }
        }
    }
}

size_t wwq_ig_slab(size_t m, size_t size) { return lay_out(1, m * size).blocks * IG_BLOCK / size; }

void wwq_ig_pack(int set, const ig_product *p, size_t from, void *space) {
    const ig_table *t = sets[set].table;
    const size_t size = p->size, k = p->k;
    const layout l = lay_out(k, p->m * size);
    const size_t panels = (k + IG_NR - 1) / IG_NR, slab = l.blocks * IG_BLOCK / size;
    const size_t ld = p->ldq * size, next = p->trans ? ld : size;
    const size_t len = min_size(slab, p->m - from), blocks = (len * size + IG_BLOCK - 1) / IG_BLOCK;
    const int bias = t->biased && size == 1 ? p->qmax : 0;
    char *at = space;
    ig_facts *facts = (ig_facts *)at;
    ig_bounds *bounds = (ig_bounds *)(at + l.bounds);
    int8_t *b = (int8_t *)(at + l.b);
    pack_b(b, l.b_stride, p->trans, size, k, len, blocks, (const int8_t *)p->q + from * next, ld);
    memset(b + l.b_stride * panels, 0, 2 * l.b_stride);
    for (size_t i = 0; i < panels + 2; i++) {
        if (size == 2)
            t->survey16(&facts[i], (const int16_t *)(b + l.b_stride * i), blocks);
        else if (t->survey)
            t->survey(&facts[i], b + l.b_stride * i, blocks, bias);
    }
    if (size == 2 || t->planned)
        for (size_t i = 0; i * IG_PLANNED < k; i++)
            bound_a(&bounds[i], facts, i, blocks);
    if (size == 2 && t->b_panels == 2)
        for (size_t i = 0; i < panels; i += 2)
            bound_both(&facts[i].bounds, &facts[i + 1].bounds, blocks);
    pack_a((uint8_t *)(at + l.a), l.a_stride, b, l.b_stride, k, blocks * IG_GROUPS, bias);
}

void wwq_ig_multiply(int set, const ig_product *p, size_t from, const void *space, double *c,
                     size_t ldc, size_t part, size_t parts) {
    const layout l = lay_out(p->k, p->m * p->size);
    const size_t len = min_size(l.blocks * IG_BLOCK / p->size, p->m - from);
    multiply_slab(sets[set].table, &l, p->size, space, p->k,
                  (len * p->size + IG_BLOCK - 1) / IG_BLOCK, p->qmax, c, ldc, part, parts);
}
