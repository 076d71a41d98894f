// Decoders, written once and compiled once for each instruction set: see decode.go for
// what each computes. FN(name) is the name of a function for this set, TARGET selects it.

// Codes of 4 bits of half a block each: b & 15 of n weights, then b >> 4 of n more.
#define NIBBLES(n, low, high)               \
    NO_UNROLL                               \
    for (int i = 0; i < n; i++) {           \
        int a = qs[i] & 15, b = qs[i] >> 4; \
        y[i] = low, y[i + n] = high;        \
    }

TARGET static void FN(decode_q4_0)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    for (; blocks > 0; blocks--, y += 32, src += 18) {
        const uint8_t *qs = src + 2;
        const float d = half(src);
        NIBBLES(16, (float)(a - 8) * d, (float)(b - 8) * d)
    }
}

TARGET static void FN(decode_q4_1)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    for (; blocks > 0; blocks--, y += 32, src += 20) {
        const uint8_t *qs = src + 4;
        const float d = half(src), m = half(src + 2);
        NIBBLES(16, (float)a * d + m, (float)b * d + m)
    }
}

TARGET static inline uint32_t FN(u32)(const uint8_t *p) {
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

TARGET static void FN(decode_q5_0)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    for (; blocks > 0; blocks--, y += 32, src += 22) {
        const uint8_t *qs = src + 6;
        const float d = half(src);
        const uint32_t h = FN(u32)(src + 2);
        NIBBLES(16, (float)(a + (int)(h >> i & 1) * 16 - 16) * d,
                (float)(b + (int)(h >> (i + 16) & 1) * 16 - 16) * d)
    }
}

TARGET static void FN(decode_q5_1)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    for (; blocks > 0; blocks--, y += 32, src += 24) {
        const uint8_t *qs = src + 8;
        const float d = half(src), m = half(src + 2);
        const uint32_t h = FN(u32)(src + 4);
        NIBBLES(16, (float)(a + (int)(h >> i & 1) * 16) * d + m,
                (float)(b + (int)(h >> (i + 16) & 1) * 16) * d + m)
    }
}

TARGET static void FN(decode_q8_0)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    for (; blocks > 0; blocks--, y += 32, src += 34) {
        const float d = half(src);
        for (int i = 0; i < 32; i++)
            y[i] = (float)(int8_t)src[2 + i] * d;
    }
}

TARGET static void FN(decode_q1_0)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    for (; blocks > 0; blocks--, y += 128, src += 18) {
        const uint32_t d = float_bits(half(src)) ^ 0x80000000u;
        for (int j = 0; j < 4; j++) {
            const uint32_t bits = FN(u32)(src + 2 + 4 * j);
            uint32_t out[32];
            for (int i = 0; i < 32; i++)
                out[i] = d ^ (bits >> i << 31);
            memcpy(y + 32 * j, out, sizeof out);
        }
    }
}

TARGET static void FN(decode_q2_0)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    for (; blocks > 0; blocks--, y += 64, src += 18) {
        const float d = half(src);
        for (int j = 0; j < 4; j++) {
            const uint32_t bits = FN(u32)(src + 2 + 4 * j);
            NO_UNROLL
            for (int i = 0; i < 16; i++)
                y[16 * j + i] = (float)((int)(bits >> 2 * i & 3) - 1) * d;
        }
    }
}

TARGET static void FN(decode_tq1_0)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    for (; blocks > 0; blocks--, y += 256, src += 54) {
        const float d = half(src + 52);
        for (int n = 0; n < 5; n++) {
            for (int i = 0; i < 32; i++)
                y[32 * n + i] = (float)((int)((uint8_t)(src[i] * powers[n]) * 3 >> 8) - 1) * d;
            NO_UNROLL
            for (int i = 0; i < 16; i++)
                y[160 + 16 * n + i] =
                    (float)((int)((uint8_t)(src[32 + i] * powers[n]) * 3 >> 8) - 1) * d;
        }
        NO_UNROLL
        for (int i = 0; i < 16; i++)
            y[240 + i] =
                (float)((int)((uint8_t)(src[48 + i % 4] * powers[i / 4]) * 3 >> 8) - 1) * d;
    }
}

TARGET static void FN(decode_tq2_0)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    for (; blocks > 0; blocks--, y += 256, src += 66) {
        const float d = half(src + 64);
        for (int h = 0; h < 2; h++)
            for (int j = 0; j < 4; j++)
                for (int i = 0; i < 32; i++)
                    y[128 * h + 32 * j + i] = (float)((src[32 * h + i] >> 2 * j & 3) - 1) * d;
    }
}

TARGET static void FN(decode_mxfp4)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    for (; blocks > 0; blocks--, y += 32, src += 17) {
        const uint8_t *qs = src + 1;
        const float d = e8m0_half(src[0]);
        NIBBLES(16, E2M1[a] * d, E2M1[b] * d)
    }
}

