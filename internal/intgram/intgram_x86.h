// AVX2, AVX-VNNI and AVX-512 VNNI. All multiply a biased A panel by a B panel:
//
//   sum (a + bias) b = sum a b + bias sum b
//
// and subtract the last term, which avx2_survey has computed.
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))

#define FN(name) avx2_##name
#define TARGET AVX2
#include "intgram_loops.h"

AVX2 static inline int max_u16(__m256i v) {
    __m128i x = _mm_max_epu16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    // phminposuw finds the smallest of 8 numbers: of the complements, the largest.
    x = _mm_minpos_epu16(_mm_xor_si128(x, _mm_set1_epi16(-1)));
    return 0xffff ^ (_mm_cvtsi128_si32(x) & 0xffff);
}

AVX2 static inline int max_u8(__m256i v) {
    return max_u16(
        _mm256_max_epu16(_mm256_and_si256(v, _mm256_set1_epi16(255)), _mm256_srli_epi16(v, 8)));
}

AVX2 static void avx2_survey(ig_facts *f, const int8_t *b, size_t blocks, int bias) {
    const __m256i zero = _mm256_setzero_si256(), one8 = _mm256_set1_epi8(1);
    const __m256i seven = _mm256_set1_epi16(7), factor = _mm256_set1_epi16((short)bias);
    const __m256i one16 = _mm256_set1_epi16(1), factor32 = _mm256_set1_epi32(bias);
    ig_bounds *n = &f->bounds;
    __m256i before[2] = {zero, zero}, column[2] = {zero, zero};
    float total = 0;
    size_t c = 0;
    for (size_t s = 0; c < blocks; s++) {
        __m256i tops = zero, pairs = zero, squares[2] = {zero, zero};
        for (int x = 0; x < IG_SPAN && c < blocks; x++, c++) {
            __m256i top = zero, pair = zero, square[2] = {zero, zero}, sum[2] = {zero, zero};
            for (int g = 0; g < IG_GROUPS; g++)
                for (int h = 0; h < 2; h++, b += 32) {
                    __m256i v = _mm256_load_si256((const __m256i *)b), u = _mm256_abs_epi8(v);
                    top = _mm256_max_epu8(top, u);
                    pair = _mm256_max_epi16(pair, _mm256_maddubs_epi16(u, one8));
                    sum[h] = _mm256_add_epi16(sum[h], _mm256_maddubs_epi16(one8, v));
                    // Squares are summed in eighths, rounded up, since 32 of those fit in 16 bits.
                    __m256i e = _mm256_add_epi16(_mm256_maddubs_epi16(u, u), seven);
                    square[h] = _mm256_add_epi16(square[h], _mm256_srli_epi16(e, 3));
                }
            for (int h = 0; h < 2; h++) {
                _mm256_store_si256((__m256i *)f->before[c] + h, before[h]);
                before[h] = _mm256_add_epi16(before[h], _mm256_mullo_epi16(sum[h], factor));
                column[h] = _mm256_add_epi32(column[h], _mm256_madd_epi16(sum[h], one16));
                squares[h] = _mm256_add_epi16(squares[h], square[h]);
            }
            n->top[c] = (uint8_t)max_u8(top);
            n->pair[c] = (uint8_t)max_u16(pair);
            n->block[c] = root(8 * (float)max_u16(_mm256_max_epu16(square[0], square[1])));
            tops = _mm256_max_epu8(tops, top);
            pairs = _mm256_max_epi16(pairs, pair);
        }
        n->top_span[s] = (uint8_t)max_u8(tops);
        n->pair_span[s] = (uint8_t)max_u16(pairs);
        uint16_t lanes[IG_LANES];
        uint16_t most = 0;
        memcpy(lanes, squares, sizeof lanes);
        for (int j = 0; j < IG_NR; j++) {
            uint16_t e = lanes[2 * j] > lanes[2 * j + 1] ? lanes[2 * j] : lanes[2 * j + 1];
            f->square[s][j] = 8 * (float)e;
            most = e > most ? e : most;
        }
        n->span[s] = root(8 * (float)most);
        total += 8 * (float)most;
    }
    for (int h = 0; h < 2; h++) {
        _mm256_store_si256((__m256i *)f->before[blocks] + h, before[h]);
        _mm256_storeu_si256((__m256i *)(f->bias + 8 * h), _mm256_mullo_epi32(column[h], factor32));
    }
    n->total = root(total);
}

