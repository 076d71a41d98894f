// The loops, written once and compiled once for each instruction set. The file
// that includes this one defines
//
//   FN(name)       the name of a function for this instruction set
//   TARGET         the function attributes that select it
//   HALF_WIDTH     how many halves LOAD_HALF and STORE_HALF take at once
//   LOAD_HALF(dst, src), STORE_HALF(dst, src)   float16 <-> float32 of that many
//   HAS_AVX2       where there are the intrinsics of AVX2
//
// Loops are plain C that the compiler vectorises. Reductions keep 8 partial sums in an
// array, which fixes the order of additions.

TARGET static void FN(decode_f16)(float *restrict dst, const uint16_t *restrict src, size_t n) {
    size_t i = 0;
    for (; i + HALF_WIDTH <= n; i += HALF_WIDTH)
        LOAD_HALF(dst + i, src + i);
    for (; i < n; i++)
        dst[i] = half_to_float(src[i]);
}

TARGET static void FN(decode_bf16)(float *restrict dst, const uint16_t *restrict src, size_t n) {
    uint32_t *restrict out = (uint32_t *)dst;
    for (size_t i = 0; i < n; i++)
        out[i] = (uint32_t)src[i] << 16;
}

TARGET static void FN(find_range)(wwq_range *r, const float *restrict x, size_t n) {
    float lo[RANGE_LANES], hi[RANGE_LANES];
    uint32_t bad[RANGE_LANES] = {0};
    size_t nonfinite = 0, i = 0;
    for (int l = 0; l < RANGE_LANES; l++)
        lo[l] = FLT_MAX, hi[l] = -FLT_MAX;
    while (i + RANGE_LANES <= n) {
        // The lane counters are 32 bits wide and are emptied before they can wrap.
        size_t left = (n - i) / RANGE_LANES, steps = left < (1u << 30) ? left : (1u << 30);
        for (size_t s = 0; s < steps; s++, i += RANGE_LANES)
            for (int l = 0; l < RANGE_LANES; l++) {
                float v = x[i + l];
                int ok = v - v == 0;
                float a = ok ? v : FLT_MAX, b = ok ? v : -FLT_MAX;
                lo[l] = a < lo[l] ? a : lo[l];
                hi[l] = b > hi[l] ? b : hi[l];
                bad[l] += !ok;
            }
        for (int l = 0; l < RANGE_LANES; l++)
            nonfinite += bad[l], bad[l] = 0;
    }
    for (; i < n; i++) {
        if (!(x[i] - x[i] == 0)) {
            nonfinite++;
            continue;
        }
        lo[0] = x[i] < lo[0] ? x[i] : lo[0];
        hi[0] = x[i] > hi[0] ? x[i] : hi[0];
    }
    for (int l = 1; l < RANGE_LANES; l++) {
        lo[0] = lo[l] < lo[0] ? lo[l] : lo[0];
        hi[0] = hi[l] > hi[0] ? hi[l] : hi[0];
    }
    int none = nonfinite == n;
    r->min = none ? 0 : lo[0] + 0.0f;
    r->max = none ? 0 : hi[0] + 0.0f;
    r->nonfinite = nonfinite;
}

TARGET static void FN(quantize_symmetric)(float *restrict dst, const float *restrict src, size_t n,
                                          float scale, float qmax) {
    for (size_t i = 0; i < n; i++)
        dst[i] = ROUND_CLAMP(src[i] / scale, -qmax, qmax) * scale;
}

TARGET static void FN(quantize_asymmetric)(float *restrict dst, const float *restrict src, size_t n,
                                           float scale, float zero, float min, float qmax) {
    for (size_t i = 0; i < n; i++)
        dst[i] = ROUND_CLAMP(src[i] / scale + zero, 0.0f, qmax) * scale + min;
}

TARGET static void FN(codes_symmetric)(uint16_t *restrict codes, const float *restrict src,
                                       size_t n, float scale, float qmax) {
    for (size_t i = 0; i < n; i++)
        codes[i] = (uint16_t)(int32_t)(ROUND_CLAMP(src[i] / scale, -qmax, qmax) + qmax);
}

TARGET static void FN(codes_asymmetric)(uint16_t *restrict codes, const float *restrict src,
                                        size_t n, float scale, float zero, float qmax) {
    for (size_t i = 0; i < n; i++)
        codes[i] = (uint16_t)(int32_t)ROUND_CLAMP(src[i] / scale + zero, 0.0f, qmax);
}

// Codes are taken in parts of 65536, since the sum of so many squares fits in int32.
TARGET static double FN(codes8)(int8_t *restrict codes, const float *restrict src, size_t n,
                                float scale, float qmax) {
    double squares = 0;
    while (n > 0) {
        const size_t part = n < 65536 ? n : 65536;
        int32_t sum = 0;
        for (size_t i = 0; i < part; i++) {
            const int32_t v = (int32_t)ROUND_CLAMP(src[i] / scale, -qmax, qmax);
            codes[i] = (int8_t)v;
            sum += v * v;
        }
        squares += sum;
        src += part, codes += part, n -= part;
    }
    return squares;
}

