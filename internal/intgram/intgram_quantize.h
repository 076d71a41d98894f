/* Loops that the compiler vectorises, compiled once for each instruction set. The
 * file that includes this one defines FN(name) and TARGET. */
TARGET static double FN(quantize)(int8_t *restrict dst, const float *restrict src, size_t n,
                                  float scale, float qmax) {
    double squares = 0;
    while (n > 0) {
        const size_t part = n < 65536 ? n : 65536; /* squares of as many fit in int32 */
        int32_t sum = 0;
        for (size_t i = 0; i < part; i++) {
            float q = src[i] / scale;
            q = q < -qmax ? -qmax : q;
            q = q > qmax ? qmax : q;
            const int32_t v = (int32_t)((q + 12582912.0f) - 12582912.0f);
            dst[i] = (int8_t)v;
            sum += v * v;
        }
        squares += sum;
        src += part, dst += part, n -= part;
    }
    return squares;
}

TARGET static double FN(scale16)(int16_t *restrict dst, const float *restrict src, size_t n,
                                 float factor) {
    double sum[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int l = 0; l < 8; l++) {
            const float v = src[i + l] * factor;
            dst[i + l] = (int16_t)(int32_t)v;
            sum[l] += (double)v * (double)v;
        }
    for (int l = 0; i < n; i++, l++) {
        const float v = src[i] * factor;
        dst[i] = (int16_t)(int32_t)v;
        sum[l] += (double)v * (double)v;
    }
    /* Whole numbers below 2^53: in any order. */
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

TARGET static void FN(add)(double *restrict row, const int32_t *restrict acc) {
    for (int j = 0; j < IG_NR; j++)
        row[j] += acc[j];
}

/* Squares of int16, by column, and the bounds that follow. Pairs of products fit in
 * int32: 2 * 32767^2 < 2^31. Rounding is upwards by more than the sums lose. */
TARGET static void FN(survey16)(ig_facts *f, const int16_t *b, size_t blocks) {
    ig_bounds *n = &f->bounds;
    float column[IG_NR] = {0};
    size_t c = 0;
    for (size_t s = 0; c < blocks; s++) {
        float span[IG_NR] = {0};
        for (int x = 0; x < IG_SPAN && c < blocks; x++, c++) {
            float block[IG_NR] = {0}, most = 0;
            for (int g = 0; g < IG_GROUPS; g++, b += 2 * IG_NR)
                for (int j = 0; j < IG_NR; j++)
                    block[j] += (float)((int32_t)b[2 * j] * b[2 * j] + (int32_t)b[2 * j + 1] * b[2 * j + 1]);
            for (int j = 0; j < IG_NR; j++) {
                span[j] += block[j];
                most = block[j] > most ? block[j] : most;
            }
            n->block[c] = root(most * 1.0001f);
            n->top[c] = n->pair[c] = 0;
        }
        float most = 0;
        for (int j = 0; j < IG_NR; j++) {
            f->square[s][j] = span[j] * 1.0001f;
            column[j] += f->square[s][j];
            most = f->square[s][j] > most ? f->square[s][j] : most;
        }
        n->span[s] = root(most);
        n->top_span[s] = n->pair_span[s] = 0;
    }
    float most = 0;
    for (int j = 0; j < IG_NR; j++)
        most = column[j] > most ? column[j] : most;
    n->total = root(most * 1.0001f);
}

#undef FN
#undef TARGET
