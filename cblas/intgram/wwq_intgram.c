/* Packing, blocking, and the choice of the instruction set at run time. The
 * kernels stand in intgram_x86.h and intgram_neon.h. */
#include "wwq_intgram.h"
#include "intgram_types.h"

#include <string.h>

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF /* gcc does not contract under -std=c11 */
#endif

static inline size_t min_size(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

/* The root of x >= 0, or a little more: Newton's steps come from above. The guess
 * halves the exponent and is within 4%, so that two steps reach 1e-6. */
static inline float root(float x) {
    uint32_t u;
    float y;
    memcpy(&u, &x, 4);
    u = (u >> 1) + 0x1fbd1df5u;
    memcpy(&y, &u, 4);
    y = 0.5f * (y + x / y);
    return 0.5f * (y + x / y);
}

/* The specification of a kernel. */
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

#define FN(name) scalar_##name
#define TARGET
#include "intgram_quantize.h"

static const ig_table scalar_table = {0, 0, 1, NULL, scalar_kernel, scalar_add, scalar_quantize};

#ifdef __x86_64__
#include "intgram_x86.h"

#include <cpuid.h>

static int has_avx2(void) { return __builtin_cpu_supports("avx2"); }
static int has_avxvnni(void) { /* not every compiler's __builtin_cpu_supports knows it */
    unsigned a, b, c, d;
    return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a >> 4 & 1;
}
static int has_avx512vnni(void) {
    return has_avx2() && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}
#endif
#ifdef __aarch64__
#include "intgram_neon.h"
#endif

static const struct {
    const char *name;
    const ig_table *table;
    int (*present)(void);
    int only_forced; /* never chosen by itself: not yet run on a processor that has it */
} sets[] = {
#ifdef __x86_64__
    {"avx512vnni", &avx512vnni_table, has_avx512vnni, 1},
    {"avxvnni", &avxvnni_table, has_avxvnni, 1},
    {"avx2", &avx2_table, has_avx2},
#endif
#ifdef HAVE_DOTPROD
    {"dotprod", &dotprod_table, has_dotprod},
#endif
#ifdef __aarch64__
    {"neon", &neon_table, NULL},
#endif
    {"scalar", &scalar_table, NULL},
};

/* Set before main runs, so that no call ever races with the choice. */
static size_t chosen;

__attribute__((constructor)) static void choose(void) {
#ifdef __x86_64__
    __builtin_cpu_init();
#endif
    while (sets[chosen].only_forced || (sets[chosen].present && !sets[chosen].present()))
        chosen++;
}

const char *wwq_ig_simd(void) { return sets[chosen].name; }

int wwq_ig_force(const char *name) {
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (!strcmp(sets[i].name, name) && (!sets[i].present || sets[i].present())) {
            chosen = i;
            return 1;
        }
    return 0;
}

void wwq_ig_quantize(int8_t *dst, const float *src, size_t n, float scale, float qmax) {
    sets[chosen].table->quantize(dst, src, n, scale, qmax);
}

/* One group of 4 elements of NR columns, whose bytes lie col and row apart. */
static void pack_edge(int8_t *dst, const int8_t *q, size_t cols, size_t col, size_t rows, size_t row) {
    memset(dst, 0, IG_B_GROUP);
    for (size_t j = 0; j < cols; j++)
        for (size_t l = 0; l < rows; l++)
            dst[4 * j + l] = q[j * col + l * row];
}

/* 4 rows of 16 bytes to 16 groups of 4. */
static inline void pack_rows(int8_t *dst, const int8_t *q, size_t ldq) {
#ifdef __x86_64__
    __m128i r0 = _mm_loadu_si128((const __m128i *)q);
    __m128i r1 = _mm_loadu_si128((const __m128i *)(q + ldq));
    __m128i r2 = _mm_loadu_si128((const __m128i *)(q + 2 * ldq));
    __m128i r3 = _mm_loadu_si128((const __m128i *)(q + 3 * ldq));
    __m128i l01 = _mm_unpacklo_epi8(r0, r1), h01 = _mm_unpackhi_epi8(r0, r1);
    __m128i l23 = _mm_unpacklo_epi8(r2, r3), h23 = _mm_unpackhi_epi8(r2, r3);
    __m128i *d = (__m128i *)dst;
    d[0] = _mm_unpacklo_epi16(l01, l23);
    d[1] = _mm_unpackhi_epi16(l01, l23);
    d[2] = _mm_unpacklo_epi16(h01, h23);
    d[3] = _mm_unpackhi_epi16(h01, h23);
#elif defined(__aarch64__)
    int8x16x4_t r = {{vld1q_s8(q), vld1q_s8(q + ldq), vld1q_s8(q + 2 * ldq), vld1q_s8(q + 3 * ldq)}};
    vst4q_s8(dst, r);
#else
    for (int j = 0; j < IG_NR; j++)
        for (int l = 0; l < 4; l++)
            dst[4 * j + l] = q[j + l * ldq];
#endif
}

/* Packs len elements of k columns to B panels stride apart. */
static void pack_b(int8_t *b, size_t stride, int trans, size_t k, size_t len, size_t blocks,
                   const int8_t *q, size_t ldq) {
    const size_t panels = (k + IG_NR - 1) / IG_NR;
    const size_t col = trans ? 1 : ldq, row = trans ? ldq : 1;
    /* Inner loops follow the rows of q. */
    for (size_t outer = 0; outer < (trans ? blocks : panels); outer++)
        for (size_t inner = 0; inner < (trans ? panels : blocks); inner++) {
            const size_t c = trans ? outer : inner, p = trans ? inner : outer;
            const size_t cols = min_size(IG_NR, k - IG_NR * p);
            for (size_t g = c * IG_GROUPS; g < (c + 1) * IG_GROUPS; g++) {
                int8_t *dst = b + stride * p + IG_B_GROUP * g;
                const size_t rows = 4 * g < len ? min_size(4, len - 4 * g) : 0;
                const int8_t *src = rows ? q + 4 * g * row + IG_NR * p * col : q;
                if (rows < 4 || cols < IG_NR)
                    pack_edge(dst, src, cols, col, rows, row);
                else if (trans)
                    pack_rows(dst, src, ldq);
                else
                    for (int j = 0; j < IG_NR; j++)
                        memcpy(dst + 4 * j, src + j * ldq, 4);
            }
        }
}

/* Copies the B panels to A panels, bias added to every byte. Both panel widths
 * are even, so that pairs of columns lie together in both. */
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
                x = ((x & ~tops) + add) ^ (x & tops); /* no carry between bytes: bias < 128 */
                memcpy(a + IG_A_GROUP * g + 4 * i, &x, 8);
            }
        }
}