TARGET static void FN(decode_nvfp4)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    for (; blocks > 0; blocks--, src += 36)
        for (int s = 0; s < 4; s++, y += 16) {
            const uint8_t *qs = src + 4 + 8 * s;
            const float d = ue4m3_half(src[s]);
            NIBBLES(8, E2M1[a] * d, E2M1[b] * d)
        }
}

TARGET static void FN(decode_q2_k)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    for (; blocks > 0; blocks--, src += 84) {
        const float d = half(src + 80), dmin = half(src + 82);
        for (int s = 0; s < 16; s++, y += 16) {
            const uint8_t *qs = src + 16 + s / 8 * 32 + s % 2 * 16;
            const float ds = d * (float)(src[s] & 15), m = dmin * (float)(src[s] >> 4);
            const int shift = s % 8 / 2 * 2;
            NO_UNROLL
            for (int i = 0; i < 16; i++)
                y[i] = ds * (float)(qs[i] >> shift & 3) - m;
        }
    }
}

TARGET static void FN(decode_q3_k)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    for (; blocks > 0; blocks--, src += 110) {
        const uint8_t *sc = src + 96;
        const float d = half(src + 108);
        for (int s = 0; s < 16; s++, y += 16) {
            const uint8_t *qs = src + 32 + s / 8 * 32 + s % 2 * 16, *hm = src + s % 2 * 16;
            const int scale = (sc[s % 8] >> s / 8 * 4 & 15) | (sc[8 + s % 4] >> s / 4 * 2 & 3) << 4;
            const float ds = d * (float)(scale - 32);
            const int shift = s % 8 / 2 * 2, bit = s / 2;
            NO_UNROLL
            for (int i = 0; i < 16; i++)
                y[i] = ds * (float)((qs[i] >> shift & 3) + (hm[i] >> bit & 1) * 4 - 4);
        }
    }
}

TARGET static void FN(decode_q4_k)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    for (; blocks > 0; blocks--, src += 144) {
        const float d = half(src), dmin = half(src + 2);
        for (int s = 0; s < 8; s++, y += 32) {
            const uint8_t *qs = src + 16 + s / 2 * 32;
            float scale, min;
            scale_min6(src + 4, s, &scale, &min);
            const float ds = d * scale, m = dmin * min;
            const int shift = s % 2 * 4;
            for (int i = 0; i < 32; i++)
                y[i] = ds * (float)(qs[i] >> shift & 15) - m;
        }
    }
}

TARGET static void FN(decode_q5_k)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    for (; blocks > 0; blocks--, src += 176) {
        const float d = half(src), dmin = half(src + 2);
        for (int s = 0; s < 8; s++, y += 32) {
            const uint8_t *qs = src + 48 + s / 2 * 32, *qh = src + 16;
            float scale, min;
            scale_min6(src + 4, s, &scale, &min);
            const float ds = d * scale, m = dmin * min;
            const int shift = s % 2 * 4;
            for (int i = 0; i < 32; i++)
                y[i] = ds * (float)((qs[i] >> shift & 15) + (qh[i] >> s & 1) * 16) - m;
        }
    }
}

TARGET static void FN(decode_q6_k)(float *restrict y, const uint8_t *restrict src, size_t blocks) {
    for (; blocks > 0; blocks--, src += 210) {
        const float d = half(src + 208);
        for (int s = 0; s < 16; s++, y += 16) {
            const int h = s / 8, k = s % 8 / 2, shift = k / 2 * 4;
            const uint8_t *ql = src + 64 * h + 32 * (k & 1) + s % 2 * 16;
            const uint8_t *qh = src + 128 + 32 * h + s % 2 * 16;
            const float ds = d * (float)(int8_t)src[192 + s];
            NO_UNROLL
            for (int i = 0; i < 16; i++)
                y[i] = ds * (float)((ql[i] >> shift & 15) + (qh[i] >> 2 * k & 3) * 16 - 32);
        }
    }
}

TARGET static void FN(decode_iq4_nl)(float *restrict y, const uint8_t *restrict src,
                                     size_t blocks) {
    for (; blocks > 0; blocks--, y += 32, src += 18) {
        const uint8_t *qs = src + 2;
        const float d = half(src);
        NIBBLES(16, d * IQ4[a], d * IQ4[b])
    }
}

TARGET static void FN(decode_iq4_xs)(float *restrict y, const uint8_t *restrict src,
                                     size_t blocks) {
    for (; blocks > 0; blocks--, src += 136) {
        const float d = half(src);
        for (int s = 0; s < 8; s++, y += 32) {
            const int high = (src[2 + s / 4] >> s % 4 * 2 & 3) << 4;
            const int scale = (src[4 + s / 2] >> s % 2 * 4 & 15) | high;
            const uint8_t *qs = src + 8 + 16 * s;
            const float ds = d * (float)(scale - 32);
            NIBBLES(16, ds * IQ4[a], ds * IQ4[b])
        }
    }
}

#undef NIBBLES
