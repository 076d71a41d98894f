// The loops over runs of groups, a part of kernel_loops.h. Each is a function of one
// group that takes its rule as constants, and a function of a run that chooses the
// constants once for all groups, so that the compiler makes a loop of each choice.

#define INLINE static inline __attribute__((always_inline))

#ifndef WWQ_GROUP_NUMBERS
#define WWQ_GROUP_NUMBERS

#define SELECT(mask, a, b) ((vf4)(((vi4)(a) & (mask)) | ((vi4)(b) & ~(mask))))
typedef int32_t vi4 __attribute__((vector_size(16)));

// How t follows from a weight.
enum { DIVIDED, MULTIPLIED, DIVIDED_PLUS_ZERO, HALF_MULTIPLIED };

// The ranges of so many weights are found together before they are quantized, where groups are
// smaller. While some are quantized, those that are next come into the second-level cache: the
// loop for ranges would wait for each line. An address behind the array is no fault.
enum { AHEAD = 4096, LINE = 16 };

INLINE void fetch_ahead(const float *x, size_t n, size_t size) {
    if (size < AHEAD)
        for (size_t i = 0; i < n; i += LINE)
            __builtin_prefetch((const void *)((uintptr_t)(x + i) + AHEAD * sizeof *x), 0, 2);
}

// Returns x or 0. The compiler vectorises masks, but no branches around what might trap.
INLINE float only_if(int condition, float x) {
    return bits_float(float_bits(x) & -(uint32_t)condition);
}

// Rounds to float16, given back as float32: the last place of the sum with a suitable power of
// two is that of float16.
INLINE float round_half(float x) {
    const uint32_t b = float_bits(x);
    const int32_t mag = (int32_t)(b & 0x7fffffffu), exponent = mag & 0x7f800000;
    const float by = bits_float((exponent > 0x38800000 ? exponent : 0x38800000) + (13 << 23));
    const int32_t near = (int32_t)float_bits((bits_float(mag) + by) - by);
    const int32_t beyond = mag > 0x7f800000 ? mag : 0x7f800000; // infinite, or NaN
    const int32_t far = -(mag >= 0x477ff000);                   // all bits, or none
    return bits_float((b & 0x80000000u) | (uint32_t)((beyond & far) | (near & ~far)));
}

INLINE float round_brain(float x) {
    const uint32_t b = float_bits(x);
    return bits_float((b + 0x7fff + (b >> 16 & 1)) & 0xffff0000u);
}

INLINE float round_to(float x, int type) {
    return type == WWQ_F16 ? round_half(x) : type == WWQ_BF16 ? round_brain(x) : x;
}

// For x from 0 to 2^22.
INLINE float round_away(float x) {
    const float near = (x + ROUND_MAGIC) - ROUND_MAGIC;
    return near + only_if(x - near == 0.5f, 1.0f);
}

// Rounds to a format of few bits. v is first rounded to even by a sum as above; d is half the
// distance of two numbers there, by which a tie is known.
INLINE float round_mini(float x, uint32_t mantissa, uint32_t smallest, float max, int ties) {
    const uint32_t b = float_bits(x);
    float v = bits_float(b & 0x7fffffffu);
    v = v < max ? v : max;
    int32_t exponent = (int32_t)(float_bits(v) & 0x7f800000u);
    exponent = exponent > (int32_t)smallest ? exponent : (int32_t)smallest;
    const float by = bits_float((uint32_t)exponent + ((23 - mantissa) << 23));
    float near = (v + by) - by;
    if (ties != WWQ_TIES_EVEN) {
        const float d = bits_float((uint32_t)exponent - ((mantissa + 1) << 23));
        const float off = v - near;
        near += ties == WWQ_TIES_AWAY ? only_if(off == d, 2 * d) : only_if(off == -d, -2 * d);
    }
    return bits_float((b & 0x80000000u) | float_bits(near));
}

#endif