// The assembly below is laid out as tables.
// clang-format off

// GROUP multiplies one group of an A panel, 6 rows, by 2 vectors of a B panel. It is
// written in assembly because the 12 sums, the 2 vectors, the broadcast row and a product
// fill the 16 registers exactly. Compilers reorder the sums and spill them, which halves
// the speed.
#define ROW(mul, add, at, s0, s1)             \
    "vpbroadcastd " at "(%[a]), %%ymm2\n"     \
    mul " %%ymm0, %%ymm2, %%ymm3\n"           \
    mul " %%ymm1, %%ymm2, %%ymm2\n"           \
    add " %%ymm3, %%ymm" s0 ", %%ymm" s0 "\n" \
    add " %%ymm2, %%ymm" s1 ", %%ymm" s1 "\n"
#define GROUP(mul, add, b_at, b_next, r0, r1, r2, r3, r4, r5)                           \
    "vmovdqa " b_at "(%[b]), %%ymm0\n"                                                  \
    "vmovdqa " b_next "(%[b]), %%ymm1\n"                                                \
    ROW(mul, add, r0, "4", "5") ROW(mul, add, r1, "6", "7") ROW(mul, add, r2, "8", "9") \
    ROW(mul, add, r3, "10", "11") ROW(mul, add, r4, "12", "13") ROW(mul, add, r5, "14", "15")
// BLOCKS multiplies all groups of n blocks.
#define BLOCKS(mul, add)                                                                  \
    ".p2align 5\n"                                                                        \
    "1:\n"                                                                                \
    GROUP(mul, add, "0", "32", "0", "4", "8", "12", "16", "20")                           \
    GROUP(mul, add, "64", "96", "24", "28", "32", "36", "40", "44")                       \
    GROUP(mul, add, "128", "160", "48", "52", "56", "60", "64", "68")                     \
    GROUP(mul, add, "192", "224", "72", "76", "80", "84", "88", "92")                     \
    "add $96, %[a]\n"                                                                     \
    "add $256, %[b]\n"                                                                    \
    "dec %[n]\n"                                                                          \
    "jnz 1b\n"
#define ALL_YMM                                                                                \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

// FLUSH subtracts the bias from the int16 sums of a row and adds them to int32.
#define FLUSH(at, s0, s1)                                \
    "vpsubw %%ymm0, %%ymm" s0 ", %%ymm" s0 "\n"          \
    "vpsubw %%ymm1, %%ymm" s1 ", %%ymm" s1 "\n"          \
    "vpmaddwd %%ymm2, %%ymm" s0 ", %%ymm" s0 "\n"        \
    "vpmaddwd %%ymm2, %%ymm" s1 ", %%ymm" s1 "\n"        \
    "vpaddd " at "(%[o]), %%ymm" s0 ", %%ymm" s0 "\n"    \
    "vpaddd 32+" at "(%[o]), %%ymm" s1 ", %%ymm" s1 "\n" \
    "vmovdqa %%ymm" s0 ", " at "(%[o])\n"                \
    "vmovdqa %%ymm" s1 ", 32+" at "(%[o])\n"

