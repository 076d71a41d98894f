// Quantizers of the types with searches: see kquants.go for what each computes. They
// return 0 if a scale is not finite.

#define SUPER 256

// Lays n sub-blocks of length weights beside each other, and zeros in place of those that
// are missing of 16.
TARGET static inline void FN(transpose)(float *restrict dst, const float *restrict src, int length,
                                        int n) {
    if (n < SUB)
        memset(dst, 0, sizeof(float) * SUB * (size_t)length);
#ifdef TRANSPOSE4
    for (int i = 0; i < length; i += 4)
        for (int k = 0; k + 4 <= n; k += 4)
            TRANSPOSE4(dst + SUB * i + k, SUB, src + length * k + i, length);
    for (int i = 0; i < length; i++)
        for (int k = n & ~3; k < n; k++)
            dst[SUB * i + k] = src[length * k + i];
#else
    for (int i = 0; i < length; i++)
        for (int k = 0; k < n; k++)
            dst[SUB * i + k] = src[length * k + i];
#endif
}

// The codes, moved to begin at 0, of n weights of a sub-block with the scale d and the
// minimum -m. If d is 0 they are what the search left.
TARGET static inline void FN(requantize)(uint8_t *restrict q, const float *restrict x, int n,
                                         float d, float m, float lo, float hi, const FN(found) * f,
                                         int k) {
    if (d != 0) {
        int32_t codes[32];
        for (int i = 0; i < n; i += LANES) {
            const VF v = NEAREST((LOAD(x + i) + m) / d, FN(all)(lo), FN(all)(hi));
            const VI c = __builtin_convertvector(v - lo, VI);
            memcpy(codes + i, &c, sizeof c);
        }
        NO_UNROLL
        for (int i = 0; i < n; i++)
            q[i] = (uint8_t)codes[i];
        return;
    }
    for (int i = 0; i < n; i++) {
        const float v = f->fixed[k] ? lo : nearest(f->id[k] * (x[i] - f->from[k]), lo, hi);
        q[i] = (uint8_t)(int)(v - lo);
    }
}

TARGET static inline void FN(put2)(uint8_t *restrict dst, const uint8_t *restrict q) {
    for (int h = 0; h < 2; h++)
        for (int i = 0; i < 32; i++) {
            const uint8_t *p = q + 128 * h + i;
            dst[32 * h + i] =
                (uint8_t)((p[0] & 3) | (p[32] & 3) << 2 | (p[64] & 3) << 4 | (p[96] & 3) << 6);
        }
}

TARGET static inline void FN(put4)(uint8_t *restrict dst, const uint8_t *restrict q) {
    for (int c = 0; c < 4; c++)
        for (int i = 0; i < 32; i++)
            dst[32 * c + i] = (uint8_t)((q[64 * c + i] & 15) | (q[64 * c + 32 + i] & 15) << 4);
}

TARGET static int FN(quantize_q2_k)(uint8_t *restrict dst, const float *restrict x, size_t blocks) {
    const FN(grid) grid = {16, 15, 1, 3, -0.5f, 0.1f};
    for (; blocks > 0; blocks--, x += SUPER, dst += 84) {
        float xt[16 * SUB];
        uint8_t q[SUPER];
        FN(found) f;
        FN(transpose)(xt, x, 16, SUB);
        FN(search_affine)(&f, xt, grid);
        const float scale = peak(f.scale, SUB), min = peak(f.min, SUB);
        if (!put_half(dst + 80, scale / 15) || !put_half(dst + 82, min / 15))
            return 0;
        const float d = half(dst + 80), dmin = half(dst + 82);
        for (int k = 0; k < SUB; k++) {
            const float s = scale > 0 ? nearest(15 / scale * f.scale[k], 0, 15) : 0;
            const float m = min > 0 ? nearest(15 / min * f.min[k], 0, 15) : 0;
            dst[k] = (uint8_t)((int)s | (int)m << 4);
            FN(requantize)(q + 16 * k, x + 16 * k, 16, d * s, dmin * m, 0, 3, &f, k);
        }
        FN(put2)(dst + 16, q);
    }
    return 1;
}

