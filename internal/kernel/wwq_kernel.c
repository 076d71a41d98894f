// The instruction sets of this build. The loops stand in kernel_loops.h, which is
// compiled once for each. Which sets the machine can run is known to the Go side.
#include "wwq_kernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF // gcc does not contract under -std=c11
#endif

typedef struct {
    void (*decode_f16)(float *, const uint16_t *, size_t);
    void (*decode_bf16)(float *, const uint16_t *, size_t);
    void (*find_range)(wwq_range *, const float *, size_t);
    void (*quantize_symmetric)(float *, const float *, size_t, float, float);
    void (*quantize_asymmetric)(float *, const float *, size_t, float, float, float, float);
    void (*codes_symmetric)(uint16_t *, const float *, size_t, float, float);
    void (*codes_asymmetric)(uint16_t *, const float *, size_t, float, float, float);
    double (*codes8)(int8_t *, const float *, size_t, float, float);
    double (*scale16)(int16_t *, const float *, size_t, float);
    void (*round_f16)(float *, size_t);
    void (*round_bf16)(float *, size_t);
    void (*codes_f16)(uint16_t *, const float *, size_t);
    void (*sum_errors)(wwq_error_sums *, const float *, const float *, size_t);
    double (*widen)(double *, const float *, size_t);
    double (*subtract_bf16)(uint16_t *, const float *, const float *, size_t);
    void (*normal_product)(float *, const float *, const uint16_t *, size_t, size_t, float);
    void (*affine)(float *, const float *, size_t, size_t, const wwq_group *, const wwq_affine *);
    void (*shifted)(float *, const float *, size_t, size_t, const wwq_group *, const wwq_shifted *);
    void (*mini)(float *, const float *, size_t, size_t, const wwq_group *, const wwq_mini *);
    void (*book)(float *, const float *, size_t, size_t, const wwq_group *, const float *,
                 const float *, int);
    void (*group_ranges)(wwq_extent *, const float *, size_t, size_t);
} kernels;

typedef float vf4 __attribute__((vector_size(16)));
typedef float vf8 __attribute__((vector_size(32)));
typedef uint32_t vu8 __attribute__((vector_size(32)));
typedef double vd4 __attribute__((vector_size(32)));
typedef int64_t vl4 __attribute__((vector_size(32)));
static const vl4 ABS_MASK = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};

#define ADD_LANES(s) (((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])))
#define RANGE_LANES 32
#define ROUND_MAGIC 12582912.0f
#define ROUND_CLAMP(q, lo, hi) ((clampf((q), (lo), (hi)) + ROUND_MAGIC) - ROUND_MAGIC)

static inline float clampf(float q, float lo, float hi) {
    q = q < lo ? lo : q;
    return q > hi ? hi : q;
}

static inline uint32_t float_bits(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float bits_float(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

// Converts exactly. A signalling NaN becomes quiet, as in the conversions of the hardware.
static inline float half_to_float(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, mag = h & 0x7fff;
    if (mag >= 0x7c00)
        return bits_float(sign | 0x7f800000u | (mag & 0x3ff) << 13 |
                          (mag > 0x7c00 ? 0x400000u : 0));
    if (mag < 0x400) { // zero or subnormal: mag * 2^-24
        float f = (float)mag * 0x1p-24f;
        return sign ? -f : f;
    }
    return bits_float(sign | ((mag << 13) + 0x38000000u));
}

// Rounds to nearest even. From 65504 plus half a step on the result is infinite.
static inline uint16_t float_to_half(float f) {
    uint32_t b = float_bits(f), sign = b >> 16 & 0x8000, mag = b & 0x7fffffffu;
    if (mag > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00 | (mag >> 13 & 0x3ff));
    if (mag >= 0x477ff000u)
        return (uint16_t)(sign | 0x7c00);
    if (mag < 0x38800000u) { // below 2^-14, so the last place of the sum is 2^-24
        float m = bits_float(mag) + 0.5f;
        return (uint16_t)(sign | (float_bits(m) - 0x3f000000u));
    }
    return (uint16_t)(sign | ((mag - 0x38000000u + 0xfff + (mag >> 13 & 1)) >> 13));
}

// The base set is portable C. On arm64 it uses NEON, which every such machine has.
#ifdef __aarch64__
#include <arm_neon.h>
#define BASE_NAME "neon"
#define HALF_WIDTH 4
#define LOAD_HALF(dst, src) vst1q_f32(dst, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(src))))
#define STORE_HALF(dst, src) vst1_u16(dst, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(src))))
#else
#define BASE_NAME "scalar"
#define HALF_WIDTH 1
#define LOAD_HALF(dst, src) (*(dst) = half_to_float(*(src)))
#define STORE_HALF(dst, src) (*(dst) = float_to_half(*(src)))
#endif
#define FN(name) base_##name
#define TARGET
#include "kernel_loops.h"

#ifdef __x86_64__
#include <immintrin.h>

#define FN(name) avx2_##name
#define TARGET __attribute__((target("avx2,f16c,fma")))
#define HAS_AVX2
#define HALF_WIDTH 8
#define LOAD_HALF(dst, src) \
    _mm256_storeu_ps(dst, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(src))))