// Adds up the products of a narrow run in int16, modulo 2^16. Nothing is lost: plan() has
// proved that the sums fit once the bias is subtracted.
AVX2 static inline void avx2_narrow(int32_t *acc, const uint8_t *a, const int8_t *b,
                                    const int16_t *before, const int16_t *after, size_t blocks) {
    __asm__ volatile(
        "vmovdqa (%[p]), %%ymm4\n"
        "vmovdqa 32(%[p]), %%ymm5\n"
        "vmovdqa %%ymm4, %%ymm6\n vmovdqa %%ymm5, %%ymm7\n"
        "vmovdqa %%ymm4, %%ymm8\n vmovdqa %%ymm5, %%ymm9\n"
        "vmovdqa %%ymm4, %%ymm10\n vmovdqa %%ymm5, %%ymm11\n"
        "vmovdqa %%ymm4, %%ymm12\n vmovdqa %%ymm5, %%ymm13\n"
        "vmovdqa %%ymm4, %%ymm14\n vmovdqa %%ymm5, %%ymm15\n"
        BLOCKS("vpmaddubsw", "vpaddw")
        "vmovdqa (%[e]), %%ymm0\n"
        "vmovdqa 32(%[e]), %%ymm1\n"
        "vpcmpeqw %%ymm2, %%ymm2, %%ymm2\n"
        "vpsrlw $15, %%ymm2, %%ymm2\n" // ones
        FLUSH("0", "4", "5") FLUSH("64", "6", "7") FLUSH("128", "8", "9")
        FLUSH("192", "10", "11") FLUSH("256", "12", "13") FLUSH("320", "14", "15")
        : [a] "+r"(a), [b] "+r"(b), [n] "+r"(blocks)
        : [o] "r"(acc), [p] "r"(before), [e] "r"(after)
        : "cc", "memory", ALL_YMM);
}

// FLUSH16 adds the int32 sums of a row to double.
#define FLUSH16(at, s)                            \
    "vcvtdq2pd %%xmm" s ", %%ymm0\n"              \
    "vextracti128 $1, %%ymm" s ", %%xmm" s "\n"   \
    "vcvtdq2pd %%xmm" s ", %%ymm1\n"              \
    "vaddpd " at "(%[o]), %%ymm0, %%ymm0\n"       \
    "vaddpd 32+" at "(%[o]), %%ymm1, %%ymm1\n"    \
    "vmovapd %%ymm0, " at "(%[o])\n"              \
    "vmovapd %%ymm1, 32+" at "(%[o])\n"
#define CLEAR(s) "vpxor %%xmm" s ", %%xmm" s ", %%xmm" s "\n"

AVX2 static inline void avx2_narrow16(double *acc, const int16_t *a, const int16_t *b, size_t blocks) {
    __asm__ volatile(
        CLEAR("4") CLEAR("5") CLEAR("6") CLEAR("7") CLEAR("8") CLEAR("9")
        CLEAR("10") CLEAR("11") CLEAR("12") CLEAR("13") CLEAR("14") CLEAR("15")
        BLOCKS("vpmaddwd", "vpaddd")
        FLUSH16("0", "4") FLUSH16("64", "5") FLUSH16("128", "6") FLUSH16("192", "7")
        FLUSH16("256", "8") FLUSH16("320", "9") FLUSH16("384", "10") FLUSH16("448", "11")
        FLUSH16("512", "12") FLUSH16("576", "13") FLUSH16("640", "14") FLUSH16("704", "15")
        : [a] "+r"(a), [b] "+r"(b), [n] "+r"(blocks)
        : [o] "r"(acc)
        : "cc", "memory", ALL_YMM);
}

#undef ROW
#undef GROUP
#undef BLOCKS
#undef ALL_YMM
#undef FLUSH
#undef FLUSH16
#undef CLEAR

// clang-format on