TARGET INLINE void FN(affine_group)(float *restrict dst, const float *restrict src, size_t n,
                                    wwq_group g, float low, float high, float factor, int type,
                                    int how) {
    const float step = g.step, zero = g.zero, scale = g.scale;
    const float from = low - zero, to = high - zero;
    for (size_t i = 0; i < n; i++) {
        const float x = src[i]; // of float16, if HALF_MULTIPLIED
        const int divided = how == DIVIDED || how == DIVIDED_PLUS_ZERO;
        float t = round_to(divided ? x / step : x * step, type);
        if (how == DIVIDED_PLUS_ZERO)
            t = ROUND_CLAMP(round_to(t + zero, type), low, high) - zero;
        else
            t = ROUND_CLAMP(t, from, to);
        t = round_to(t * scale, type);
        dst[i] = how == HALF_MULTIPLIED ? t * factor : t;
    }
}

// Rounds to float16 as many at a time as the conversions take.
TARGET INLINE void FN(round_halves)(float *restrict dst, const float *restrict src, size_t n) {
    size_t i = 0;
    for (; i + HALF_WIDTH <= n; i += HALF_WIDTH) {
        uint16_t h[HALF_WIDTH];
        STORE_HALF(h, src + i);
        LOAD_HALF(dst + i, h);
    }
    for (; i < n; i++)
        dst[i] = round_half(src[i]);
}

// The weights of a group that are first rounded to float16, some of them at a time.
TARGET INLINE void FN(affine_halves)(float *restrict dst, const float *restrict src, size_t n,
                                     wwq_group g, float low, float high, float factor) {
    float half[512];
    for (size_t at = 0; at < n; at += 512) {
        const size_t m = n - at < 512 ? n - at : 512;
        FN(round_halves)(half, src + at, m);
        FN(affine_group)(dst + at, half, m, g, low, high, factor, WWQ_F32, HALF_MULTIPLIED);
    }
}

TARGET INLINE void FN(affine_run)(float *restrict dst, const float *restrict src, size_t n,
                                  size_t size, const wwq_group *groups, const wwq_affine *r,
                                  int type, int how) {
    const float low = r->low, high = r->high, factor = r->factor;
    for (size_t at = 0; at < n; at += size, groups++) {
        const size_t m = n - at < size ? n - at : size;
        fetch_ahead(src + at, m, size);
        if (groups->scale == 0)
            memset(dst + at, 0, m * sizeof *dst);
        else if (how == HALF_MULTIPLIED)
            FN(affine_halves)(dst + at, src + at, m, *groups, low, high, factor);
        else
            FN(affine_group)(dst + at, src + at, m, *groups, low, high, factor, type, how);
    }
}

TARGET static void FN(affine)(float *dst, const float *src, size_t n, size_t size,
                              const wwq_group *g, const wwq_affine *r) {
    const int how = r->half_input   ? HALF_MULTIPLIED
                    : r->multiply   ? MULTIPLIED
                    : r->zero_first ? DIVIDED_PLUS_ZERO
                                    : DIVIDED;
    switch (4 * r->type + how) {
#define CASE(type, how)                                     \
    case 4 * type + how:                                    \
        FN(affine_run)(dst, src, n, size, g, r, type, how); \
        break;
#define CASES(type) CASE(type, DIVIDED) CASE(type, MULTIPLIED) CASE(type, DIVIDED_PLUS_ZERO)
        CASES(WWQ_F32) CASES(WWQ_BF16) CASES(WWQ_F16) CASE(WWQ_F32, HALF_MULTIPLIED)
#undef CASES
#undef CASE
    }
}

TARGET INLINE void FN(shifted_run)(float *restrict dst, const float *restrict src, size_t n,
                                   size_t size, const wwq_group *groups, float high, float middle,
                                   int code_type, int type, int away) {
    for (size_t at = 0; at < n; at += size, groups++) {
        const size_t m = n - at < size ? n - at : size;
        const wwq_group g = *groups;
        const float *restrict x = src + at;
        float *restrict y = dst + at;
        fetch_ahead(x, m, size);
        for (size_t i = 0; i < m; i++) {
            float t = round_to(round_to(x[i] - g.zero, code_type) / g.step, code_type);
            if (away)
                t = round_away(clampf(t, 0.0f, high));
            else
                t = ROUND_CLAMP(t, 0.0f, high);
            y[i] = round_to(round_to((t - middle) * g.scale, type) + g.bias, type);
        }
    }
}