#define STORE_HALF(dst, src) \
    _mm_storeu_si128((__m128i *)(dst), _mm256_cvtps_ph(_mm256_loadu_ps(src), 0))
#include "kernel_loops.h"

#define FN(name) avx512_##name
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,f16c")))
#define HAS_AVX2
#define HALF_WIDTH 16
#define LOAD_HALF(dst, src) \
    _mm512_storeu_ps(dst, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(src))))
#define STORE_HALF(dst, src) \
    _mm256_storeu_si256((__m256i *)(dst), _mm512_cvtps_ph(_mm512_loadu_ps(src), 0))
#include "kernel_loops.h"
#endif

// From the portable set to the best one, so that set 0 runs everywhere.
static const struct {
    const char *name;
    const kernels *table;
} sets[] = {
    {.name = BASE_NAME, .table = &base_table},
#ifdef __x86_64__
    {.name = "avx2", .table = &avx2_table},
    {.name = "avx512", .table = &avx512_table},
#endif
};

const char *wwq_kernel_set(int set) {
    return (size_t)set < sizeof sets / sizeof *sets ? sets[set].name : NULL;
}

void wwq_decode_f16(int set, float *dst, const uint16_t *src, size_t n) {
    sets[set].table->decode_f16(dst, src, n);
}
void wwq_decode_bf16(int set, float *dst, const uint16_t *src, size_t n) {
    sets[set].table->decode_bf16(dst, src, n);
}
void wwq_find_range(int set, wwq_range *r, const float *x, size_t n) {
    sets[set].table->find_range(r, x, n);
}
void wwq_quantize_symmetric(int set, float *dst, const float *src, size_t n, float scale,
                            float qmax) {
    sets[set].table->quantize_symmetric(dst, src, n, scale, qmax);
}
void wwq_quantize_asymmetric(int set, float *dst, const float *src, size_t n, float scale,
                             float zero, float min, float qmax) {
    sets[set].table->quantize_asymmetric(dst, src, n, scale, zero, min, qmax);
}
void wwq_codes_symmetric(int set, uint16_t *codes, const float *src, size_t n, float scale,
                         float qmax) {
    sets[set].table->codes_symmetric(codes, src, n, scale, qmax);
}
void wwq_codes_asymmetric(int set, uint16_t *codes, const float *src, size_t n, float scale,
                          float zero, float qmax) {
    sets[set].table->codes_asymmetric(codes, src, n, scale, zero, qmax);
}
double wwq_codes8(int set, int8_t *codes, const float *src, size_t n, float scale, float qmax) {
    return sets[set].table->codes8(codes, src, n, scale, qmax);
}
double wwq_scale16(int set, int16_t *dst, const float *src, size_t n, float factor) {
    return sets[set].table->scale16(dst, src, n, factor);
}
void wwq_round_f16(int set, float *x, size_t n) { sets[set].table->round_f16(x, n); }
void wwq_round_bf16(int set, float *x, size_t n) { sets[set].table->round_bf16(x, n); }
void wwq_codes_f16(int set, uint16_t *dst, const float *src, size_t n) {
    sets[set].table->codes_f16(dst, src, n);
}
void wwq_sum_errors(int set, wwq_error_sums *s, const float *a, const float *b, size_t n) {
    sets[set].table->sum_errors(s, a, b, n);
}
double wwq_widen(int set, double *dst, const float *src, size_t n) {
    return sets[set].table->widen(dst, src, n);
}
double wwq_subtract_bf16(int set, uint16_t *dst, const float *a, const float *b, size_t n) {
    return sets[set].table->subtract_bf16(dst, a, b, n);
}
void wwq_normal_product(int set, float *z, const float *x, const uint16_t *e, size_t rows,
                        size_t cols, float scale) {
    sets[set].table->normal_product(z, x, e, rows, cols, scale);
}

void wwq_quantize_affine(int set, float *dst, const float *src, size_t n, size_t size,
                         const wwq_group *g, wwq_affine rule) {
    sets[set].table->affine(dst, src, n, size, g, &rule);
}
void wwq_quantize_shifted(int set, float *dst, const float *src, size_t n, size_t size,
                          const wwq_group *g, wwq_shifted rule) {
    sets[set].table->shifted(dst, src, n, size, g, &rule);
}
void wwq_quantize_mini(int set, float *dst, const float *src, size_t n, size_t size,
                       const wwq_group *g, wwq_mini rule) {
    sets[set].table->mini(dst, src, n, size, g, &rule);
}
void wwq_quantize_book(int set, float *dst, const float *src, size_t n, size_t size,
                       const wwq_group *g, const float *values, const float *middles,
                       int multiply) {
    sets[set].table->book(dst, src, n, size, g, values, middles, multiply);
}
void wwq_group_ranges(int set, wwq_extent *ranges, const float *src, size_t n, size_t size) {
    sets[set].table->group_ranges(ranges, src, n, size);
}

// This takes one store an element. No instruction set has a better scatter of bytes.
void wwq_mark(uint8_t *seen, const uint16_t *codes, size_t n) {
    for (size_t i = 0; i < n; i++)
        seen[codes[i]] = 1;
}