// Sums a wide run of int16. Nothing bounds the sum of many pairs of products, so the lower
// and upper 16 bits of each pair are summed apart: the lower ones are at most 2^16 - 1, and
// a slab has 2^9 pairs.
AVX2 static void avx2_wide16(double *acc, const int16_t *a, const int16_t *b, size_t blocks) {
    const __m256i mask = _mm256_set1_epi32(0xffff);
    for (int r0 = 0; r0 < IG_MR; r0 += 2) {
        __m256i lower[2][2], upper[2][2];
        for (int r = 0; r < 2; r++)
            for (int h = 0; h < 2; h++)
                lower[r][h] = upper[r][h] = _mm256_setzero_si256();
        for (size_t g = 0; g < blocks * IG_GROUPS; g++) {
            const __m256i b0 = _mm256_load_si256((const __m256i *)(b + 2 * IG_NR * g));
            const __m256i b1 = _mm256_load_si256((const __m256i *)(b + 2 * IG_NR * g) + 1);
#pragma GCC unroll 2
            for (int r = 0; r < 2; r++) {
                int32_t w;
                memcpy(&w, a + 2 * (IG_MR * g + r0 + r), 4);
                const __m256i u = _mm256_set1_epi32(w);
                const __m256i p0 = _mm256_madd_epi16(u, b0), p1 = _mm256_madd_epi16(u, b1);
                lower[r][0] = _mm256_add_epi32(lower[r][0], _mm256_and_si256(p0, mask));
                lower[r][1] = _mm256_add_epi32(lower[r][1], _mm256_and_si256(p1, mask));
                upper[r][0] = _mm256_add_epi32(upper[r][0], _mm256_srai_epi32(p0, 16));
                upper[r][1] = _mm256_add_epi32(upper[r][1], _mm256_srai_epi32(p1, 16));
            }
        }
        int32_t x[2][IG_NR], y[2][IG_NR];
        memcpy(x, lower, sizeof x);
        memcpy(y, upper, sizeof y);
        for (int r = 0; r < 2; r++)
            for (int j = 0; j < IG_NR; j++)
                acc[IG_NR * (r0 + r) + j] += x[r][j] + 65536.0 * y[r][j];
    }
}

AVX2 static void avx2_kernel16(double *acc, const int16_t *a, const int16_t *b, size_t stride,
                               const ig_run *runs, size_t nruns) {
    (void)stride;
    memset(acc, 0, sizeof *acc * IG_MR * IG_NR);
    for (size_t i = 0, from = 0; i < nruns; from = runs[i++].end) {
        const int16_t *ra = a + 2 * IG_MR * IG_GROUPS * from,
                      *rb = b + 2 * IG_NR * IG_GROUPS * from;
        if (runs[i].wide)
            avx2_wide16(acc, ra, rb, runs[i].end - from);
        else
            avx2_narrow16(acc, ra, rb, runs[i].end - from);
    }
}

// Sums a wide run of int8. The instruction multiplies unsigned by signed, so it is given
// |a| and b with the sign of a. Two products add up to 2 * 127 * 127 = 32258 at most, for
// any data.
AVX2 static inline void avx2_wide(int32_t *acc, const uint8_t *a, const int8_t *b, int bias,
                                  size_t blocks) {
    const __m256i one = _mm256_set1_epi16(1), off = _mm256_set1_epi8((char)bias);
    for (int r0 = 0; r0 < IG_MR; r0 += 3) {
        __m256i s[3][2];
        for (int r = 0; r < 3; r++)
            for (int h = 0; h < 2; h++)
                s[r][h] = ((__m256i *)(acc + IG_NR * (r0 + r)))[h];
        for (size_t g = 0; g < blocks * IG_GROUPS; g++) {
            const __m256i b0 = _mm256_load_si256((const __m256i *)(b + IG_B_GROUP * g));
            const __m256i b1 = _mm256_load_si256((const __m256i *)(b + IG_B_GROUP * g) + 1);
#pragma GCC unroll 3
            for (int r = 0; r < 3; r++) {
                int32_t w;
                memcpy(&w, a + IG_A_GROUP * g + 4 * (r0 + r), 4);
                const __m256i v = _mm256_sub_epi8(_mm256_set1_epi32(w), off),
                              u = _mm256_abs_epi8(v);
                __m256i t0 = _mm256_maddubs_epi16(u, _mm256_sign_epi8(b0, v));
                __m256i t1 = _mm256_maddubs_epi16(u, _mm256_sign_epi8(b1, v));
                s[r][0] = _mm256_add_epi32(s[r][0], _mm256_madd_epi16(t0, one));
                s[r][1] = _mm256_add_epi32(s[r][1], _mm256_madd_epi16(t1, one));
            }
        }
        for (int r = 0; r < 3; r++)
            for (int h = 0; h < 2; h++)
                ((__m256i *)(acc + IG_NR * (r0 + r)))[h] = s[r][h];
    }
}