// putSigned: stores the scale and gives it and its reciprocal.
TARGET static inline int FN(put_signed)(uint8_t *dst, const float *scales, int n, float most,
                                        float *d, float *id) {
    const float m = largest(scales, n);
    dst[0] = dst[1] = 0;
    *d = *id = 0;
    if (m == 0)
        return 1;
    for (int k = 0; k < n; k++)
        if (!is_finite(scales[k]))
            return 0;
    *id = -most / m;
    if (!put_half(dst, 1 / *id))
        return 0;
    *d = half(dst);
    return 1;
}

TARGET static int FN(quantize_q3_k)(uint8_t *restrict dst, const float *restrict x, size_t blocks) {
    for (; blocks > 0; blocks--, x += SUPER, dst += 110) {
        float xt[16 * SUB], codes[16 * SUB], scales[SUB], d, id;
        uint8_t q[SUPER], *sc = dst + 96;
        FN(transpose)(xt, x, 16, SUB);
        FN(descend_symmetric)(scales, codes, xt, 4);
        if (!FN(put_signed)(dst + 108, scales, SUB, 32, &d, &id))
            return 0;
        memset(sc, 0, 12);
        for (int k = 0; k < SUB; k++) {
            const float s = id != 0 ? nearest(id * scales[k], -32, 31) : -32;
            const int code = id != 0 ? (int)s + 32 : 0;
            sc[k % 8] |= (uint8_t)((code & 15) << k / 8 * 4);
            sc[8 + k % 4] |= (uint8_t)(code >> 4 << k / 4 * 2);
            if (d * s != 0)
                FN(requantize)(q + 16 * k, x + 16 * k, 16, d * s, 0, -4, 3, NULL, k);
            else
                for (int i = 0; i < 16; i++)
                    q[16 * k + i] = (uint8_t)((int)codes[SUB * i + k] + 4);
        }
        for (int i = 0; i < 32; i++) {
            int h = 0;
            for (int b = 0; b < 8; b++)
                h |= (q[32 * b + i] >> 2) << b;
            dst[i] = (uint8_t)h;
        }
        FN(put2)(dst + 32, q);
    }
    return 1;
}

// searchScaleMin from the search on: scales and minima of the 8 sub-blocks from k on, and
// codes.
TARGET static inline int FN(put_scale_min)(uint8_t *restrict dst, uint8_t *restrict q,
                                           const float *restrict x, const FN(found) * f, int k,
                                           float nmax) {
    const float scale = peak(f->scale + k, 8), min = peak(f->min + k, 8);
    if (!put_half(dst, scale / 63) || !put_half(dst + 2, min / 63))
        return 0;
    const float d = half(dst), dmin = half(dst + 2);
    for (int j = 0; j < 8; j++) {
        const float s = scale > 0 ? nearest(63 / scale * f->scale[k + j], 0, 63) : 0;
        const float m = min > 0 ? nearest(63 / min * f->min[k + j], 0, 63) : 0;
        put_scale_min6(dst + 4, j, (int)s, (int)m);
        FN(requantize)(q + 32 * j, x + 32 * j, 32, d * s, dmin * m, 0, nmax, f, k + j);
    }
    return 1;
}

// Two blocks are searched at once.
TARGET static int FN(quantize_q4_k)(uint8_t *restrict dst, const float *restrict x, size_t blocks) {
    const FN(grid) grid = {32, 20, 0, 15, -1, 0.1f};
    for (size_t b = 0; b < blocks; b += 2) {
        const int n = blocks - b > 1 ? 2 : 1;
        float xt[32 * SUB];
        uint8_t q[SUPER];
        FN(found) f;
        FN(transpose)(xt, x, 32, 8 * n);
        FN(search_affine)(&f, xt, grid);
        for (int k = 0; k < 8 * n; k += 8, x += SUPER, dst += 144) {
            if (!FN(put_scale_min)(dst, q, x, &f, k, 15))
                return 0;
            FN(put4)(dst + 16, q);
        }
    }
    return 1;
}