TARGET static void FN(shifted)(float *dst, const float *src, size_t n, size_t size,
                               const wwq_group *g, const wwq_shifted *r) {
#define RUN(code_type, type, away) \
    FN(shifted_run)(dst, src, n, size, g, r->high, r->middle, code_type, type, away)
    if (r->away)
        switch (r->type) {
        case WWQ_F32:
            RUN(WWQ_F32, WWQ_F32, 1);
            break;
        case WWQ_BF16:
            RUN(WWQ_F32, WWQ_BF16, 1);
            break;
        case WWQ_F16:
            RUN(WWQ_F32, WWQ_F16, 1);
            break;
        }
    else if (r->code_type == WWQ_F32)
        switch (r->type) {
        case WWQ_F32:
            RUN(WWQ_F32, WWQ_F32, 0);
            break;
        case WWQ_BF16:
            RUN(WWQ_F32, WWQ_BF16, 0);
            break;
        case WWQ_F16:
            RUN(WWQ_F32, WWQ_F16, 0);
            break;
        }
    else if (r->type == WWQ_BF16)
        RUN(WWQ_BF16, WWQ_BF16, 0);
    else
        RUN(WWQ_F16, WWQ_F16, 0);
#undef RUN
}

TARGET INLINE void FN(mini_group)(float *restrict dst, const float *restrict src, size_t n,
                                  wwq_group g, const wwq_mini *r, int type, int ties,
                                  int multiply) {
    const uint32_t mantissa = r->mantissa, smallest = (uint32_t)(r->exponent + 127) << 23;
    const float max = r->max;
    for (size_t i = 0; i < n; i++) {
        const float t = round_to(multiply ? src[i] * g.step : src[i] / g.step, type);
        dst[i] = round_to(round_mini(t, mantissa, smallest, max, ties) * g.scale, type);
    }
}

// fixed is the size if there is a loop of its own for it, which the compiler unrolls, and else 0.
TARGET INLINE void FN(mini_run)(float *restrict dst, const float *restrict src, size_t n,
                                size_t size, const wwq_group *groups, const wwq_mini *r, int type,
                                int ties, int multiply, size_t fixed) {
    for (size_t at = 0; at < n; at += size, groups++) {
        const size_t m = n - at < size ? n - at : size;
        fetch_ahead(src + at, m, size);
        if (groups->scale == 0)
            memset(dst + at, 0, m * sizeof *dst);
        else if (m == fixed)
            FN(mini_group)(dst + at, src + at, fixed, *groups, r, type, ties, multiply);
        else
            FN(mini_group)(dst + at, src + at, m, *groups, r, type, ties, multiply);
    }
}

TARGET static void FN(mini)(float *dst, const float *src, size_t n, size_t size, const wwq_group *g,
                            const wwq_mini *r) {
#define FIXED(type, ties, multiply, fixed) \
    FN(mini_run)(dst, src, n, size, g, r, type, ties, multiply, fixed)
#define RUN(type, ties, multiply) FIXED(type, ties, multiply, 0)
    const int even = r->type == WWQ_F32 && r->ties == WWQ_TIES_EVEN;
    if (r->multiply && size == 16)
        FIXED(WWQ_F32, WWQ_TIES_EVEN, 1, 16);
    else if (r->multiply)
        RUN(WWQ_F32, WWQ_TIES_EVEN, 1);
    else if (even && size == 16)
        FIXED(WWQ_F32, WWQ_TIES_EVEN, 0, 16);
    else if (even && size == 32)
        FIXED(WWQ_F32, WWQ_TIES_EVEN, 0, 32);
    else if (r->type == WWQ_BF16)
        RUN(WWQ_BF16, WWQ_TIES_EVEN, 0);
    else if (r->type == WWQ_F16)
        RUN(WWQ_F16, WWQ_TIES_EVEN, 0);
    else if (r->ties == WWQ_TIES_AWAY)
        RUN(WWQ_F32, WWQ_TIES_AWAY, 0);
    else if (r->ties == WWQ_TIES_LOW)
        RUN(WWQ_F32, WWQ_TIES_LOW, 0);
    else
        RUN(WWQ_F32, WWQ_TIES_EVEN, 0);
#undef RUN
#undef FIXED
}