TARGET static double FN(scale16)(int16_t *restrict dst, const float *restrict src, size_t n,
                                 float factor) {
    double squares[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++) {
            const float v = (src[i + l] * factor + ROUND_MAGIC) - ROUND_MAGIC;
            dst[i + l] = (int16_t)(int32_t)v;
            squares[l] += (double)v * (double)v;
        }
    for (int l = 0; i < n; i++, l++) {
        const float v = (src[i] * factor + ROUND_MAGIC) - ROUND_MAGIC;
        dst[i] = (int16_t)(int32_t)v;
        squares[l] += (double)v * (double)v;
    }
    return ADD_LANES(squares);
}

TARGET static void FN(round_f16)(float *x, size_t n) {
    size_t i = 0;
    for (; i + HALF_WIDTH <= n; i += HALF_WIDTH) {
        uint16_t h[HALF_WIDTH];
        STORE_HALF(h, x + i);
        LOAD_HALF(x + i, h);
    }
    for (; i < n; i++)
        x[i] = half_to_float(float_to_half(x[i]));
}

TARGET static void FN(codes_f16)(uint16_t *restrict dst, const float *restrict src, size_t n) {
    size_t i = 0;
    for (; i + HALF_WIDTH <= n; i += HALF_WIDTH)
        STORE_HALF(dst + i, src + i);
    for (; i < n; i++)
        dst[i] = float_to_half(src[i]);
}

TARGET static void FN(round_bf16)(float *x, size_t n) {
    uint32_t *b = (uint32_t *)x;
    for (size_t i = 0; i < n; i++)
        b[i] = (b[i] + 0x7fff + (b[i] >> 16 & 1)) & 0xffff0000u;
}

// This loop uses vector types, because the compiler does not vectorise four reductions by
// itself.
TARGET static void FN(sum_errors)(wwq_error_sums *s, const float *restrict a,
                                  const float *restrict b, size_t n) {
    union {
        vd4 v[2];
        double l[8];
    } abs = {{{0}}}, sq = {{{0}}}, sig = {{{0}}}, mag = {{{0}}}, top = {{{0}}};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int h = 0; h < 2; h++) {
            vf4 af, bf;
            memcpy(&af, a + i + 4 * h, sizeof af);
            memcpy(&bf, b + i + 4 * h, sizeof bf);
            vd4 x = __builtin_convertvector(af, vd4);
            vd4 e = x - __builtin_convertvector(bf, vd4);
            vd4 m = (vd4)((vl4)e & ABS_MASK);
            abs.v[h] += m;
            sq.v[h] += e * e;
            sig.v[h] += x * x;
            mag.v[h] += (vd4)((vl4)x & ABS_MASK);
            vl4 above = m > top.v[h];
            top.v[h] = (vd4)(((vl4)m & above) | ((vl4)top.v[h] & ~above));
        }
    for (int l = 0; i < n; i++, l++) {
        double x = a[i], e = fabs(x - (double)b[i]);
        abs.l[l] += e;
        sq.l[l] += e * e;
        sig.l[l] += x * x;
        mag.l[l] += fabs(x);
        top.l[l] = e > top.l[l] ? e : top.l[l];
    }
    for (int l = 1; l < 8; l++)
        top.l[0] = top.l[l] > top.l[0] ? top.l[l] : top.l[0];
    s->abs = ADD_LANES(abs.l);
    s->square = ADD_LANES(sq.l);
    s->signal = ADD_LANES(sig.l);
    s->weight = ADD_LANES(mag.l);
    s->max = top.l[0];
}

TARGET static double FN(widen)(double *restrict dst, const float *restrict src, size_t n) {
    double sq[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++) {
            double x = src[i + l];
            dst[i + l] = x;
            sq[l] += x * x;
        }
    for (int l = 0; i < n; i++, l++) {
        double x = src[i];
        dst[i] = x;
        sq[l] += x * x;
    }
    return ADD_LANES(sq);
}

#include "kernel_groups.h"
#include "kernel_residual.h"

static const kernels FN(table) = {
    .decode_f16 = FN(decode_f16),
    .decode_bf16 = FN(decode_bf16),
    .find_range = FN(find_range),
    .quantize_symmetric = FN(quantize_symmetric),
    .quantize_asymmetric = FN(quantize_asymmetric),
    .codes_symmetric = FN(codes_symmetric),
    .codes_asymmetric = FN(codes_asymmetric),
    .codes8 = FN(codes8),
    .scale16 = FN(scale16),
    .round_f16 = FN(round_f16),
    .round_bf16 = FN(round_bf16),
    .codes_f16 = FN(codes_f16),
    .sum_errors = FN(sum_errors),
    .widen = FN(widen),
    .subtract_bf16 = FN(subtract_bf16),
    .normal_product = FN(normal_product),
    .affine = FN(affine),
    .shifted = FN(shifted),
    .mini = FN(mini),
    .book = FN(book),
    .group_ranges = FN(group_ranges),
};

#undef FN
#undef TARGET
#undef HALF_WIDTH
#undef LOAD_HALF
#undef STORE_HALF
#undef HAS_AVX2