static inline float maxf(float a, float b) { return a > b ? a : b; }
static inline uint8_t max8(uint8_t a, uint8_t b) { return a > b ? a : b; }

/* Bounds of the p-th IG_PLANNED columns of A panels, from the facts of the two B
 * panels at most that hold them: spans by the columns, blocks by the panels. */
static void bound_a(ig_bounds *n, const ig_facts *facts, size_t p, size_t blocks) {
    const size_t first = p * IG_PLANNED, last = first + IG_PLANNED - 1;
    const ig_bounds *x = &facts[first / IG_NR].bounds, *y = &facts[last / IG_NR].bounds;
    float total = 0;
    for (size_t s = 0; s * IG_SPAN < blocks; s++) {
        uint16_t most = 0;
        for (size_t i = first; i <= last; i++) {
            uint16_t e = facts[i / IG_NR].square[s][i % IG_NR];
            most = e > most ? e : most;
        }
        total += 8 * (float)most;
        n->span[s] = root(8 * (float)most);
        n->top_span[s] = max8(x->top_span[s], y->top_span[s]);
    }
    for (size_t c = 0; c < blocks; c++) {
        n->block[c] = maxf(x->block[c], y->block[c]);
        n->top[c] = max8(x->top[c], y->top[c]);
    }
    n->total = root(total);
}