#ifdef HAS_AVX2
// Eight weights of a book: a binary search in its middles, whose tables are registers. t is
// compared with the middle one, and then with one of two, of four and of eight.
TARGET INLINE size_t FN(book_group)(float *restrict dst, const float *restrict src, size_t n,
                                    wwq_group g, const float *value, const float *middle,
                                    int multiply) {
    const __m256 step = _mm256_set1_ps(g.step), scale = _mm256_set1_ps(g.scale);
    const __m256 low = _mm256_loadu_ps(value), high = _mm256_loadu_ps(value + 8);
    const __m256 one = _mm256_set1_ps(middle[7]);
    const __m256 two[2] = {_mm256_set1_ps(middle[3]), _mm256_set1_ps(middle[11])};
    const __m256 four = _mm256_setr_ps(middle[1], middle[5], middle[9], middle[13], middle[1],
                                       middle[5], middle[9], middle[13]);
    const __m256 eight = _mm256_setr_ps(middle[0], middle[2], middle[4], middle[6], middle[8],
                                        middle[10], middle[12], middle[14]);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 x = _mm256_loadu_ps(src + i);
        const __m256 t = multiply ? _mm256_mul_ps(x, step) : _mm256_div_ps(x, step);
        const __m256 upper = _mm256_cmp_ps(t, one, _CMP_GT_OQ);
        __m256 above = _mm256_cmp_ps(t, _mm256_blendv_ps(two[0], two[1], upper), _CMP_GT_OQ);
        const __m256i bit = _mm256_castps_si256(upper);
        // Masks are -1, and doubled indices negative so far.
        __m256i k = _mm256_add_epi32(_mm256_add_epi32(bit, bit), _mm256_castps_si256(above));
        k = _mm256_sub_epi32(_mm256_setzero_si256(), k);
        above = _mm256_cmp_ps(t, _mm256_permutevar_ps(four, k), _CMP_GT_OQ);
        k = _mm256_sub_epi32(_mm256_add_epi32(k, k), _mm256_castps_si256(above));
        above = _mm256_cmp_ps(t, _mm256_permutevar8x32_ps(eight, k), _CMP_GT_OQ);
        k = _mm256_sub_epi32(_mm256_add_epi32(k, k), _mm256_castps_si256(above));
        const __m256 v = _mm256_blendv_ps(_mm256_permutevar8x32_ps(low, k),
                                          _mm256_permutevar8x32_ps(high, k), upper);
        _mm256_storeu_ps(dst + i, _mm256_mul_ps(v, scale));
    }
    return i;
}
#endif

TARGET INLINE void FN(book_run)(float *restrict dst, const float *restrict src, size_t n,
                                size_t size, const wwq_group *groups, const float *values,
                                const float *middles, int multiply) {
    float value[16], middle[15]; // copies, which dst does not alias
    memcpy(value, values, sizeof value);
    memcpy(middle, middles, sizeof middle);
    for (size_t at = 0; at < n; at += size, groups++) {
        const size_t m = n - at < size ? n - at : size;
        const float step = groups->step, scale = groups->scale;
        const float *restrict x = src + at;
        float *restrict y = dst + at;
        size_t i = 0;
#ifdef HAS_AVX2
        i = FN(book_group)(y, x, m, *groups, value, middle, multiply);
#endif
        for (; i < m; i++) {
            const float t = multiply ? x[i] * step : x[i] / step;
            float v = value[0];
#pragma GCC unroll 15
            for (int k = 0; k < 15; k++)
                v = t > middle[k] ? value[k + 1] : v;
            y[i] = v * scale;
        }
    }
}