TARGET static int FN(quantize_q5_k)(uint8_t *restrict dst, const float *restrict x, size_t blocks) {
    const FN(grid) grid = {32, 15, 0, 31, -0.5f, 0.1f};
    for (size_t b = 0; b < blocks; b += 2) {
        const int n = blocks - b > 1 ? 2 : 1;
        float xt[32 * SUB];
        uint8_t q[SUPER];
        FN(found) f;
        FN(transpose)(xt, x, 32, 8 * n);
        FN(search_affine)(&f, xt, grid);
        for (int k = 0; k < 8 * n; k += 8, x += SUPER, dst += 176) {
            if (!FN(put_scale_min)(dst, q, x, &f, k, 31))
                return 0;
            for (int i = 0; i < 32; i++) {
                int h = 0;
                for (int j = 0; j < 8; j++)
                    h |= (q[32 * j + i] >> 4) << j;
                dst[16 + i] = (uint8_t)h;
            }
            FN(put4)(dst + 48, q);
        }
    }
    return 1;
}

TARGET static int FN(quantize_q6_k)(uint8_t *restrict dst, const float *restrict x, size_t blocks) {
    for (; blocks > 0; blocks--, x += SUPER, dst += 210) {
        float xt[16 * SUB], d, id;
        uint8_t q[SUPER];
        FN(found) f;
        FN(transpose)(xt, x, 16, SUB);
        FN(search_symmetric)(&f, xt, 32);
        if (fabsf(largest(f.scale, SUB)) < TINY) {
            memset(dst, 0, 210);
            continue;
        }
        if (!FN(put_signed)(dst + 208, f.scale, SUB, 128, &d, &id))
            return 0;
        for (int k = 0; k < SUB; k++) {
            const float s = nearest(id * f.scale[k], -128, 127);
            dst[192 + k] = (uint8_t)(int)s;
            FN(requantize)(q + 16 * k, x + 16 * k, 16, d * s, 0, -32, 31, &f, k);
        }
        for (int h = 0; h < 2; h++)
            for (int i = 0; i < 32; i++) {
                const uint8_t *p = q + 128 * h + i;
                uint8_t *low = dst + 64 * h + i;
                low[0] = (uint8_t)((p[0] & 15) | (p[64] & 15) << 4);
                low[32] = (uint8_t)((p[32] & 15) | (p[96] & 15) << 4);
                dst[128 + 32 * h + i] =
                    (uint8_t)(p[0] >> 4 | p[32] >> 4 << 2 | p[64] >> 4 << 4 | p[96] >> 4 << 6);
            }
    }
    return 1;
}

// The codes of 32 weights times id.
TARGET static inline void FN(put_iq4)(uint8_t *restrict dst, const float *restrict x, float id) {
    uint8_t q[32];
    for (int i = 0; i < 32; i++) {
        const float v = id * x[i];
        int c = 0;
        for (int k = 0; k < 15; k++)
            c += v >= IQ4_MIDDLES[k];
        q[i] = (uint8_t)c;
    }
    for (int i = 0; i < 16; i++)
        dst[i] = (uint8_t)(q[i] | q[i + 16] << 4);
}

// Sixteen blocks are searched at once.
TARGET static int FN(quantize_iq4_nl)(uint8_t *restrict dst, const float *restrict x,
                                      size_t blocks) {
    for (size_t b = 0; b < blocks; b += SUB) {
        const int n = blocks - b < SUB ? (int)(blocks - b) : SUB;
        float xt[32 * SUB], scales[SUB];
        FN(transpose)(xt, x, 32, n);
        FN(search_iq4)(scales, xt);
        for (int k = 0; k < n; k++, x += 32, dst += 18) {
            if (!put_half(dst, scales[k]))
                return 0;
            FN(put_iq4)(dst + 2, x, inverse(scales[k]));
        }
    }
    return 1;
}