/* Cuts the slab of a tile into runs. In a narrow run every lane's sum keeps to
 *
 *   |sum a b| <= sum over blocks |a| |b| <= LIMIT (Cauchy and Schwarz)
 *
 * where LIMIT leaves room below 2^15 for the rounding of norms; and no single
 * instruction, whose sums saturate, exceeds (bias + top) * pair < 2^15. */
#define LIMIT 32700.0f
static size_t plan(ig_run *runs, const ig_bounds *a, const ig_bounds *b, size_t blocks, int bias) {
    const int never = 4 * bias * bias < 32768; /* saturates */
    if (never && a->total * b->total <= LIMIT) {
        runs[0] = (ig_run){(uint16_t)blocks, 0};
        return 1;
    }
    size_t n = 0;
    float sum = 2 * LIMIT; /* nothing to go on with */
    for (size_t s = 0; s * IG_SPAN < blocks; s++) {
        const size_t end = min_size((s + 1) * IG_SPAN, blocks);
        float bound = a->span[s] * b->span[s];
        if (bound <= LIMIT && (never || (bias + a->top_span[s]) * b->pair_span[s] < 32768)) {
            n += sum + bound > LIMIT;
            sum = sum + bound > LIMIT ? bound : sum + bound;
            runs[n - 1] = (ig_run){(uint16_t)end, 0};
            continue;
        }
        for (size_t c = s * IG_SPAN; c < end; c++) {
            bound = a->block[c] * b->block[c];
            int wide = bound > LIMIT || (!never && (bias + a->top[c]) * b->pair[c] > 32767);
            if (wide)
                n += !n || !runs[n - 1].wide;
            else
                n += sum + bound > LIMIT;
            sum = wide ? 2 * LIMIT : sum + bound > LIMIT ? bound : sum + bound;
            runs[n - 1] = (ig_run){(uint16_t)(c + 1), (uint16_t)wide};
        }
    }
    return n;
}

/* Adds the part of a tile at row i, column j that lies in the upper triangle. */
static void add_tile(const ig_table *t, double *c, size_t ldc, const int32_t *acc, size_t i,
                     size_t j, size_t k) {
    const size_t rows = min_size(IG_MR, k - i), cols = min_size(IG_NR, k - j);
    for (size_t r = 0; r < rows; r++, acc += IG_NR) {
        double *row = c + (i + r) * ldc + j;
        if (i + r <= j && cols == IG_NR)
            t->add(row, acc);
        else
            for (size_t l = i + r > j ? i + r - j : 0; l < cols; l++)
                row[l] += acc[l];
    }
}

/* How a slab lies in the scratch memory. Panels stand an odd multiple of 64 bytes
 * apart, so that they do not fall on the same cache sets. */
typedef struct {
    size_t blocks, b_stride, a_stride, bounds, b, a, size;
} layout;

static layout lay_out(size_t k, size_t m) {
    layout l;
    const size_t slabs = (m + IG_SLAB - 1) / IG_SLAB;
    /* Two more B panels than k fills: one for the columns that the last A panel
     * has beyond it, one for kernels that take two. */
    const size_t b_panels = (k + IG_NR - 1) / IG_NR + 2, a_panels = (k + IG_MR - 1) / IG_MR;
    l.blocks = slabs ? ((m + slabs - 1) / slabs + IG_BLOCK - 1) / IG_BLOCK : 0;
    l.b_stride = l.blocks * IG_BLOCK * IG_NR + 64;
    l.a_stride = round_up(l.blocks * IG_BLOCK * IG_MR, 128) + 64;
    l.bounds = b_panels * sizeof(ig_facts); /* which begin the space */
    l.b = l.bounds + round_up((k + IG_PLANNED - 1) / IG_PLANNED * sizeof(ig_bounds), 64);
    l.a = l.b + b_panels * l.b_stride;
    l.size = l.a + a_panels * l.a_stride;
    return l;
}

size_t wwq_ig_space(size_t k, size_t m) { return lay_out(k, m).size; }