TARGET static void FN(book)(float *dst, const float *src, size_t n, size_t size, const wwq_group *g,
                            const float *values, const float *middles, int multiply) {
    if (multiply)
        FN(book_run)(dst, src, n, size, g, values, middles, 1);
    else
        FN(book_run)(dst, src, n, size, g, values, middles, 0);
}

#ifdef HAS_AVX2
// The last vector overlaps the one before it, which does not change a range.
TARGET INLINE wwq_extent FN(range)(const float *x, size_t n) {
    if (n < 8) {
        float lo = x[0], hi = x[0];
        for (size_t i = 1; i < n; i++) {
            lo = x[i] < lo ? x[i] : lo;
            hi = x[i] > hi ? x[i] : hi;
        }
        return (wwq_extent){lo + 0.0f, hi + 0.0f};
    }
    __m256 low = _mm256_loadu_ps(x + n - 8), high = low;
    size_t i = 0;
    if (n >= 32) {
        __m256 l[4], h[4];
        for (int k = 0; k < 4; k++)
            l[k] = h[k] = low;
        for (; i + 32 <= n; i += 32)
            for (int k = 0; k < 4; k++) {
                const __m256 v = _mm256_loadu_ps(x + i + 8 * k);
                l[k] = _mm256_min_ps(v, l[k]);
                h[k] = _mm256_max_ps(v, h[k]);
            }
        low = _mm256_min_ps(_mm256_min_ps(l[0], l[1]), _mm256_min_ps(l[2], l[3]));
        high = _mm256_max_ps(_mm256_max_ps(h[0], h[1]), _mm256_max_ps(h[2], h[3]));
    }
    for (; i + 8 <= n; i += 8) {
        const __m256 v = _mm256_loadu_ps(x + i);
        low = _mm256_min_ps(v, low);
        high = _mm256_max_ps(v, high);
    }
    // The ends as the smallest of the low lanes and of the high ones, which are negated.
    high = _mm256_xor_ps(high, _mm256_set1_ps(-0.0f));
    __m256 v = _mm256_min_ps(_mm256_permute2f128_ps(low, high, 0x20),
                             _mm256_permute2f128_ps(low, high, 0x31));
    v = _mm256_min_ps(v, _mm256_permute_ps(v, 0x4e));
    v = _mm256_min_ps(v, _mm256_permute_ps(v, 0xb1));
    const float lo = _mm256_cvtss_f32(v);
    const float hi = -_mm_cvtss_f32(_mm256_extractf128_ps(v, 1));
    return (wwq_extent){lo + 0.0f, hi + 0.0f};
}
#else
// This loop uses vector types, because the compiler keeps lanes in memory otherwise.
TARGET INLINE wwq_extent FN(range)(const float *x, size_t n) {
    float lo = x[0], hi = x[0];
    size_t i = 0;
    if (n >= 8) {
        vf4 v, low[2], high[2];
        memcpy(low, x, sizeof low);
        memcpy(high, x, sizeof high);
        for (i = 8; i + 8 <= n; i += 8)
            for (int h = 0; h < 2; h++) {
                memcpy(&v, x + i + 4 * h, sizeof v);
                low[h] = SELECT(v < low[h], v, low[h]);
                high[h] = SELECT(v > high[h], v, high[h]);
            }
        low[0] = SELECT(low[1] < low[0], low[1], low[0]);
        high[0] = SELECT(high[1] > high[0], high[1], high[0]);
        lo = low[0][0], hi = high[0][0];
        for (int l = 1; l < 4; l++) {
            lo = low[0][l] < lo ? low[0][l] : lo;
            hi = high[0][l] > hi ? high[0][l] : hi;
        }
    }
    for (; i < n; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    return (wwq_extent){lo + 0.0f, hi + 0.0f};
}

#endif

TARGET static void FN(group_ranges)(wwq_extent *restrict ranges, const float *restrict src,
                                    size_t n, size_t size) {
    for (size_t at = 0; at < n; at += size, ranges++)
        *ranges = FN(range)(src + at, n - at < size ? n - at : size);
}

#undef INLINE