// Two blocks are searched at once.
TARGET static int FN(quantize_iq4_xs)(uint8_t *restrict dst, const float *restrict x,
                                      size_t blocks) {
    for (size_t b = 0; b < blocks; b += 2) {
        const int n = blocks - b > 1 ? 2 : 1;
        float xt[32 * SUB], scales[SUB];
        FN(transpose)(xt, x, 32, 8 * n);
        FN(search_iq4)(scales, xt);
        for (int k = 0; k < 8 * n; k += 8, dst += 136) {
            const float d = -largest(scales + k, 8) / 32, id = inverse(d);
            for (int j = 0; j < 8; j++)
                if (!is_finite(scales[k + j]))
                    return 0;
            if (!put_half(dst, d))
                return 0;
            memset(dst + 2, 0, 6);
            for (int j = 0; j < 8; j++, x += 32) {
                const float l = nearest(id * scales[k + j], -32, 31);
                const int code = (int)l + 32;
                dst[2 + j / 4] |= (uint8_t)(code >> 4 << j % 4 * 2);
                dst[4 + j / 2] |= (uint8_t)((code & 15) << j % 2 * 4);
                FN(put_iq4)(dst + 8 + 16 * j, x, inverse(d * l));
            }
        }
    }
    return 1;
}

static const kernels FN(table) = {
    .decode =
        {
            [WWQ_Q4_0] = FN(decode_q4_0),
            [WWQ_Q4_1] = FN(decode_q4_1),
            [WWQ_Q5_0] = FN(decode_q5_0),
            [WWQ_Q5_1] = FN(decode_q5_1),
            [WWQ_Q8_0] = FN(decode_q8_0),
            [WWQ_Q2_K] = FN(decode_q2_k),
            [WWQ_Q3_K] = FN(decode_q3_k),
            [WWQ_Q4_K] = FN(decode_q4_k),
            [WWQ_Q5_K] = FN(decode_q5_k),
            [WWQ_Q6_K] = FN(decode_q6_k),
            [WWQ_IQ4_NL] = FN(decode_iq4_nl),
            [WWQ_IQ4_XS] = FN(decode_iq4_xs),
            [WWQ_TQ1_0] = FN(decode_tq1_0),
            [WWQ_TQ2_0] = FN(decode_tq2_0),
            [WWQ_MXFP4] = FN(decode_mxfp4),
            [WWQ_NVFP4] = FN(decode_nvfp4),
            [WWQ_Q1_0] = FN(decode_q1_0),
            [WWQ_Q2_0] = FN(decode_q2_0),
        },
    .quantize =
        {
            [WWQ_Q4_0] = FN(quantize_q4_0),
            [WWQ_Q4_1] = FN(quantize_q4_1),
            [WWQ_Q5_0] = FN(quantize_q5_0),
            [WWQ_Q5_1] = FN(quantize_q5_1),
            [WWQ_Q8_0] = FN(quantize_q8_0),
            [WWQ_Q2_K] = FN(quantize_q2_k),
            [WWQ_Q3_K] = FN(quantize_q3_k),
            [WWQ_Q4_K] = FN(quantize_q4_k),
            [WWQ_Q5_K] = FN(quantize_q5_k),
            [WWQ_Q6_K] = FN(quantize_q6_k),
            [WWQ_IQ4_NL] = FN(quantize_iq4_nl),
            [WWQ_IQ4_XS] = FN(quantize_iq4_xs),
            [WWQ_TQ1_0] = FN(quantize_tq1_0),
            [WWQ_TQ2_0] = FN(quantize_tq2_0),
            [WWQ_MXFP4] = FN(quantize_mxfp4),
            [WWQ_NVFP4] = FN(quantize_nvfp4),
            [WWQ_Q1_0] = FN(quantize_q1_0),
            [WWQ_Q2_0] = FN(quantize_q2_0),
        },
};

#undef SUPER
#undef SUB
#undef VF
#undef VI
#undef SELECT
#undef ABS
#undef NEAREST
#undef LOAD
#undef STORE
#undef FN
#undef TARGET
#undef LANES
#undef VMIN
#undef ANY
#undef LOOKUP
#undef VMAX
#undef SIGNS