#define B_PART 262144 /* bytes of B panels at a time, half of a common L2 cache */

static void multiply_slab(const ig_table *t, const layout *l, const char *space, size_t k,
                          size_t blocks, int qmax, double *c, size_t ldc) {
    const ig_facts *facts = (const ig_facts *)space;
    const ig_bounds *bounds = (const ig_bounds *)(space + l->bounds);
    const int8_t *b = (const int8_t *)(space + l->b);
    const uint8_t *a = (const uint8_t *)(space + l->a);
    const size_t panels = (k + IG_NR - 1) / IG_NR, width = t->b_panels * IG_NR;
    const size_t step = l->b_stride < B_PART / 2 ? B_PART / l->b_stride / 2 * 2 : 2;
    for (size_t j0 = 0; j0 < panels; j0 += step) {
        const size_t j1 = min_size(j0 + step, panels);
        for (size_t i0 = 0; i0 < min_size(k, j1 * IG_NR); i0 += IG_PLANNED) {
            /* The first tile that reaches the triangle. */
            size_t j = j0;
            while (j * IG_NR + width <= i0)
                j += t->b_panels;
            for (; j < j1; j += t->b_panels) {
                ig_run runs[IG_BLOCKS];
                const size_t nruns =
                    t->planned ? plan(runs, &bounds[i0 / IG_PLANNED], &facts[j].bounds, blocks, qmax) : 0;
                const size_t i1 = min_size(min_size(i0 + IG_PLANNED, k), j * IG_NR + width);
                for (size_t i = i0; i < i1; i += IG_MR) {
                    _Alignas(64) int32_t acc[2 * IG_MR * IG_NR];
                    for (size_t r = 0; r < IG_MR && i + r < k; r++) {
                        double *row = c + (i + r) * ldc + j * IG_NR;
                        __builtin_prefetch(row, 1);
                        __builtin_prefetch(row + min_size(8, k - 1 - j * IG_NR), 1);
                    }
                    t->kernel(acc, a + l->a_stride * (i / IG_MR), b + l->b_stride * j, l->b_stride,
                              blocks, qmax, &facts[j], runs, nruns);
                    for (size_t x = 0; x < t->b_panels && j + x < panels; x++)
                        if (i < (j + x + 1) * IG_NR)
                            add_tile(t, c, ldc, acc + x * IG_MR * IG_NR, i, (j + x) * IG_NR, k);
                }
            }
        }
    }
}

void wwq_ig_syrk(int trans, size_t k, size_t m, const int8_t *q, size_t ldq, int qmax, double *c,
                 size_t ldc, void *space) {
    const ig_table *t = sets[chosen].table;
    const layout l = lay_out(k, m);
    const int bias = t->biased ? qmax : 0;
    const size_t panels = (k + IG_NR - 1) / IG_NR;
    char *at = space;
    ig_facts *facts = (ig_facts *)at;
    ig_bounds *bounds = (ig_bounds *)(at + l.bounds);
    int8_t *b = (int8_t *)(at + l.b);
    for (size_t from = 0; from < m; from += l.blocks * IG_BLOCK) {
        const size_t len = min_size(l.blocks * IG_BLOCK, m - from);
        const size_t blocks = (len + IG_BLOCK - 1) / IG_BLOCK;
        pack_b(b, l.b_stride, trans, k, len, blocks, q + from * (trans ? ldq : 1), ldq);
        memset(b + l.b_stride * panels, 0, 2 * l.b_stride);
        for (size_t p = 0; t->survey && p < panels + 2; p++)
            t->survey(&facts[p], b + l.b_stride * p, blocks, bias);
        for (size_t p = 0; t->planned && p * IG_PLANNED < k; p++)
            bound_a(&bounds[p], facts, p, blocks);
        pack_a((uint8_t *)(at + l.a), l.a_stride, b, l.b_stride, k, blocks * IG_GROUPS, bias);
        multiply_slab(t, &l, at, k, blocks, qmax, c, ldc);
    }
}
