// Quantizers of the types whose scale follows from the largest weight: see simple.go for
// what each computes. They return 0 if a scale is not finite.

// The range of n weights, a multiple of 16. A zero stands for zeros of either sign.
TARGET static inline void FN(range)(const float *x, int n, float *least, float *most) {
    FN(vf) lo, hi, v;
    memcpy(&lo, x, sizeof lo);
    hi = lo;
    for (int i = LANES; i < n; i += LANES) {
        memcpy(&v, x + i, sizeof v);
        lo = VMIN(lo, v), hi = VMAX(hi, v);
    }
    vf4 a[LANES / 4], b[LANES / 4];
    memcpy(a, &lo, sizeof a);
    memcpy(b, &hi, sizeof b);
    for (int k = 1; k < LANES / 4; k++)
        a[0] = VMIN4(a[0], a[k]), b[0] = VMAX4(b[0], b[k]);
    const float a0 = a[0][0] < a[0][1] ? a[0][0] : a[0][1],
                b0 = b[0][0] > b[0][1] ? b[0][0] : b[0][1];
    const float a1 = a[0][2] < a[0][3] ? a[0][2] : a[0][3],
                b1 = b[0][2] > b[0][3] ? b[0][2] : b[0][3];
    *least = a0 < a1 ? a0 : a1, *most = b0 > b1 ? b0 : b1;
}

// The codes trunc((x - min) * id + add) of 32 weights, at most most.
TARGET static inline void FN(truncate)(int32_t *restrict q, const float *restrict x, float min,
                                       float id, float add, int most) {
    for (int i = 0; i < 32; i += LANES) {
        FN(vf) v;
        memcpy(&v, x + i, sizeof v);
        FN(vi) c = __builtin_convertvector((v - min) * id + add, FN(vi));
        const FN(vi) over = c > most;
        c = (c & ~over) | (over & most);
        memcpy(q + i, &c, sizeof c);
    }
}

TARGET static inline void FN(put_nibbles)(uint8_t *restrict dst, const int32_t *restrict q) {
    NO_UNROLL
    for (int i = 0; i < 16; i++)
        dst[i] = (uint8_t)(q[i] | q[i + 16] << 4);
}

TARGET static inline float FN(magnitude)(const float *x, int n) {
    float lo, hi;
    FN(range)(x, n, &lo, &hi);
    return fabsf(-lo > hi ? lo : hi);
}

// The weight of the largest magnitude, the first one of several.
TARGET static inline float FN(extreme)(const float *x, int n) {
    float lo, hi;
    FN(range)(x, n, &lo, &hi);
    if (-lo == hi)
        return largest(x, n);
    return -lo > hi ? lo : hi;
}

// Codes of 5 bits, of which the low 4 come by pairs and the high ones together.
TARGET static inline void FN(put5)(uint8_t *restrict dst, const int32_t *restrict q) {
    uint32_t h = 0;
    for (int i = 0; i < 32; i++)
        h |= (uint32_t)(q[i] >> 4) << i;
    for (int i = 0; i < 4; i++)
        dst[i] = (uint8_t)(h >> 8 * i);
    NO_UNROLL
    for (int i = 0; i < 16; i++)
        dst[4 + i] = (uint8_t)((q[i] & 15) | (q[i + 16] & 15) << 4);
}

TARGET static int FN(quantize_q4_0)(uint8_t *restrict dst, const float *restrict x, size_t blocks) {
    for (; blocks > 0; blocks--, x += 32, dst += 18) {
        const float d = FN(extreme)(x, 32) / -8, id = inverse(d);
        if (!put_half(dst, d))
            return 0;
        int32_t q[32];
        FN(truncate)(q, x, 0, id, 8.5f, 15);
        FN(put_nibbles)(dst + 2, q);
    }
    return 1;
}

TARGET static int FN(quantize_q5_0)(uint8_t *restrict dst, const float *restrict x, size_t blocks) {
    for (; blocks > 0; blocks--, x += 32, dst += 22) {
        const float d = FN(extreme)(x, 32) / -16, id = inverse(d);
        if (!put_half(dst, d))
            return 0;
        int32_t q[32];
        FN(truncate)(q, x, 0, id, 16.5f, 31);
        FN(put5)(dst + 2, q);
    }
    return 1;
}