AVX2 static void avx2_kernel(int32_t *acc, const uint8_t *a, const int8_t *b, size_t stride,
                             size_t blocks, int bias, const ig_facts *f, const ig_run *runs,
                             size_t nruns) {
    (void)stride, (void)blocks;
    for (int r = 0; r < 2 * IG_MR; r++)
        _mm256_store_si256((__m256i *)acc + r, _mm256_setzero_si256());
    for (size_t i = 0, from = 0; i < nruns; from = runs[i++].end) {
        const uint8_t *ra = a + IG_A_GROUP * IG_GROUPS * from;
        const int8_t *rb = b + IG_B_GROUP * IG_GROUPS * from;
        if (runs[i].wide)
            avx2_wide(acc, ra, rb, bias, runs[i].end - from);
        else
            avx2_narrow(acc, ra, rb, f->before[from], f->before[runs[i].end], runs[i].end - from);
    }
}

static const ig_table avx2_table = {
    .biased = 1,
    .planned = 1,
    .b_panels = 1,
    .survey = avx2_survey,
    .kernel = avx2_kernel,
    .add = avx2_add,
    .survey16 = avx2_survey16,
    .kernel16 = avx2_kernel16,
};

#define AVXVNNI __attribute__((target("avx2,avxvnni")))

AVXVNNI static inline __attribute__((always_inline)) void add_double_256(double *to, __m256i s) {
    const __m256d lo = _mm256_cvtepi32_pd(_mm256_castsi256_si128(s));
    _mm256_storeu_pd(to, _mm256_add_pd(_mm256_loadu_pd(to), lo));
    const __m256d hi = _mm256_cvtepi32_pd(_mm256_extracti128_si256(s, 1));
    _mm256_storeu_pd(to + 4, _mm256_add_pd(_mm256_loadu_pd(to + 4), hi));
}

#define FN(name) avxvnni_##name
#define TARGET AVXVNNI
#define VEC __m256i
#define W 8
#define ZERO _mm256_setzero_si256
#define LOAD _mm256_loadu_si256
#define STORE _mm256_storeu_si256
#define SET1 _mm256_set1_epi32
#define SUB _mm256_sub_epi32
#define DPBUSD "%{vex%} vpdpbusd %2, %1, %0"
#define DPWSSD "%{vex%} vpdpwssd %2, %1, %0"
#define ADD_DOUBLE add_double_256
#include "intgram_vnni.h"

static const ig_table avxvnni_table = {
    .biased = 1,
    .b_panels = 1,
    .survey = avx2_survey,
    .kernel = avxvnni_kernel,
    .add = avx2_add,
    .survey16 = avx2_survey16,
    .kernel16 = avxvnni_kernel16,
};

#define AVX512VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

AVX512VNNI static inline __attribute__((always_inline)) void add_double_512(double *to, __m512i s) {
    const __m512d lo = _mm512_cvtepi32_pd(_mm512_castsi512_si256(s));
    _mm512_storeu_pd(to, _mm512_add_pd(_mm512_loadu_pd(to), lo));
    const __m512d hi = _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(s, 1));
    _mm512_storeu_pd(to + 8, _mm512_add_pd(_mm512_loadu_pd(to + 8), hi));
}

#define FN(name) avx512vnni_##name
#define TARGET AVX512VNNI
#define VEC __m512i
#define W 16
#define ZERO _mm512_setzero_si512
#define LOAD _mm512_loadu_si512
#define STORE _mm512_storeu_si512
#define SET1 _mm512_set1_epi32
#define SUB _mm512_sub_epi32
#define DPBUSD "vpdpbusd %2, %1, %0"
#define DPWSSD "vpdpwssd %2, %1, %0"
#define ADD_DOUBLE add_double_512
#include "intgram_vnni.h"

static const ig_table avx512vnni_table = {
    .biased = 1,
    .b_panels = 2,
    .survey = avx2_survey,
    .kernel = avx512vnni_kernel,
    .add = avx2_add,
    .survey16 = avx2_survey16,
    .kernel16 = avx512vnni_kernel16,
};