TARGET static inline int FN(put_min_scale)(uint8_t *dst, const float *x, float qmax, float *min,
                                           float *id) {
    float lo, hi;
    FN(range)(x, 32, &lo, &hi);
    for (int i = 0; lo == 0; i++) // of zeros of either sign the first counts
        if (x[i] == 0) {
            lo = x[i];
            break;
        }
    const float d = (hi - lo) / qmax + 0.0f; // no -0, which that of zeros may be
    *min = lo, *id = inverse(d);
    return put_half(dst, d) && put_half(dst + 2, lo);
}

TARGET static int FN(quantize_q4_1)(uint8_t *restrict dst, const float *restrict x, size_t blocks) {
    for (; blocks > 0; blocks--, x += 32, dst += 20) {
        float lo, id;
        if (!FN(put_min_scale)(dst, x, 15, &lo, &id))
            return 0;
        int32_t q[32];
        FN(truncate)(q, x, lo, id, 0.5f, 15);
        FN(put_nibbles)(dst + 4, q);
    }
    return 1;
}

TARGET static int FN(quantize_q5_1)(uint8_t *restrict dst, const float *restrict x, size_t blocks) {
    for (; blocks > 0; blocks--, x += 32, dst += 24) {
        float lo, id;
        if (!FN(put_min_scale)(dst, x, 31, &lo, &id))
            return 0;
        int32_t q[32];
        FN(truncate)(q, x, lo, id, 0.5f, 31);
        FN(put5)(dst + 4, q);
    }
    return 1;
}

TARGET static int FN(quantize_q8_0)(uint8_t *restrict dst, const float *restrict x, size_t blocks) {
    for (; blocks > 0; blocks--, x += 32, dst += 34) {
        const float d = FN(magnitude)(x, 32) / 127, id = inverse(d);
        if (!put_half(dst, d))
            return 0;
        for (int i = 0; i < 32; i++)
            dst[2 + i] = (uint8_t)away(x[i] * id);
    }
    return 1;
}

// Each sum is taken in order; those of four blocks go side by side.
TARGET static int FN(quantize_q1_0)(uint8_t *restrict dst, const float *restrict x, size_t blocks) {
    while (blocks > 0) {
        const int n = blocks < 4 ? (int)blocks : 4;
        float sums[4] = {0};
        if (n == 4)
            for (int i = 0; i < 128; i++)
                for (int b = 0; b < 4; b++)
                    sums[b] += fabsf(x[128 * b + i]);
        else
            for (int b = 0; b < n; b++)
                for (int i = 0; i < 128; i++)
                    sums[b] += fabsf(x[128 * b + i]);
        for (int b = 0; b < n; b++, x += 128, dst += 18) {
            if (!put_half(dst, sums[b] / 128))
                return 0;
            for (int j = 0; j < 16; j++)
                dst[2 + j] = SIGNS(x + 8 * j);
        }
        blocks -= (size_t)n;
    }
    return 1;
}

TARGET static int FN(quantize_q2_0)(uint8_t *restrict dst, const float *restrict x, size_t blocks) {
    for (; blocks > 0; blocks--, x += 64, dst += 18) {
        const float d = FN(magnitude)(x, 64), id = inverse(d);
        if (!put_half(dst, d))
            return 0;
        uint8_t q[64];
        for (int i = 0; i < 64; i++)
            q[i] = (uint8_t)(away(x[i] * id) + 1);
        for (int i = 0; i < 16; i++) {
            const uint32_t v = FN(u32)(q + 4 * i);
            dst[2 + i] = (uint8_t)(v | v >> 6 | v >> 12 | v >> 18);
        }
    }
    return 1;
}

// n bytes of 5 trits each, which lie n apart.
TARGET static inline void FN(put_trits)(uint8_t *restrict dst, const uint8_t *restrict q, int n) {
    for (int i = 0; i < n; i++) {
        uint16_t v = q[i];
        for (int k = 1; k < 5; k++)
            v = (uint16_t)(v * 3 + q[i + k * n]);
        dst[i] = (uint8_t)((uint16_t)(v * 256 + 242) / 243);
    }
}

TARGET static int FN(quantize_tq1_0)(uint8_t *restrict dst, const float *restrict x,
                                     size_t blocks) {
    for (; blocks > 0; blocks--, x += 256, dst += 54) {
        const float d = FN(magnitude)(x, 256), id = inverse(d);
        if (!put_half(dst + 52, d))
            return 0;
        uint8_t q[260] = {0};
        for (int i = 0; i < 256; i++)
            q[i] = (uint8_t)(away(x[i] * id) + 1);
        FN(put_trits)(dst, q, 32);
        FN(put_trits)(dst + 32, q + 160, 16);
        FN(put_trits)(dst + 48, q + 240, 4);
    }
    return 1;
}

TARGET static int FN(quantize_tq2_0)(uint8_t *restrict dst, const float *restrict x,
                                     size_t blocks) {
    for (; blocks > 0; blocks--, x += 256, dst += 66) {
        const float d = FN(magnitude)(x, 256), id = inverse(d);
        if (!put_half(dst + 64, d))
            return 0;
        uint8_t q[256];
        for (int i = 0; i < 256; i++)
            q[i] = (uint8_t)(away(x[i] * id) + 1);
        for (int h = 0; h < 2; h++)
            for (int i = 0; i < 32; i++) {
                const uint8_t *p = q + 128 * h + i;
                dst[32 * h + i] = (uint8_t)(p[0] | p[32] << 2 | p[64] << 4 | p[96] << 6);
            }
    }
    return 1;
}

// Codes of n weights by comparison with the middles between neighbours. Those are where
// the rounded differences change their order, unless x is so large beside d that these
// are all equal.
TARGET static inline void FN(e2m1_codes)(uint8_t *restrict q, const float *restrict x, int n,
                                         float d, float amax) {
    if (!(amax < d * 0x1p20f)) {
        for (int i = 0; i < n; i++)
            q[i] = e2m1_code(x[i], d);
        return;
    }
    for (int i = 0; i < n; i++) {
        const float a = fabsf(x[i]);
        int c = (a > 0.5f * d) + (a > 1.5f * d) + (a > 2.5f * d) + (a > 3.5f * d);
        c += (a > 5 * d) + (a > 7 * d) + (a > 10 * d);
        q[i] = (uint8_t)(c | ((x[i] < 0) & (c > 0)) << 3);
    }
}

TARGET static int FN(quantize_mxfp4)(uint8_t *restrict dst, const float *restrict x,
                                     size_t blocks) {
    for (; blocks > 0; blocks--, x += 32, dst += 17) {
        const float amax = FN(magnitude)(x, 32);
        const int e = amax < 0x1p-126f ? -1 : floor_log2(amax) - 2 + 127;
        if (e < 0) {
            memset(dst, 0, 17);
            continue;
        }
        uint8_t q[32];
        dst[0] = (uint8_t)e;
        FN(e2m1_codes)(q, x, 32, e8m0_half((uint8_t)e), amax);
        for (int i = 0; i < 16; i++)
            dst[1 + i] = (uint8_t)(q[i] | q[i + 16] << 4);
    }
    return 1;
}

TARGET static int FN(quantize_nvfp4)(uint8_t *restrict dst, const float *restrict x,
                                     size_t blocks) {
    for (; blocks > 0; blocks--, dst += 36)
        for (int s = 0; s < 4; s++, x += 16) {
            const float amax = FN(magnitude)(x, 16);
            uint8_t q[16];
            dst[s] = ue4m3(amax / 6);
            FN(e2m1_codes)(q, x, 16, ue4m3_half(dst[s]), amax);
            for (int i = 0; i < 8; i++)
                dst[4 + 8 * s + i] = (uint8_t)(q[i] | q[i + 8] << 4);
        }
    return 1;
}
